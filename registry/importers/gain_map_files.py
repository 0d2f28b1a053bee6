"""Read gain maps from a file of which it is not known whose they are: one map, several, or the maker's."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from registry.arrays import MAX_HEADER_SIZE, read_header
from registry.detectors import DETECTOR_TYPES, DetectorType
from registry.errors import ArrayError
from registry.files import open_input
from registry.importers.gain_maps import is_gain_maps_file

_NPY = b"\x93NUMPY"
_MOST_MAPS = 256


class GainMap(NamedTuple):
    """One map (row, column) in a file, and its place among the maps."""

    position: int
    detector: DetectorType
    values: NDArray[Any]


def iterate_gain_maps(path: Path) -> Iterator[GainMap]:
    """Yield the maps in a file, none if it holds none: one at a time, so that memory stays that of one panel.

    A map is an npy file of floating-point numbers of the shape of a panel, in either order of bytes and of axes, or a
    stack of at most 256 such maps; or the highest gain of the maker's file.

    Raises
    ------
    ArrayError
        It is an npy file that is cut or damaged.
    """
    with open_input(path, "an array", ArrayError) as file:
        start = file.read(MAX_HEADER_SIZE)
        if start.startswith(_NPY):
            yield from _read_npy(file, start, path)
        elif is_gain_maps_file(path):
            yield from _read_maker_file(file)


def find_characteristic_type(panel_shape: tuple[int, ...]) -> DetectorType | None:
    """Return the detector type whose panels have this shape and show their sensor, None if there is none."""
    return next(
        (
            detector
            for detector in DETECTOR_TYPES.values()
            if detector.panel_shape == panel_shape and any(kind.characteristic for kind in detector.kinds)
        ),
        None,
    )


def _read_npy(file: BinaryIO, start: bytes, path: Path) -> Iterator[GainMap]:
    shape, fortran, dtype, offset = read_header(start, path)
    detector = find_characteristic_type(shape[-2:])
    is_stack = len(shape) == 3 and not fortran and 0 < shape[0] <= _MOST_MAPS
    if detector is None or dtype.kind != "f" or not (len(shape) == 2 or is_stack):
        return
    file.seek(offset)
    size = math.prod(detector.panel_shape) * dtype.itemsize
    for position in range(shape[0] if is_stack else 1):
        content = file.read(size)
        if len(content) < size:
            raise ArrayError(f"{str(path)!r} is cut short: its header says {shape}", path=str(path))
        values = np.frombuffer(content, dtype).reshape(detector.panel_shape, order="F" if fortran else "C")
        yield GainMap(position, detector, values)


def _read_maker_file(file: BinaryIO) -> Iterator[GainMap]:
    size = os.fstat(file.fileno()).st_size
    for detector in DETECTOR_TYPES.values():
        maps = detector.maker_format
        if maps is None or find_characteristic_type(detector.panel_shape) is None:
            continue
        stage_size = math.prod(detector.panel_shape) * np.dtype(maps.dtype).itemsize
        if size in {len(stages) * stage_size for stages in (maps.stages, maps.stages + maps.optional_stages)}:
            file.seek(0)
            content = file.read(stage_size)
            if len(content) == stage_size:
                yield GainMap(0, detector, np.frombuffer(content, maps.dtype).reshape(detector.panel_shape))
            return
