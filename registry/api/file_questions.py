"""Questions of files that stay where they are: by checksums, and by the patterns of maps; see `questions`."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from registry.api.backend import Backend
from registry.api.mirror_refusals import find_upstream
from registry.errors import RequestError
from registry.identifiers import parse_sha256, quote
from registry.lookup import stored_files
from registry.lookup.detector_names import list_detector_names
from registry.lookup.revisions import AsOfRef
from registry.lookup.tags import list_tags
from registry.records import IdentifiedExport, IdentifiedInput, SensorMatch, Version

if TYPE_CHECKING:
    from registry.patterns import Pattern  # with numpy, which only patterns need

CHECKSUMS_OF_ONE_QUESTION = 100
PATTERNS_OF_ONE_QUESTION = 1
"""A URL of 8 kB has room for one."""

_UNKNOWN_SAMPLE = -128  # no pattern has it


class FileContents(Struct, frozen=True):
    """The constants and exports that contain a file, and the versions that were converted from it.

    Of a mirror also the registry that it follows, because it has no exports.
    """

    revision: int
    inputs: tuple[IdentifiedInput, ...]
    exports: tuple[IdentifiedExport, ...]
    converted: tuple[Version, ...]
    upstream: str | None = None


class PatternMatches(Struct, frozen=True):
    """The sensors that patterns look like, and how many maps of the registry have none to be compared with."""

    matches: tuple[SensorMatch, ...]
    without_patterns: int


def find_contents(backend: Backend, sha256: str, *, as_of: AsOfRef = None) -> FileContents:
    """Return what contains the file with this checksum."""
    parse_sha256(sha256)
    with backend.read_transaction(as_of) as view:
        revision = view.revision
        inputs = stored_files.list_inputs_with_files(view.connection, [sha256], revision).get(sha256, ())
        recorded = stored_files.list_exports_with_file(view.connection, sha256)
        converted = stored_files.list_versions_converted_from(view.connection, sha256, revision)
    exports = tuple(export for export in recorded if export.revision <= revision)
    return FileContents(revision, inputs, exports, tuple(converted), find_upstream(backend))


def list_inputs(
    backend: Backend, sha256s: Sequence[str], *, as_of: AsOfRef = None
) -> list[tuple[IdentifiedInput, ...]]:
    """Return by checksum, in their order, the constants that contain the file with it."""
    for sha256 in sha256s:
        parse_sha256(sha256)
    with backend.read_transaction(as_of) as view:
        inputs = stored_files.list_inputs_with_files(view.connection, sha256s, view.revision)
        return [inputs.get(sha256, ()) for sha256 in sha256s]


def match_patterns(
    backend: Backend, patterns: Sequence[str] = (), *, algorithm: int | None = None, as_of: AsOfRef = None
) -> PatternMatches:
    """Return the sensor that each pattern looks like, among those of live versions; see `format_pattern`."""
    from registry.lookup.missing_patterns import count_files_without_pattern
    from registry.lookup.pattern_search import PatternIndex
    from registry.lookup.sensor_matches import match_pattern
    from registry.patterns import ALGORITHM

    if algorithm not in {None, ALGORITHM}:
        raise RequestError(
            f"patterns of algorithm {algorithm} cannot be compared with those here, of algorithm {ALGORITHM};"
            " one of the two is of another version of the software",
            algorithm=algorithm,
        )
    parsed = [parse_pattern(text) for text in patterns]
    with backend.read_transaction(as_of) as view:
        index = PatternIndex(view.connection, view.revision) if parsed else None
        matches = tuple(match_pattern(index, pattern) for pattern in parsed) if index else ()
        return PatternMatches(matches, count_files_without_pattern(view.connection))


def list_named_categories(backend: Backend, name: str, *, as_of: AsOfRef = None) -> list[str]:
    """Return which things have this name, beside files: ``detector``, ``tag``, both or none."""
    with backend.read_transaction(as_of) as view:
        detectors = {named.name for named in list_detector_names(view.connection, view.revision)}
        tags = {tag.tag for tag in list_tags(view.connection, view.revision)}
    known = {"detector": name in detectors, "tag": name in tags}
    return [category for category, is_known in known.items() if is_known]


def format_pattern(pattern: Pattern) -> str:
    """Return the 4096 samples of a pattern as base64 for URLs."""
    return base64.urlsafe_b64encode(pattern.samples.tobytes()).decode().rstrip("=")


def parse_pattern(text: str) -> Pattern:
    """Return the pattern that a text of `format_pattern` stands for."""
    import numpy as np

    from registry.patterns import PATTERN_SIZE, Pattern

    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        content = b""
    samples = np.frombuffer(content, np.int8)
    if len(samples) != PATTERN_SIZE or (samples == _UNKNOWN_SAMPLE).any():
        raise RequestError(
            f"{quote(text[:20])} ... is not a pattern: {PATTERN_SIZE} samples from -127 to 127 are expected, in base64"
        )
    return Pattern(samples)
