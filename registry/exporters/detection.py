"""Detect and read the arrays in any file, if it has one of the formats that calreg writes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from registry.arrays import MAX_HEADER_SIZE, read_header
from registry.detectors import DETECTOR_TYPES
from registry.errors import ArrayError
from registry.exporters import hdf5
from registry.files import open_input
from registry.text_arrays import TextReader

_NPY = b"\x93NUMPY"
_TEXT_KEY = re.compile(rb"^# (SHAPE|NDIM|DIM:[0-9]) ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class DetectedArray:
    """An array of the shape of an export, (gain range, panel, row, column).

    Attributes
    ----------
    name
        The calibration type, if the file gives it.
    parts
        The panels' arrays, (row, column), by gain range and then by panel; they can be read once.
    """

    name: str | None
    shape: tuple[int, ...]
    parts: Iterator[NDArray[Any]]


@contextmanager
def detect_arrays(path: Path) -> Iterator[list[DetectedArray]]:
    """Open a file and yield its arrays, none if it has none of the formats that calreg writes.

    Memory stays in proportion to one panel, whatever a file claims.

    Raises
    ------
    ArrayError
        The file has one of these formats, and is cut, damaged or contradicts itself: raised here or when the parts
        are read.
    UnavailableError
        It is HDF5, and h5py is not installed.
    """
    name = repr(str(path))
    with open_input(path, "an array", ArrayError) as file:
        start = file.read(MAX_HEADER_SIZE)
        file.seek(0)
        if start.startswith(_NPY):
            shape, fortran, dtype, offset = read_header(start, path)
            file.seek(offset)
            valid = not fortran and _is_export_array(shape, dtype)
            yield [DetectedArray(None, shape, _read_payload(file, shape, dtype, name))] if valid else []
        elif start.startswith(hdf5.MAGIC) or path.suffix in (".h5", ".hdf5"):
            with hdf5.open_datasets(path) as datasets:
                yield [
                    DetectedArray(kind, data.shape, hdf5.read_parts(data, name))
                    for kind, data in datasets.items()
                    if _is_export_array(data.shape, data.dtype)
                ]
        elif path.suffix == ".data" or _TEXT_KEY.search(start):
            text = TextReader(file, name)
            valid = _is_export_array(text.shape, text.dtype)
            yield [DetectedArray(None, text.shape, text.read_parts())] if valid else []
        else:
            yield []


def _is_export_array(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Tell whether a detector can have such an array."""
    return len(shape) == 4 and any(
        shape[1] > 0
        and shape == detector.array_shape(shape[1])
        and dtype in {np.dtype(kind.dtype) for kind in detector.kinds}
        for detector in DETECTOR_TYPES.values()
    )


def _read_payload(
    file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any], name: str
) -> Iterator[NDArray[Any]]:
    size = math.prod(shape[2:]) * dtype.itemsize
    for _ in range(shape[0] * shape[1]):
        content = file.read(size)
        if len(content) < size:
            raise ArrayError(f"{name} is cut short: its header says {shape}", shape=shape)
        yield np.frombuffer(content, dtype).reshape(shape[2:])
    if file.read(1):
        raise ArrayError(f"{name} has bytes after its array", shape=shape)
