"""The text of an array read back, from whoever wrote it: both dialects of the header, and nothing is evaluated.

Memory and time stay in proportion to one panel and to the bytes that are there, whatever the header claims.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from registry.errors import ArrayError
from registry.identifiers import quote

_MAX_HEADER_BYTES = 1 << 20
_MAX_LINE_BYTES = 1 << 16
_MAX_NUMBER_BYTES = 64
_KEY = re.compile(r"# (SHAPE|DATATYPE|DTYPE|NDIM|DIM:[0-9]{1,2})\s+(\S.*)")
_SHAPE = re.compile(r"\(? *([0-9]{1,9}(?: *, *[0-9]{1,9}){0,7}) *,? *\)?")
_COUNT = re.compile(r"[0-9]{1,9}")
_DTYPES = {
    name: np.dtype(name)
    for name in (
        "float32",
        "float64",
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )
} | {"double": np.dtype("float64")}
_NUMBER_BYTES = b"0123456789+-.eE infatyINFATY\t\r\n"


@dataclass(frozen=True, slots=True)
class TextHeader:
    """What the header says: the shape and the dtype; ``lines`` is how many lines it takes."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    line_count: int


class TextReader:
    """An array's text, open: the heading is read, the numbers are not yet."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Read the header.

        Raises
        ------
        ArrayError
            It does not say shape and dtype, or says them twice in different ways.
        """
        self._file, self._name = file, name
        self._first_line, self.header = _read_header(file, name)

    def read_parts(self) -> Iterator[NDArray[Any]]:
        """Read the array by its last two axes, (row, column).

        Room is made for one part as the heading has it: look at its shape first.

        Raises
        ------
        ArrayError
            The numbers are fewer, more or other than the header says; the line is named.
        """
        *outer, rows, columns = self.header.shape
        lines = self._read_lines(columns)
        for _ in range(math.prod(outer)):
            part = np.empty((rows, columns), self.header.dtype)
            for row in range(rows):
                number, line = next(lines, (0, b""))
                if not line:
                    raise ArrayError(f"{self._name} is cut short: it has fewer lines than its header says")
                part[row] = self._parse_line(number, line, columns)
            yield part
        number, line = next(lines, (0, b""))
        if line:
            raise ArrayError(f"{self._name} has more lines than its header says: line {number}")

    def _read_lines(self, columns: int) -> Iterator[tuple[int, bytes]]:
        """Return the lines that are not blank, with their numbers from 1."""
        longest = max(columns * _MAX_NUMBER_BYTES, _MAX_LINE_BYTES)
        number, line = self.header.line_count, self._first_line
        while line:
            number += 1
            if not line.isspace():
                yield number, line
            line = self._file.readline(longest)

    def _parse_line(self, number: int, line: bytes, columns: int) -> NDArray[Any]:
        words = line.split()
        if len(words) != columns:
            raise ArrayError(
                f"{self._name}, line {number}: {len(words)} numbers are there, {columns} expected"
            )
        if not line.endswith(b"\n"):  # the last number may have lost digits
            raise ArrayError(f"{self._name} is cut short: line {number} has no end")
        if line.translate(None, _NUMBER_BYTES):  # Python takes 1_000 as well
            raise self._number_error(number)
        try:
            with np.errstate(over="ignore"):
                numbers = np.array(words, self.header.dtype)
        except (ValueError, OverflowError):
            raise self._number_error(number) from None
        return numbers

    def _number_error(self, number: int) -> ArrayError:
        kind = self.header.dtype.name
        return ArrayError(f"{self._name}, line {number}: not every number is one of {kind}")


def _read_header(file: BinaryIO, name: str) -> tuple[bytes, TextHeader]:
    """Return the first line that is none of the header, and what the header says."""
    said: dict[str, str] = {}
    size = number = 0
    while (line := file.readline(_MAX_LINE_BYTES)).isspace() or line.startswith(b"#"):
        number, size = number + 1, size + len(line)
        if size > _MAX_HEADER_BYTES or len(line) == _MAX_LINE_BYTES:
            raise ArrayError(f"{name} is no text of an array: its header has no end")
        key = _KEY.fullmatch(line.decode("ascii", "replace").rstrip())
        if key and said.setdefault(key[1], key[2]) != key[2]:
            raise ArrayError(f"{name} says {key[1]} twice, in different ways")
    shapes = {
        shape
        for shape in (_parse_newer_shape(said, name), _parse_older_shape(said, name))
        if shape is not None
    }
    dtypes = {_parse_dtype(said[key], name) for key in ("DATATYPE", "DTYPE") if key in said}
    if not shapes or not dtypes:
        raise ArrayError(f"{name} is no text of an array: no header says its shape and its type of numbers")
    if len(shapes) > 1 or len(dtypes) > 1:
        raise ArrayError(f"the two parts of the header of {name} contradict each other")
    if len(shape := shapes.pop()) < 2:
        raise ArrayError(f"{name} holds an array of the shape {shape}, which has no rows and columns")
    return line, TextHeader(shape, dtypes.pop(), number)


def _parse_newer_shape(fields: dict[str, str], name: str) -> tuple[int, ...] | None:
    if "SHAPE" not in fields:
        return None
    found = _SHAPE.fullmatch(fields["SHAPE"])
    if not found:
        raise ArrayError(
            f"{name} has the SHAPE {quote(fields['SHAPE'])}; one like (3,2,512,1024) is expected"
        )
    return tuple(int(axis) for axis in found[1].split(","))


def _parse_older_shape(fields: dict[str, str], name: str) -> tuple[int, ...] | None:
    """Return the shape of ``NDIM`` and ``DIM:0`` ..., which must all be there and no more."""
    sizes = {key: text for key, text in fields.items() if key.startswith("DIM:")}
    if "NDIM" not in fields and not sizes:
        return None
    keys = [f"DIM:{axis}" for axis in range(len(sizes))]
    counts = [fields.get("NDIM", ""), *(sizes.get(key, "") for key in keys)]
    if not all(_COUNT.fullmatch(count) for count in counts) or int(counts[0]) != len(sizes):
        raise ArrayError(f"the NDIM and DIM:0, DIM:1 ... of {name} are not those of an array")
    return tuple(int(count) for count in counts[1:])


def _parse_dtype(text: str, name: str) -> np.dtype[Any]:
    if text not in _DTYPES:
        raise ArrayError(f"{name} holds {quote(text)}, which is none of {', '.join(_DTYPES)}")
    return _DTYPES[text]
