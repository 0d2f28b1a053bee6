"""The text in which the analysis framework keeps an array: a header of ``#`` lines, then a line of numbers a row.

Two readers of it exist, and the header speaks to both: the older goes by ``DTYPE``, ``NDIM`` and ``DIM:0`` ..., the
newer prefers ``DATATYPE`` and ``SHAPE``, which it evaluates as Python. Both read numbers as Python does.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Some 0.3 MB of text: stays in the cache while it is made, and the interpreter's lock is let go often.
_BLOCK_ROWS = 32
# Whoever takes them waits for that lock, so not too few at a time; and the last are waited for, so not too many.
_CHUNK_ROWS = 128
_COMMA, _SPACE = b", "
_MAX_NUMBER_LENGTH = len("-1.1754943508222875e-38 ")  # of a number, and of what parts it from the next
# Every float32 of these magnitudes was tried: its shortest text is read back exactly, by readers that go through
# float64 too. (Elsewhere 7.038531e-26 is not.) Beyond them libraries also differ in how they write an exponent.
_PLAIN_MINIMUM, _PLAIN_LIMIT = 1e-5, 1e9


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
