"""Arrays of the newer data system with their documents beside them, as JSON.

The arrays that its dark processing merges (``merge_tmp/<short name>-<stamp>-<experiment>-r<run>-<calibration
type>.{txt,json}``), those that the ``lcls2`` format of exports writes, and documents of the calibration database (cdb)
that were saved beside their arrays: ``<stem>.json`` with ``<stem>.npy``, ``.txt`` or ``.data``. The fields are those of
``add_metadata_kwargs`` (slac-lcls/lcls2, ``detector/UtilsCalib.py``) and of ``docdic`` (``pscalib/calib/MDBUtils.py``).

The panels are ``segment_ids`` at ``segment_inds``, or those of ``longname``; the start is ``time_stamp``, which has an
offset. A document serves the runs from ``run`` on: where that is another run than the one it was made of, its start is
that of the recorded run.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from registry.arrays import MAX_HEADER_SIZE, read_header
from registry.detectors import DETECTOR_TYPES, DetectorType, Kind, parse_detector_id, parse_panel_id
from registry.errors import ArrayError, InstantError, RegistryError, RequestError
from registry.files import list_folder, open_input, read_bounded, sha256_of_file
from registry.identifiers import format_count, quote, shorten
from registry.importers.layouts.contents import (
    ArrayFile,
    Context,
    LayoutEntry,
    LayoutTree,
    Part,
    PartOfFile,
)
from registry.importers.layouts.panel_repositories import refuse_empty_tree, start_tree
from registry.importers.layouts.psana import read_array_text
from registry.importers.legacy_tree import Hazard
from registry.instants import Instant, instant_from_epoch, parse_iso, refuse_unlikely
from registry.text_arrays import TextReader

HAS_LOCAL_TIMES = False
NEEDS_EXPERIMENT = False

_MAX_DOCUMENT_SIZE = 16 << 20
_MAX_DEPTH = 8
_SUFFIXES = (".npy", ".txt", ".data")
_EXPECTED = (
    "jungfrau_000003-20260316100203-mfx101332224-r0066-pedestals.json beside its .npy or .txt is expected"
)


class _Claim(NamedTuple):
    """The statement that a panel has the arrays at a segment of a file from a start on."""

    file: ArrayFile
    parts: tuple[PartOfFile, ...]


def find_entries(root: Path, context: Context) -> LayoutTree:
    """Read the documents in a folder, and in those below it."""
    content = start_tree(root)
    documents = _Documents(content, context)
    for path in _list_files(root, ".json", _MAX_DEPTH):
        documents.read(path)
    documents.add_entries()
    return refuse_empty_tree(content, _EXPECTED)


def _list_files(folder: Path, suffix: str, depth: int) -> Iterator[Path]:
    for item in list_folder(folder, "a folder of documents"):
        if item.is_dir(follow_symlinks=False):
            if depth:
                yield from _list_files(Path(item.path), suffix, depth - 1)
        elif item.name.endswith(suffix):
            yield Path(item.path)


@dataclass(slots=True)
class _Documents:
    """Reads documents, one by one."""

    content: LayoutTree
    context: Context
    claims: dict[tuple[str, Instant], dict[str, list[_Claim]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def read(self, path: Path) -> None:
        """Add what a document states, a note on what is not one, or a hazard."""
        name = path.relative_to(self.content.tree.root).as_posix()
        try:
            text = read_bounded(path, _MAX_DOCUMENT_SIZE, "a document")
            document = _decode(text)
            if "ctype" not in document:
                self.content.tree.notes.append(f"{name!r} is not the document of an array; it is left out")
                return
            type_name = _get_text(document, "dettype") or _find_prefix(document)
            detector = DETECTOR_TYPES.get(type_name)
            kind = _find_kind(detector, _get_text(document, "ctype")) if detector else None
            if detector is None or kind is None:
                self.content.tree.notes.append(
                    f"{name!r} is of {quote(_get_text(document, 'ctype'))} of {quote(type_name)}, which is not known"
                    " here; it is left out"
                )
                return
            self._add(path, document, detector, kind)
        except RegistryError as error:
            self.content.tree.hazards.append(Hazard(name, error.message, remedy=error.remedy))

    def _add(self, path: Path, document: Mapping[str, Any], detector: DetectorType, kind: Kind) -> None:
        _refuse_end(document)
        array = next(
            (path.with_suffix(suffix) for suffix in _SUFFIXES if path.with_suffix(suffix).exists()), None
        )
        if array is None:
            raise RequestError(f"no array is beside it: {path.stem} with {', '.join(_SUFFIXES)}")
        shape = _read_shape(array)
        count = shape[1] if len(shape) == 4 else 0
        if not count or shape != detector.array_shape(count):
            raise RequestError(f"{array.name} has the shape {shape}, which is not that of {detector.name}")
        stated = _get_text(document, "data_shape")
        if stated and stated.replace(" ", "") != str(shape).replace(" ", ""):
            raise RequestError(
                f"it says that the array has the shape {quote(stated)}, and {array.name} has {shape}"
            )
        segments = _find_segments(document, detector, count)
        start = refuse_unlikely(
            self._find_start(document), "a start of validity", any_time=self.context.any_time
        )
        name = array.relative_to(self.content.tree.root).as_posix()
        wanted = {
            gain_range * count + segment: gain_range
            for gain_range in range(detector.gain_ranges)
            for segment in segments.values()
        }
        read = (
            partial(_read_npy, array)
            if array.suffix == ".npy"
            else partial(read_array_text, array, kind, list(segments.values()))
        )
        file = ArrayFile(name, array, detector, kind, wanted, read)
        for panel, segment in segments.items():
            parts = tuple(
                PartOfFile(file, gain_range * count + segment) for gain_range in range(detector.gain_ranges)
            )
            self.claims[panel, start][kind.name].append(_Claim(file, parts))

    def _find_start(self, document: Mapping[str, Any]) -> Instant:
        """Return the start: of the time that is stated, or of the first run that is served where that is another."""
        first, original = (_get_number(document, key) for key in ("run", "run_orig"))
        if first is not None and original is not None and first != original:
            experiment = _get_text(document, "experiment")
            begin = self.context.list_begins(experiment).get(first)
            if begin is None:
                raise RequestError(
                    f"it serves runs of {quote(experiment)} from {first} on and was made of run {original}: the start"
                    f" of run {first} is not recorded"
                )
            return begin
        return _read_time(document)

    def add_entries(self) -> None:
        """Add an entry for each panel and start; two arrays that differ are a hazard."""
        sums: dict[Path, str] = {}
        for (panel, start), by_kind in sorted(self.claims.items()):
            names = sorted({claim.file.name for claims in by_kind.values() for claim in claims})
            name = f"{shorten(names)}, {panel} from {start}"
            problems = []
            for kind, claims in by_kind.items():
                for claim in claims[1:]:
                    if _is_same(claims[0], claim, sums):
                        self.content.tree.notes.append(
                            f"{claim.file.name!r} has the bytes of {claims[0].file.name!r}; it is left out"
                        )
                    else:
                        problems.append(
                            Hazard(
                                name,
                                f"{claims[0].file.name!r} and {claim.file.name!r} state {kind} of the same start: which"
                                " of them is meant?",
                                kind=kind,
                            )
                        )
            if problems:
                self.content.tree.hazards += problems
                self.content.tree.unread[name] = panel, start
                self.content.tree.kinds[name] = tuple(by_kind)
            else:
                constants = {kind: claims[0].parts for kind, claims in by_kind.items()}
                self.content.entries.append(LayoutEntry(name, panel, start, constants))
        self.content.tree.notes[:] = dict.fromkeys(self.content.tree.notes)


def _is_same(one: _Claim, other: _Claim, sums: dict[Path, str]) -> bool:
    """Tell whether two files have the same bytes, and the arrays the same places in them."""
    if [part.place for part in one.parts] != [part.place for part in other.parts]:
        return False
    for claim in (one, other):
        if claim.file.path not in sums:
            sums[claim.file.path] = sha256_of_file(claim.file.path)
    return sums[one.file.path] == sums[other.file.path]


def _decode(text: bytes) -> dict[str, Any]:
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise RequestError(f"it is not JSON: {error}") from None
    if not isinstance(document, dict):
        return {}
    return {key: _unwrap(value) for key, value in document.items()}


def _unwrap(value: Any) -> Any:
    """Return a number or a text that a tool of MongoDB has wrapped: ``{"$numberInt": "66"}``."""
    if isinstance(value, dict) and len(value) == 1:
        (key, inner), *_ = value.items()
        if (
            key in {"$numberInt", "$numberLong"}
            and isinstance(inner, str)
            and inner.isascii()
            and inner.isdecimal()
        ):
            return int(inner[:18])
    return value


def _get_text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""


def _get_number(document: Mapping[str, Any], key: str) -> int | None:
    """Return an integer, also one that is written as a text; refuse what is none."""
    value = document.get(key)
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value, re.ASCII):
        return int(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise RequestError(f"its {key} is {quote(str(value))}, which is not an integer")


def _find_prefix(document: Mapping[str, Any]) -> str:
    return (_get_text(document, "longname") or _get_text(document, "detector")).partition("_")[0]


def _find_kind(detector: DetectorType, calibration_type: str) -> Kind | None:
    return next((kind for kind in detector.kinds if kind.calibration_type == calibration_type), None)


def _refuse_end(document: Mapping[str, Any]) -> None:
    end = document.get("run_end", "end")
    if end not in ("end", None):
        raise RequestError(
            f"it ends with run {quote(str(end))}, and imported constants would stay valid: when they end is not known"
        )


def _find_segments(document: Mapping[str, Any], detector: DetectorType, count: int) -> dict[str, int]:
    """Return the segment of each panel in an array of so many segments."""
    identifiers, numbers = document.get("segment_ids"), document.get("segment_inds")
    long_name = _get_text(document, "longname") or _get_text(document, "detector")
    if isinstance(identifiers, list) and identifiers:
        panels = [parse_panel_id(text).text for text in identifiers if isinstance(text, str)]
    elif identifiers:
        raise RequestError(f"its segment_ids are not a list: {quote(str(identifiers))}")
    else:
        panels = parse_detector_id(long_name)
        identifiers = panels
    if len(set(panels)) != len(identifiers) or not all(
        detector.panel_id_format.owns(panel) for panel in panels
    ):
        raise RequestError(f"its panels are not those of a {detector.name}, each once: {shorten(panels)}")
    if _get_text(document, "longname") and set(parse_detector_id(long_name)) != set(panels):
        raise RequestError(
            f"its longname and its segment_ids are of different panels: {quote(long_name)}, {shorten(panels)}"
        )
    if numbers is None and len(panels) == count:
        numbers = list(range(count))
    if (
        not isinstance(numbers, list)
        or len(numbers) != len(panels)
        or len({number for number in numbers if type(number) is int and 0 <= number < count}) != len(panels)
    ):
        raise RequestError(
            f"it does not say which of {format_count(count, 'segment')} of the array are those of its"
            f" {format_count(len(panels), 'panel')}: segment_inds is {quote(str(numbers))}"
        )
    return dict(zip(panels, numbers, strict=True))


def _read_time(document: Mapping[str, Any]) -> Instant:
    """Return the time that is stated as a text with its offset, as seconds since 1970, or both."""
    stamp, seconds = _get_text(document, "time_stamp"), document.get("time_sec")
    times = [parse_iso(stamp)] if stamp else []
    if isinstance(seconds, float) and math.isfinite(seconds):
        times.append(instant_from_epoch(math.floor(seconds)))
    elif (whole := _get_number(document, "time_sec")) is not None:
        times.append(instant_from_epoch(whole))
    if not times:
        raise InstantError("it has neither time_stamp nor time_sec: its start is not known")
    if len({time // 1_000_000 for time in times}) > 1:
        raise InstantError(f"its time_stamp is {times[0]}, and its time_sec {times[1]}")
    return times[0]


def _read_shape(path: Path) -> tuple[int, ...]:
    with open_input(path, "an array", ArrayError) as file:
        if path.suffix != ".npy":
            return TextReader(file, repr(str(path))).shape
        shape, fortran, dtype, _ = read_header(file.read(MAX_HEADER_SIZE), path)
        if fortran or dtype.hasobject:
            raise ArrayError(f"{str(path)!r} is not an array in C order", path=str(path))
        return shape


def _read_npy(path: Path) -> Iterator[Part]:
    """Yield the arrays of a ``.npy`` file, by gain range and segment."""
    with open_input(path, "an array", ArrayError) as file:
        shape, _, dtype, start = read_header(file.read(MAX_HEADER_SIZE), path)
        file.seek(start)
        size = math.prod(shape[2:]) * dtype.itemsize
        for place in range(math.prod(shape[:2])):
            payload = file.read(size)
            if len(payload) < size:
                raise ArrayError(f"{str(path)!r} is cut short: its header says {shape}", path=str(path))
            yield Part(place, np.frombuffer(payload, dtype).reshape(shape[2:]))
        if file.read(1):
            raise ArrayError(f"{str(path)!r} has bytes after its array", path=str(path))
