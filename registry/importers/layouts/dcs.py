"""The calibration store of the older data system (DCS): an HDF5 file for each detector, ``jungfrau-<detector Id>.h5``.

``/<calibration type>/<begin>-<end>/v<number>/data`` with the datasets ``begin``, ``end`` and ``versdef`` of a range,
each of one element (lcls-psana/PSCalib: ``DCStore.py``, ``DCType.py``, ``DCRange.py``, ``DCVersion.py``). Times are
seconds since 1970; an ``end`` is inclusive, or the text ``end``. Of the ranges with a time the one with the latest
begin counts, then the one with the earliest end; of its versions that of ``versdef``, or the last one where that is 0.
The panels are those of the detector Id in the name, in its order.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from registry.detectors import DETECTOR_TYPES, DetectorType, Kind, parse_detector_id
from registry.errors import ArrayError, RegistryError
from registry.extras import import_extra
from registry.files import list_folder, open_input
from registry.identifiers import quote
from registry.importers.layouts.contents import (
    ArrayFile,
    Context,
    LayoutEntry,
    LayoutTree,
    Part,
    PartOfFile,
)
from registry.importers.layouts.panel_repositories import refuse_empty_tree, start_tree
from registry.importers.legacy_tree import Hazard
from registry.instants import Instant, instant_from_epoch, refuse_unlikely

if TYPE_CHECKING:
    import h5py

HAS_LOCAL_TIMES = False
NEEDS_EXPERIMENT = False

_BASE_GROUPS = {"_history", "_parameters"}
_READ_ERRORS = (OSError, RuntimeError, KeyError, ValueError, TypeError, IndexError)


class _Range(NamedTuple):
    """A range of times and its array; no ``end`` where it is open."""

    begin: Instant
    end: Instant | None
    file: ArrayFile


def find_entries(root: Path, context: Context) -> LayoutTree:
    """Read the files in a folder, and in the folders of detector types in it."""
    content = start_tree(root)
    for folder in (root, *(root / name for name in DETECTOR_TYPES if (root / name).is_dir())):
        for item in list_folder(folder, "a folder of HDF5 files"):
            path = Path(item.path)
            name = path.relative_to(root).as_posix()
            detector = DETECTOR_TYPES.get(item.name.partition("-")[0])
            if not item.name.endswith(".h5") or detector is None:
                if not item.is_dir():
                    content.tree.notes.append(
                        f"{quote(name)} is not a file like jungfrau-<detector Id>.h5; it is left out"
                    )
                continue
            try:
                panels = parse_detector_id(path.stem.partition("-")[2])
                _read_store(content, context, path, name, detector, panels)
            except RegistryError as error:
                content.tree.hazards.append(Hazard(name, error.message, remedy=error.remedy))
    return refuse_empty_tree(content, "jungfrau-170505-149520170815-3d00b0.h5 is expected")


def _read_store(
    content: LayoutTree, context: Context, path: Path, name: str, detector: DetectorType, panels: list[str]
) -> None:
    states: defaultdict[Instant, dict[str, ArrayFile | None]] = defaultdict(dict)
    with _open(path) as file:
        for key in file:
            group = _get_group(file, key)
            if group is None or key in _BASE_GROUPS:
                continue
            kind = next((kind for kind in detector.kinds if kind.calibration_type == key), None)
            if kind is None:
                content.tree.notes.append(
                    f"{quote(key)} of {name!r} is not a calibration type of {detector.name} that is known here; it is"
                    " left out"
                )
                continue
            ranges = list(_list_ranges(group, path, name, detector, kind, len(panels)))
            if len({(row.begin, row.end) for row in ranges}) < len(ranges):
                raise ArrayError(f"{key} has one range of times twice: which of them is meant?", path=name)
            for start, state in _list_changes(ranges):
                refuse_unlikely(start, "a start of validity", any_time=context.any_time)
                states[start][kind.name] = state
    for start, kinds in sorted(states.items()):
        for position, panel in enumerate(panels):
            constants = {
                kind: None
                if state is None
                else tuple(
                    PartOfFile(state, number * len(panels) + position)
                    for number in range(detector.gain_ranges)
                )
                for kind, state in kinds.items()
            }
            content.entries.append(LayoutEntry(f"{name}, {panel} from {start}", panel, start, constants))


def _list_ranges(
    group: h5py.Group, path: Path, name: str, detector: DetectorType, kind: Kind, count: int
) -> Iterator[_Range]:
    """Yield the ranges of a calibration type; refuse one that cannot be read."""
    for key in group:
        item = _get_group(group, key)
        if item is None or key in _BASE_GROUPS:
            continue
        where = f"{kind.calibration_type}/{key}"
        begin, end = _get_value(item, "begin"), _get_value(item, "end")
        if not isinstance(begin, float):
            raise ArrayError(f"{where} has no begin: it is not a range", path=name)
        if end not in ("end", None) and not isinstance(end, float):
            raise ArrayError(f"{where} has an end that is not a time: {quote(str(end))}", path=name)
        versions = _find_versions(item, where, name)
        wanted = _get_value(item, "versdef") or max(versions, default=0)
        if not isinstance(wanted, int) or wanted not in versions:
            raise ArrayError(f"{where} has no version {quote(str(wanted))}", path=name)
        data_path = f"{kind.calibration_type}/{key}/{versions[wanted]}/data"
        shape = _get_dataset(group.file, data_path, path).shape
        if shape != detector.array_shape(count):
            raise ArrayError(
                f"{data_path} has the shape {shape}; {detector.array_shape(count)} is that of the detector Id in"
                " the name",
                path=name,
            )
        gain_ranges = {place: place // count for place in range(count * detector.gain_ranges)}
        file = ArrayFile(name, path, detector, kind, gain_ranges, partial(_read_arrays, path, data_path))
        row = _Range(_read_seconds(begin), _read_seconds(end) if isinstance(end, float) else None, file)
        if row.end is not None and row.end < row.begin:
            raise ArrayError(f"{where} ends at {row.end}, before its begin {row.begin}", path=name)
        yield row


def _find_versions(group: h5py.Group, where: str, name: str) -> dict[int, str]:
    """Return the names of the versions of a range by their numbers; refuse one number twice."""
    versions: dict[int, str] = {}
    for key in group:
        version = _get_group(group, key)
        number = None if version is None else _get_value(version, "version")
        if isinstance(number, int) and versions.setdefault(number, key) != key:
            raise ArrayError(f"{where} has version {number} twice: which of them is meant?", path=name)
    return versions


def _list_changes(ranges: list[_Range]) -> Iterator[tuple[Instant, ArrayFile | None]]:
    """Yield the instants from which another array counts, or none any more."""
    ordered = sorted(ranges, key=lambda row: (row.begin, row.end is not None, -(row.end or 0)))
    starts = {row.begin for row in ranges} | {Instant(row.end + 1) for row in ranges if row.end is not None}
    former: ArrayFile | None = None
    for start in sorted(starts):
        counting = [row for row in ordered if row.begin <= start and (row.end is None or start <= row.end)]
        state = counting[-1].file if counting else None
        if state is not former:
            yield start, state
        former = state


def _read_seconds(seconds: float) -> Instant:
    if not math.isfinite(seconds):
        raise ArrayError(f"{seconds} seconds after 1970 are not a time", seconds=str(seconds))
    return instant_from_epoch(Decimal(repr(seconds)))


def _read_arrays(path: Path, data_path: str) -> Iterator[Part]:
    """Yield the arrays of a dataset, by gain range and panel."""
    with _open(path) as file:
        dataset = _get_dataset(file, data_path, path)
        for place in range(dataset.shape[0] * dataset.shape[1]):
            yield Part(place, np.asarray(dataset[divmod(place, dataset.shape[1])]))


@contextmanager
def _open(path: Path) -> Iterator[h5py.File]:
    """Open a file; what HDF5 cannot read in it is an `ArrayError`."""
    with open_input(path, "an HDF5 file", ArrayError):
        pass
    h5py = import_extra("h5py", "hdf5", f"{str(path)!r} is HDF5, which needs h5py")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except _READ_ERRORS as error:
        reason = " ".join(str(error).split())
        raise ArrayError(f"{str(path)!r} is not HDF5, or damaged: {reason}", path=str(path)) from None


def _get_group(group: h5py.Group, key: str) -> h5py.Group | None:
    """Return a group of a file itself, None for a link elsewhere or a dataset."""
    import h5py

    if not isinstance(group.get(key, getlink=True), h5py.HardLink):
        return None
    item = group[key]
    return item if isinstance(item, h5py.Group) else None


def _get_dataset(file: h5py.File, data_path: str, path: Path) -> h5py.Dataset:
    """Return a dataset; refuse one whose values are in another file, or not there."""
    import h5py

    group: Any = file
    for key in data_path.split("/"):
        group = group[key] if isinstance(group.get(key, getlink=True), h5py.HardLink) else None
        if not isinstance(group, h5py.Group | h5py.Dataset):
            raise ArrayError(f"{str(path)!r} has no {data_path}", path=str(path))
    if (
        not isinstance(group, h5py.Dataset)
        or group.is_virtual
        or group.external
        or group.dtype.kind not in "fiu"
    ):
        raise ArrayError(f"{data_path} of {str(path)!r} is not an array of numbers", path=str(path))
    start = group.id.get_offset()  # None if they are stored in chunks
    if start is None or start + group.nbytes > group.file.id.get_filesize():
        raise ArrayError(f"{data_path} of {str(path)!r} is not there as a whole", path=str(path))
    return group


def _get_value(group: h5py.Group, key: str) -> float | int | str | None:
    """Return the element of a dataset that has exactly one, else None."""
    import h5py

    if not isinstance(group.get(key, getlink=True), h5py.HardLink):
        return None
    item = group[key]
    if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external or item.size != 1:
        return None
    value: Any = item[()] if item.shape == () else item[(0,) * len(item.shape)]
    if isinstance(value, bytes):
        return value.decode("ascii", "replace")
    if isinstance(value, np.generic):
        value = value.item()
        value = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    return value if isinstance(value, float | int | str) else None
