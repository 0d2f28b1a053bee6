"""Compare two versions, and a detector at two revisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec.structs import replace
from numpy.typing import NDArray

from registry import detectors
from registry.api.array_questions import resolve_sides, resolve_version_pair
from registry.api.backend import Backend
from registry.array_changes import measure_change
from registry.arrays import compare_pixels, parse_array
from registry.detectors import DetectorType, Kind
from registry.exporters.missing_inputs import Input, name_missing_inputs
from registry.lookup.resolution import ArrayRequest
from registry.lookup.revisions import AsOf
from registry.parallel import map_in_threads
from registry.provenance.document import InputConstants, InputFile, Resolution
from registry.records import (
    DetectorDifference,
    FileUse,
    PanelDifference,
    PixelDifference,
    StoredFile,
    VersionDifference,
)
from registry.store import ContentStore, name_use_in_errors


def diff_versions(backend: Backend, before: int, after: int, as_of: AsOf) -> VersionDifference:
    """Return how the pixels of two versions of one kind differ; see `Versions.diff`."""
    pair = backend.answer(resolve_version_pair, before, after, as_of=as_of)
    old, new = pair.before, pair.after
    (kind, panel), old_constants = _index_by_kind(old).popitem()
    (_, new_panel), new_constants = _index_by_kind(new).popitem()
    with name_missing_inputs(backend.store, lambda: _list_inputs(old, new)):
        pixels = _compare_constants(
            backend, old.detector_type, (panel, new_panel), old_constants, new_constants
        )
    return VersionDifference(kind, before, after, pixels)


def _index_by_kind(resolution: Resolution) -> dict[tuple[str, str], InputConstants]:
    """Return the constants by (kind, panel Id)."""
    return {
        (constants.kind, panel.panel): constants
        for panel in resolution.panels
        for constants in panel.constants
    }


def _list_inputs(*resolutions: Resolution) -> Iterator[Input]:
    """Yield all files of resolutions, with their uses."""
    for resolution in resolutions:
        for key, constants in _index_by_kind(resolution).items():
            yield from _list_files(*key, constants)


def _list_files(kind: str, panel: str, constants: InputConstants) -> Iterator[Input]:
    for file in constants.files:
        yield file.sha256, file.size, FileUse(kind, file.gain_range, panel, constants.version)


def _compare_constants(
    backend: Backend,
    detector_type: str,
    panels: tuple[str, str],
    old: InputConstants,
    new: InputConstants,
) -> tuple[PixelDifference, ...]:
    """Return by gain range how constants of one kind differ, of one panel or of two."""
    detector = detectors.find_detector_type(detector_type)

    def read(panel: str, constants: InputConstants, gain_range: int) -> NDArray[Any]:
        file = constants.files[gain_range]
        return read_panel_array(backend.store, detector, constants.kind, panel, constants.version, file)

    def compare(gain_range: int) -> PixelDifference:
        before, after = read(panels[0], old, gain_range), read(panels[1], new, gain_range)
        return compare_arrays(gain_range, before, after, detector, detector.find_kind(old.kind))

    return tuple(map_in_threads(compare, range(detector.gain_ranges)))


def compare_arrays(
    gain_range: int, before: NDArray[Any], after: NDArray[Any], detector: DetectorType, kind: Kind
) -> PixelDifference:
    """Return how two arrays (row, column) of one kind and gain range differ, with their change in medians."""
    change = measure_change(before, after, kind, detector.asic_shape)
    return replace(compare_pixels(gain_range, before, after), change=change)


def read_panel_array(
    store: ContentStore,
    detector: DetectorType,
    kind: str,
    panel: str,
    version: int,
    file: InputFile | StoredFile,
) -> NDArray[Any]:
    """Return the array in a version's file, of shape (row, column); refuse a missing or damaged file."""
    with name_use_in_errors(kind, file.gain_range, panel, version):
        content = store.read(file.sha256, file.size)
    dtype = detector.find_kind(kind).dtype
    return parse_array(content, store.locate(file.sha256), detector.panel_shape, dtype)


def diff_detector(backend: Backend, request: ArrayRequest, before: AsOf, after: AsOf) -> DetectorDifference:
    """Return which panels and kinds change between two revisions; see `Registry.diff`."""
    sides = backend.answer(
        resolve_sides, request.target, before, source=request.source, at=request.at, as_of=after
    )
    old, new = sides.before, sides.after
    pairs = [*([(old, new)] if old and new else []), *sides.optional]
    with name_missing_inputs(backend.store, lambda: _list_compared_inputs(pairs)):
        panels = tuple(difference for pair in pairs for difference in _find_panel_differences(backend, *pair))
    return DetectorDifference(
        before=sides.revisions[0],
        after=sides.revisions[1],
        detector_before=old.detector_id if old else None,
        detector_after=new.detector_id if new else None,
        refused_before=sides.refused_before,
        refused_after=sides.refused_after,
        panels=panels,
        segments_before=old.segments if old else None,
        segments_after=new.segments if new else None,
    )


def _list_compared_inputs(pairs: Sequence[tuple[Resolution, Resolution]]) -> Iterator[Input]:
    """Yield the files of the constants that both resolutions of a pair have, and that are not the same."""
    for pair in pairs:
        old, new = map(_index_by_kind, pair)
        for key in dict.fromkeys([*old, *new]):
            if key in old and key in new and old[key].constants != new[key].constants:
                yield from _list_files(*key, old[key])
                yield from _list_files(*key, new[key])


def _find_panel_differences(backend: Backend, old: Resolution, new: Resolution) -> list[PanelDifference]:
    before, after = _index_by_kind(old), _index_by_kind(new)
    differences = []
    for key in dict.fromkeys([*before, *after]):
        one, other = before.get(key), after.get(key)
        pixels: tuple[PixelDifference, ...] = ()
        kind, panel = key
        if one is not None and other is not None:
            if one.constants == other.constants:
                continue
            pixels = _compare_constants(backend, new.detector_type, (panel, panel), one, other)
        numbers = (one.version if one else None, other.version if other else None)
        differences.append(PanelDifference(panel, kind, *numbers, pixels))
    return differences
