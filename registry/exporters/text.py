"""The text of an array in the analysis framework: a header of ``#`` lines, then one line of numbers per row.

The framework has two readers, and the header is for both: the older uses ``DTYPE``, ``NDIM`` and ``DIM:0`` ..., the
newer prefers ``DATATYPE`` and ``SHAPE``, which it evaluates as Python. Both read numbers as Python does. `TextReader`
reads both headers and evaluates nothing; its memory and time stay in proportion to one panel and to the bytes that
are there, whatever the header claims.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from registry.errors import ArrayError
from registry.identifiers import quote

# Some 0.3 MB of text: stays in the cache while it is made, and the interpreter's lock is let go often.
_BLOCK_ROWS = 32
# Whoever takes them waits for that lock, so not too few at a time; and the last are waited for, so not too many.
_CHUNK_ROWS = 128
_COMMA, _SPACE = b", "
_MAX_NUMBER_LENGTH = len("-1.1754943508222875e-38 ")  # of a number, and of what parts it from the next
# Every float32 of these magnitudes was tried: its shortest text is read back exactly, by readers that go through
# float64 too. (Elsewhere 7.038531e-26 is not.) Beyond them libraries also differ in how they write an exponent.
_PLAIN_MINIMUM, _PLAIN_LIMIT = 1e-5, 1e9

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


def build_header(
    shape: Sequence[int], dtype: str, comments: Sequence[str] = (), stamps: Mapping[str, str] | None = None
) -> bytes:
    """Return the header of an array.

    Parameters
    ----------
    dtype
        Its name, ``float32``.
    comments
        A line each. None may begin with a key of the header; the caller leads each with a word in lower case.
    stamps
        Where and when it was made, by the keys in use: ``HOST``, ``DATE_TIME`` ...
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
    """Return the text in printable ASCII, all else as escapes: it stays one line in every locale."""
    return "".join(
        char if " " <= char <= "~" else char.encode("unicode_escape").decode("ascii") for char in text
    )


def format_rows(array: NDArray[Any]) -> Iterator[memoryview]:
    """Write an array (row, column), many rows at a time: numbers parted by a space, every value exact.

    The text of a float is the shortest that gives the value back. What is very small, very large or not finite is
    written as Python writes it: ``1e-06``, ``nan``, ``-inf``. The bits of a NaN beyond its sign are lost.
    """
    return map(_format_chunk, _split_rows(array, _CHUNK_ROWS))


def _split_rows(array: NDArray[Any], rows: int) -> Iterator[NDArray[Any]]:
    return (array[start : start + rows] for start in range(0, len(array), rows))


def _format_chunk(rows: NDArray[Any]) -> memoryview:
    room = np.empty(rows.size * _MAX_NUMBER_LENGTH, np.uint8)
    end = 0
    for few in _split_rows(rows, _BLOCK_ROWS):
        text = np.frombuffer(b"\n".join([*_format_lines(few), b""]), np.uint8)
        begin, end = end, end + text.size
        commas = (text == _COMMA).view(np.uint8)
        np.subtract(text, commas * np.uint8(_COMMA - _SPACE), out=room[begin:end])
    return room[:end].data


def _format_lines(rows: NDArray[Any]) -> Iterator[bytes | memoryview]:
    """Yield the numbers of each row, parted by commas."""
    magnitudes = np.abs(rows)
    if rows.dtype.kind != "f" or (magnitudes.min() >= _PLAIN_MINIMUM and magnitudes.max() < _PLAIN_LIMIT):
        yield from map(_format_row, rows)
        return
    unusual = ~((magnitudes >= _PLAIN_MINIMUM) & (magnitudes < _PLAIN_LIMIT) | (magnitudes == 0))
    for row, others, some in zip(rows, unusual, unusual.any(axis=1), strict=True):
        yield _format_mixed_row(row, others) if some else _format_row(row)


def _format_row(row: NDArray[Any]) -> memoryview:
    import orjson

    # Without the brackets of JSON; a view, because a slice of bytes is a copy.
    return memoryview(orjson.dumps(row, option=orjson.OPT_SERIALIZE_NUMPY))[1:-1]


def _format_mixed_row(row: NDArray[Any], others: NDArray[np.bool_]) -> bytes:
    """Return a row in which some numbers are written by Python."""
    between = bytes(_format_row(np.where(others, np.float32(np.nan), row))).split(b"null")  # a NaN of JSON
    written = [*map(_format_number, row[others]), b""]
    return b"".join(itertools.chain.from_iterable(zip(between, written, strict=True)))


def _format_number(value: np.floating[Any]) -> bytes:
    if np.isnan(value):
        return b"-nan" if np.signbit(value) else b"nan"
    return repr(float(value)).encode()


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
