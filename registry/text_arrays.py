"""Read the text of an array in the analysis framework: a header of ``#`` lines, then one line of numbers per row.

`TextReader` reads the headers of both of the framework's readers, also where the axes are numbered from 1 as in files
of the field (the older reader takes them in their order, whatever their numbers), and evaluates nothing. It does not
read the header of the C++ library (``NDArrIOV1`` of pdscalibdata), which has ``TYPE`` with the names of C++. Its memory
and time stay in proportion to one panel and to the bytes that are there, whatever the header claims.
"""

from __future__ import annotations

import codecs
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from registry.decimals import Table, parse_table
from registry.errors import ArrayError
from registry.identifiers import quote

_MAX_HEADER_BYTES = 1 << 20
_MAX_LINE_BYTES = 1 << 16
_MAX_NUMBER_BYTES = 64
_KEY = re.compile(r"# (SHAPE|DATATYPE|DTYPE|TYPE|NDIM|DIM:[0-9]{1,2})\s+(\S.*)")
_SHAPE = re.compile(r"\(? *([0-9]{1,9}(?: *, *[0-9]{1,9}){0,7}) *,? *\)?")
_COUNT = re.compile(r"[0-9]{1,9}")
_DTYPE_NAMES = (
    "float32",
    "float64",
    "double",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
)
_DTYPES = {name: np.dtype(name) for name in _DTYPE_NAMES}
_Value = TypeVar("_Value")


class TextReader:
    """An open text of an array: its numbers are read when they are asked for.

    Attributes
    ----------
    shape, dtype
        From its header.
    comments
        The other lines of the header, without the ``#``.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Read the header; refuse one that does not give shape and dtype, or contradicts itself."""
        self._file, self._name = file, name
        self._number, self._first_line, fields, self.comments = _read_header(file, name)
        shapes = (_parse_newer_shape(fields, name), _parse_older_shape(fields, name))
        dtypes = {_parse_dtype(fields, key, name) for key in ("DATATYPE", "DTYPE") if key in fields}
        if not dtypes and "TYPE" in fields:
            raise ArrayError(
                f"the header of {name} has TYPE {quote(fields['TYPE'])}, as the C++ library of the field writes it,"
                " which is not read; DTYPE or DATATYPE is expected",
                key="TYPE",
            )
        self.shape = _get_only({shape for shape in shapes if shape is not None}, "shape", name)
        self.dtype = _get_only(dtypes, "dtype", name)
        if len(self.shape) < 2:
            raise ArrayError(f"{name} has the shape {self.shape}, without rows and columns", shape=self.shape)

    def read_parts(self) -> Iterator[NDArray[Any]]:
        """Yield the parts (row, column) of the array; refuse a line that does not fit the header.

        Memory is allocated for one part of the shape in the header: check that first.
        """
        return (table.values for table in self.read_tables())

    def read_tables(self) -> Iterator[Table]:
        """Yield the parts, each with the digits that its numbers have after the point."""
        *outer, rows, columns = self.shape
        lines = self._read_lines(columns)
        for _ in range(math.prod(outer)):
            numbered = list(itertools.islice(lines, rows))
            table = self._parse_lines(numbered, columns)
            if len(numbered) < rows:
                raise ArrayError(
                    f"{self._name} is cut short: it has fewer lines than its header says", rows=len(numbered)
                )
            yield table
        number, line = next(lines, (0, b""))
        if line:
            raise ArrayError(f"{self._name} has more lines than its header says: line {number}", line=number)

    def _read_lines(self, columns: int) -> Iterator[tuple[int, bytes]]:
        """Yield the lines that are not blank, with their numbers from 1."""
        longest = max(columns * _MAX_NUMBER_BYTES, _MAX_LINE_BYTES)
        number, line = self._number, self._first_line
        while line:
            number += 1
            if not line.isspace():
                yield number, line
            line = self._file.readline(longest)

    def _parse_lines(self, numbered: Sequence[tuple[int, bytes]], columns: int) -> Table:
        try:
            return parse_table(b"".join(line for _, line in numbered), self._name, columns, self.dtype)
        except ArrayError:
            for number, line in numbered:  # blank lines count, and were left out
                parse_table(line, self._name, columns, self.dtype, first_line=number)
            raise


def _read_header(file: BinaryIO, name: str) -> tuple[int, bytes, dict[str, str], list[str]]:
    """Return the number of lines of the header, the line after it, its fields, and its other lines."""
    fields: dict[str, str] = {}
    comments: list[str] = []
    size = number = 0
    start = file.tell()
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(start)
    while (line := file.readline(_MAX_LINE_BYTES)).isspace() or line.startswith(b"#"):
        number, size = number + 1, size + len(line)
        if size > _MAX_HEADER_BYTES or len(line) == _MAX_LINE_BYTES:
            raise ArrayError(f"{name} is not the text of an array: its header has no end", line=number)
        text = line.decode("ascii", "replace").rstrip()
        match = _KEY.fullmatch(text)
        if not match:
            comments.append(text.removeprefix("#").strip())
        if match and fields.setdefault(match[1], match[2]) != match[2]:
            raise ArrayError(f"{name} has {match[1]} twice, with different values", key=match[1])
    return number, line, fields, comments


def _get_only(values: set[_Value], what: str, name: str) -> _Value:
    """Return the one value that both dialects of the header give."""
    if not values:
        raise ArrayError(f"{name} is not the text of an array: its header gives no {what}", missing=what)
    if len(values) > 1:
        raise ArrayError(f"the two parts of the header of {name} give a different {what}", ambiguous=what)
    return values.pop()


def _parse_newer_shape(fields: dict[str, str], name: str) -> tuple[int, ...] | None:
    if "SHAPE" not in fields:
        return None
    match = _SHAPE.fullmatch(fields["SHAPE"])
    if not match:
        raise ArrayError(
            f"{name} has the SHAPE {quote(fields['SHAPE'])}; one like (3,2,512,1024) is expected", key="SHAPE"
        )
    return tuple(int(axis) for axis in match[1].split(","))


def _parse_older_shape(fields: dict[str, str], name: str) -> tuple[int, ...] | None:
    """Return the shape of ``NDIM`` and ``DIM:0`` or ``DIM:1`` ..., all in their order and no more."""
    sizes = {key: text for key, text in fields.items() if key.startswith("DIM:")}
    if "NDIM" not in fields and not sizes:
        return None
    first = 0 if "DIM:0" in sizes else 1
    keys = [f"DIM:{axis}" for axis in range(first, first + len(sizes))]
    counts = [fields.get("NDIM", ""), *sizes.values()]
    if (
        list(sizes) != keys
        or not all(_COUNT.fullmatch(count) for count in counts)
        or int(counts[0]) != len(sizes)
    ):
        raise ArrayError(
            f"the NDIM and {', '.join(sizes) or 'DIM:0'} of {name} are not those of an array: as many as NDIM says are"
            " expected, in order, from DIM:0 or DIM:1 on",
            key="NDIM",
        )
    return tuple(int(count) for count in counts[1:])


def _parse_dtype(fields: dict[str, str], key: str, name: str) -> np.dtype[Any]:
    if (text := fields[key]) not in _DTYPES:
        known = ", ".join(_DTYPES)
        raise ArrayError(f"{name} has the {key} {quote(text)}; one of {known} is expected", key=key)
    return _DTYPES[text]
