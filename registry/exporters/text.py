"""The text of an array in the analysis framework: a header of ``#`` lines, then one line of numbers per row.

The framework has two readers, and the header is for both: the older uses ``DTYPE``, ``NDIM`` and ``DIM:0`` ..., the
newer prefers ``DATATYPE`` and ``SHAPE``, which it evaluates as Python. Both read numbers as Python does. `TextReader`
reads both headers, also where the axes are numbered from 1 as in files of the field (the older reader takes them in
their order, whatever their numbers), and evaluates nothing. It does not read the header of the C++ library
(``NDArrIOV1`` of pdscalibdata), which has ``TYPE`` with the names of C++. Its memory and time stay in proportion to one
panel and to the bytes that are there, whatever the header claims.
"""

from __future__ import annotations

import codecs
import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray

from registry.errors import ArrayError
from registry.identifiers import format_count, quote

# About 0.3 MB of text: stays in the processor's cache, and the interpreter's lock is released often.
_BLOCK_ROWS = 32
# The thread that writes a chunk waits for that lock, so not too few rows; it ends last, so not too many.
_CHUNK_ROWS = 128
_COMMA, _SPACE = b", "
_MAX_NUMBER_LENGTH = len("-1.1754943508222875e-38 ")  # with its separator
# Tested for every float32 of these magnitudes: its shortest text is read back exactly, also by readers that go
# through float64. (Outside, 7.038531e-26 is not.) Outside libraries also write exponents differently.
_PLAIN_MINIMUM, _PLAIN_LIMIT = 1e-5, 1e9

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
_NUMBER_BYTES = b"0123456789+-.eE infatyINFATY\t\r\n"


def build_header(
    shape: Sequence[int], dtype: str, comments: Sequence[str] = (), stamps: Mapping[str, str] | None = None
) -> bytes:
    """Return the header of an array.

    Parameters
    ----------
    dtype
        Its name, ``float32``.
    comments
        One line per comment. It must start in lower case, because keys of the header are in upper case.
    stamps
        The origin of the file, by the keys in use: ``HOST``, ``DATE_TIME`` ...
    """
    size = ",".join(map(str, shape))
    newer = {**(stamps or {}), "SHAPE": f"({size}{',' if len(shape) == 1 else ''})", "DATATYPE": dtype}
    older = {"DTYPE": dtype, "NDIM": str(len(shape))} | {
        f"DIM:{axis}": str(n) for axis, n in enumerate(shape)
    }
    blocks = [[f"# {escape_line(comment)}" for comment in comments]]
    blocks += [
        [f"# {key:<11} {escape_line(value)}" for key, value in keys.items()] for keys in (newer, older)
    ]
    return "".join(f"{line}\n" for block in blocks for line in (*block, "")).encode("ascii")


def escape_line(text: str) -> str:
    """Return the text as one line of printable ASCII, other characters as escapes."""
    return "".join(
        char if " " <= char <= "~" else char.encode("unicode_escape").decode("ascii") for char in text
    )


def format_rows(array: NDArray[Any]) -> Iterator[memoryview]:
    """Yield the text of an array (row, column), many rows at a time: numbers separated by a space, exact.

    The text of a float is the shortest that gives the value back. Very small, very large and non-finite values are
    written as Python does: ``1e-06``, ``nan``, ``-inf``. Of the bits of a NaN only the sign is kept.
    """
    return map(_format_chunk, _split_rows(array, _CHUNK_ROWS))


def _split_rows(array: NDArray[Any], rows: int) -> Iterator[NDArray[Any]]:
    return (array[start : start + rows] for start in range(0, len(array), rows))


def _format_chunk(rows: NDArray[Any]) -> memoryview:
    buffer = np.empty(rows.size * _MAX_NUMBER_LENGTH, np.uint8)
    end = 0
    for block in _split_rows(rows, _BLOCK_ROWS):
        text = np.frombuffer(b"\n".join([*_format_lines(block), b""]), np.uint8)
        start, end = end, end + text.size
        commas = (text == _COMMA).view(np.uint8)
        np.subtract(text, commas * np.uint8(_COMMA - _SPACE), out=buffer[start:end])
    return buffer[:end].data


