"""Identify a file by its checksum, by the values of the panels in it, or by the patterns of its gain maps."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from registry.api.backend import Backend
from registry.api.file_questions import CHECKSUMS_OF_ONE_QUESTION, find_contents, list_inputs
from registry.api.late_patterns import describe_missing_patterns
from registry.api.sensor_matches import (
    UnknownMap,
    find_characteristic_array,
    match_sensors,
    read_unknown_maps,
    take_unknown_map,
)
from registry.errors import ArrayError, NotFoundError, Remedy
from registry.exporters.detection import detect_arrays
from registry.exporters.panel_checksums import compute_npy_checksums
from registry.files import sha256_of_file
from registry.lookup.revisions import AsOfRef
from registry.records import IdentifiedInput, IdentifiedPart, Identity, SensorMatch


def identify(backend: Backend, path: Path, as_of: AsOfRef) -> Identity:
    """Return what the registry knows of the file; see `Registry.identify`."""
    return identify_as_of(backend, path, as_of)[1]


def identify_as_of(backend: Backend, path: Path, as_of: AsOfRef) -> tuple[int, Identity]:
    """Return the revision as of which a file is identified, and what the registry knows of it."""
    sha256 = sha256_of_file(path)
    known = backend.answer(find_contents, sha256, as_of=as_of)
    if known.inputs or known.exports or known.converted:
        return known.revision, Identity(
            str(path), sha256, known.inputs, known.exports, known.converted, upstream=known.upstream
        )
    parts, maps = _identify_parts(backend, path, known.revision)
    if not parts:
        with suppress(ArrayError):  # cut or damaged: not known, whatever it was
            maps = read_unknown_maps(path)
    looks_like: tuple[SensorMatch, ...] = ()
    without_patterns = 0
    if maps:
        looks_like, without_patterns = match_sensors(backend, maps, known.revision)
    if not any(part.inputs for part in parts) and not any(match.module for match in looks_like):
        raise _not_found_error(path, sha256, parts, looks_like, without_patterns, known.upstream)
    notes = (describe_missing_patterns(without_patterns),) if without_patterns else ()
    return known.revision, Identity(
        str(path), sha256, (), (), parts=parts, looks_like=looks_like, notes=notes, upstream=known.upstream
    )


def _not_found_error(
    path: Path,
    sha256: str,
    parts: Sequence[IdentifiedPart],
    looks_like: Sequence[SensorMatch],
    without_patterns: int,
    upstream: str | None,
) -> NotFoundError:
    message = f"{str(path)!r} (sha256 {sha256}) is neither a registered file nor a recorded export"
    if upstream is not None:
        message = f"{str(path)!r} (sha256 {sha256}) is not a registered file; this mirror has no exports of {upstream}"
    if parts:
        message += ", and no panel of the array in it is registered"
    best = max(looks_like, key=lambda match: match.correlation or -1.0, default=None)
    if best is not None:
        message += f"; {'the best of its maps' if len(looks_like) > 1 else 'it'} {best.problem}"
    if without_patterns:
        message += f"; {describe_missing_patterns(without_patterns)}"
    return NotFoundError(
        message,
        remedy=Remedy.ADD_PATTERNS if without_patterns else None,
        sha256=sha256,
        parts=len(parts),
        **({} if upstream is None else {"upstream": upstream}),
        looks_like=looks_like,
    )


def _identify_parts(
    backend: Backend, path: Path, revision: int
) -> tuple[tuple[IdentifiedPart, ...], list[UnknownMap]]:
    """Return the parts of the arrays in a file, and the characteristic maps among them that are not registered."""
    parts: list[tuple[str | None, int, int, tuple[str, ...]]] = []
    maps: list[UnknownMap | None] = []  # by part
    with detect_arrays(path) as arrays:  # no transaction is open while a large file is read
        for array in arrays:
            characteristic = find_characteristic_array(array.name, array.shape[2:])
            for index, part in enumerate(array.parts):
                gain_range, position = divmod(index, array.shape[1])
                parts.append((array.name, gain_range, position, tuple(compute_npy_checksums(part))))
                if characteristic is None or gain_range not in characteristic[1]:
                    maps.append(None)
                else:
                    maps.append(take_unknown_map(position, array.name, part, characteristic[0]))
    inputs: dict[str, tuple[IdentifiedInput, ...]] = {}
    checksums_of_parts = list(dict.fromkeys(sha256 for *_, checksums in parts for sha256 in checksums))
    batches = backend.split(checksums_of_parts, CHECKSUMS_OF_ONE_QUESTION)
    for batch, answer in zip(
        batches, backend.answer_batches(list_inputs, batches, as_of=revision), strict=True
    ):
        inputs.update(zip(batch, answer, strict=True))
    identified = tuple(
        IdentifiedPart(
            name, gain_range, position, tuple(version for sha256 in checksums for version in inputs[sha256])
        )
        for name, gain_range, position, checksums in parts
    )
    unknown = [
        unknown
        for part, unknown in zip(identified, maps, strict=True)
        if unknown is not None and not part.inputs
    ]
    return identified, unknown
