"""Files of which nothing is registered: the detector type that they are of, and the kinds that they hold."""

from __future__ import annotations

from pathlib import Path

from registry.arrays import MAX_HEADER_SIZE, read_header
from registry.detectors import DETECTOR_TYPES, DetectorType
from registry.errors import ArrayError
from registry.files import list_folder, open_input
from registry.importers.gain_maps import is_gain_maps_file

_EXPECTED = "a folder of g0_gain.npy, g1_gain.npy ..., or the maker's file of gain maps"


def find_files_type(path: Path) -> DetectorType:
    """Return the detector type of a folder's arrays, by their shape, or of the maker's file, by its name.

    Raises
    ------
    ArrayError
        It is neither, or holds arrays that are of no detector type.
    NotFoundError
        There is no such file or folder.
    UnavailableError
        It cannot be read.
    """
    if is_gain_maps_file(path):
        return next(known for known in DETECTOR_TYPES.values() if known.maker_format is not None)
    names = _list_arrays(path)
    if not names:
        raise ArrayError(
            f"{str(path)!r} holds no array of a known kind; {_EXPECTED} is expected", path=str(path)
        )
    first = path / names[0]
    with open_input(first, "an array", ArrayError) as file:
        shape, *_ = read_header(file.read(MAX_HEADER_SIZE), first)
    for known in DETECTOR_TYPES.values():
        if known.panel_shape == shape and names[0] in _list_names(known):
            return known
    sizes = ", ".join(
        f"{known.panel_shape[0]} x {known.panel_shape[1]} ({known.name})" for known in DETECTOR_TYPES.values()
    )
    raise ArrayError(
        f"{str(first)!r} has the shape {shape}, which is not that of a panel; known: {sizes}", path=str(first)
    )


def find_kinds(path: Path, detector: DetectorType) -> list[str]:
    """Return the kinds of which a folder has a file, even if it lacks others of them."""
    names = set(_list_arrays(path))
    return [kind.name for kind in detector.kinds if names & set(detector.file_names(kind.name))]


def _list_arrays(path: Path) -> list[str]:
    """Return the names of a folder's files of known kinds, in alphabetical order."""
    known = {name for detector in DETECTOR_TYPES.values() for name in _list_names(detector)}
    return [entry.name for entry in list_folder(path, _EXPECTED, ArrayError) if entry.name in known]


def _list_names(detector: DetectorType) -> set[str]:
    return {name for kind in detector.kinds for name in detector.file_names(kind.name)}