def _format_lines(rows: NDArray[Any]) -> Iterator[bytes | memoryview]:
    """Yield the numbers of each row, separated by commas."""
    magnitudes = np.abs(rows)
    if rows.dtype.kind != "f" or (magnitudes.min() >= _PLAIN_MINIMUM and magnitudes.max() < _PLAIN_LIMIT):
        yield from map(_format_row, rows)
        return
    unusual = ~((magnitudes >= _PLAIN_MINIMUM) & (magnitudes < _PLAIN_LIMIT) | (magnitudes == 0))
    for row, mask, mixed in zip(rows, unusual, unusual.any(axis=1), strict=True):
        yield _format_mixed_row(row, mask) if mixed else _format_row(row)


def _format_row(row: NDArray[Any]) -> memoryview:
    import orjson

    # Without the brackets of JSON, and as a view: a slice of bytes would be a copy.
    return memoryview(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY))[1:-1]


def _format_mixed_row(row: NDArray[Any], unusual: NDArray[np.bool_]) -> bytes:
    """Return a row whose unusual numbers are formatted by Python."""
    between = bytes(_format_row(np.where(unusual, np.float32(np.nan), row))).split(b"null")  # a NaN of JSON
    numbers = [*map(_format_number, row[unusual]), b""]
    return b"".join(itertools.chain.from_iterable(zip(between, numbers, strict=True)))


def _format_number(value: np.floating[Any]) -> bytes:
    if np.isnan(value):
        return b"-nan" if np.signbit(value) else b"nan"
    return repr(float(value)).encode()


class TextReader:
    """An open text of an array: ``shape`` and ``dtype`` from its header, and its numbers when they are asked for."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """Read the header; refuse one that does not give shape and dtype, or contradicts itself."""
        self._file, self._name = file, name
        self._number, self._first_line, fields = _read_header(file, name)
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
        *outer, rows, columns = self.shape
        lines = self._read_lines(columns)
        for _ in range(math.prod(outer)):
            part = np.empty((rows, columns), self.dtype)
            for row in range(rows):
                number, line = next(lines, (0, b""))
                if not line:
                    raise ArrayError(
                        f"{self._name} is cut short: it has fewer lines than its header says", rows=row
                    )
                part[row] = self._parse_line(number, line, columns)
            yield part
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

    def _parse_line(self, number: int, line: bytes, columns: int) -> NDArray[Any]:
        words = line.split()
        if len(words) != columns:
            raise ArrayError(
                f"{self._name}, line {number}: it has {format_count(len(words), 'number')}, not {columns}",
                line=number,
            )
        if not line.endswith(b"\n"):  # the last number may have lost digits
            raise ArrayError(f"{self._name} is cut short: line {number} has no end", line=number)
        if line.translate(None, _NUMBER_BYTES):  # Python takes 1_000 as well
            raise self._number_error(number)
        try:
            with np.errstate(over="ignore"):
                return np.array(words, self.dtype)
        except (ValueError, OverflowError):
            raise self._number_error(number) from None

    def _number_error(self, number: int) -> ArrayError:
        dtype = self.dtype.name
        return ArrayError(
            f"{self._name}, line {number}: not all are numbers of {dtype}", line=number, dtype=dtype
        )


def _read_header(file: BinaryIO, name: str) -> tuple[int, bytes, dict[str, str]]:
    """Return the number of lines of the header, the line after it, and its fields."""
    fields: dict[str, str] = {}
    size = number = 0
    start = file.tell()
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(start)
    while (line := file.readline(_MAX_LINE_BYTES)).isspace() or line.startswith(b"#"):
        number, size = number + 1, size + len(line)
        if size > _MAX_HEADER_BYTES or len(line) == _MAX_LINE_BYTES:
            raise ArrayError(f"{name} is not the text of an array: its header has no end", line=number)
        match = _KEY.fullmatch(line.decode("ascii", "replace").rstrip())
        if match and fields.setdefault(match[1], match[2]) != match[2]:
            raise ArrayError(f"{name} has {match[1]} twice, with different values", key=match[1])
    return number, line, fields


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
