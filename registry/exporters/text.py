"""The text of an array in the analysis framework: a header of ``#`` lines, then one line of numbers per row.

The framework has two readers, and the header is for both: the older uses ``DTYPE``, ``NDIM`` and ``DIM:0`` ..., the
newer prefers ``DATATYPE`` and ``SHAPE``, which it evaluates as Python. Both read numbers as Python does; `text_arrays`
reads such a text.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# About 0.3 MB of text: stays in the processor's cache, and the interpreter's lock is released often.
_BLOCK_ROWS = 32
# The thread that writes a chunk waits for that lock, so not too few rows; it ends last, so not too many.
_CHUNK_ROWS = 128
_COMMA, _SPACE = b", "
_MAX_NUMBER_LENGTH = len("-1.1754943508222875e-38 ")  # with its separator
# Tested for every float32 of these magnitudes: its shortest text is read back exactly, also by readers that go
# through float64. (Outside, 7.038531e-26 is not.) Outside libraries also write exponents differently.
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
