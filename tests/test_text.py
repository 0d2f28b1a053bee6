"""The text of an array: laid out as both readers want it, exact, and read back from whoever wrote it."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from registry.errors import ArrayError
from registry.exporters import text
from registry.text_arrays import TextReader
from tests.psana_readers import read_newer, read_older
from tests.refusals import assert_refused
from tests.selection import examples


def written(array: NDArray[Any], **header: Any) -> bytes:
    parts = [array[index] for index in np.ndindex(array.shape[:-2])]
    numbers = b"".join(piece for part in parts for piece in text.format_rows(part))
    return text.build_header(array.shape, array.dtype.name, **header) + numbers


def read(content: bytes) -> NDArray[Any]:
    reader = TextReader(io.BytesIO(content), "it")
    return np.array(list(reader.read_parts()), reader.dtype).reshape(reader.shape)


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (one.shape, one.dtype, one.tobytes()) == (other.shape, other.dtype, other.tobytes())


def test_a_text_has_the_layout_that_is_in_use() -> None:
    array = np.array([[[[41.5, -1.25], [0.1, 3.0]]], [[[0.0, -0.0], [1e-6, 2.5e9]]]], np.float32)
    comments = ["of two gain ranges", "SHAPE is said below\n# NDIM 7\x1b[2J é"]
    stamps = {"HOST": "a host", "DATE_TIME": "2026-11-22T16:10:00"}
    assert written(array, comments=comments, stamps=stamps).decode() == (
        "# of two gain ranges\n"
        "# SHAPE is said below\\n# NDIM 7\\x1b[2J \\xe9\n"
        "\n"
        "# HOST        a host\n"
        "# DATE_TIME   2026-11-22T16:10:00\n"
        "# SHAPE       (2,1,2,2)\n"
        "# DATATYPE    float32\n"
        "\n"
        "# DTYPE       float32\n"
        "# NDIM        4\n"
        "# DIM:0       2\n"
        "# DIM:1       1\n"
        "# DIM:2       2\n"
        "# DIM:3       2\n"
        "\n"
        "41.5 -1.25\n"
        "0.1 3.0\n"
        "0.0 -0.0\n"
        "9.999999974752427e-07 2500000000.0\n"
    )


def test_the_text_does_not_depend_on_the_number_of_rows_in_a_chunk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    array = np.linspace(-1, 1, 70 * 3, dtype=np.float32).reshape(1, 1, 70, 3)
    array[0, 0, 33] = np.nan, 1e-7, 0
    array[0, 0, 69] = np.inf, -0.0, 3e9
    whole = written(array)
    assert np.array_equal(read(whole), array, equal_nan=True)
    for block_rows, chunk_rows in ((1, 1), (7, 21), (32, 64), (64, 7), (70, 70)):
        monkeypatch.setattr(text, "_BLOCK_ROWS", block_rows)
        monkeypatch.setattr(text, "_CHUNK_ROWS", chunk_rows)
        assert len(list(text.format_rows(array[0, 0]))) == -(-70 // chunk_rows)
        assert written(array) == whole


ODD = [
    0x7FC00000,
    0xFFC00000,
    0x7F800000,
    0xFF800000,
    0x00000001,
    0x80000000,
    0x7F7FFFFF,
    0x15AE43FD,
    0x95AE43FD,
]
bits = st.one_of(
    st.sampled_from(ODD), st.integers(0, 0xFF7FFFFF).filter(lambda n: not 0x7F800000 <= n < 0x80000000)
)


@pytest.mark.slow
@given(values=st.lists(bits, min_size=6, max_size=6), usual=st.booleans())
@settings(max_examples=examples(40))
def test_every_reader_reads_every_value_bit_for_bit(tmp_path: Path, values: list[int], usual: bool) -> None:
    array = np.array(values, np.uint32).view(np.float32).reshape(1, 1, 2, 3)
    array = np.repeat(np.repeat(array, 70 if usual else 1, axis=2), 2, axis=1)
    content = written(array)
    (tmp_path / "1-end.data").write_bytes(content)
    with np.errstate(all="ignore"):
        for reader in (read_older, read_newer):
            assert same_bits(reader(tmp_path / "1-end.data"), array)
    assert same_bits(read(content), array)


def test_the_one_shortest_text_that_is_misread_through_float64_is_not_written() -> None:
    value = np.uint32(0x15AE43FD).view(np.float32)
    assert np.float32(float("7.038531e-26")) != value
    content = written(np.full((1, 1, 1, 2), value))
    assert content.endswith(b"\n7.038530691851209e-26 7.038530691851209e-26\n")


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint32", "int64", "uint64", "float64"])
def test_integers_are_written_as_integers(tmp_path: Path, dtype: str) -> None:
    limits = np.finfo(dtype) if dtype == "float64" else np.iinfo(dtype)
    array = np.array([limits.min, 0, 7, limits.max], dtype).reshape(1, 1, 2, 2)
    content = written(array)
    assert same_bits(read(content), array)
    if dtype != "float64":
        assert content.endswith(f"\n{limits.min} 0\n7 {limits.max}\n".encode())
    (tmp_path / "1-end.data").write_bytes(content)
    assert same_bits(read_newer(tmp_path / "1-end.data"), array)


NEWER = "# SHAPE (1,1,2,2)\n# DATATYPE float32\n"
OLDER = "# DTYPE float32\n# NDIM 4\n# DIM:0 1\n# DIM:1 1\n# DIM:2 2\n# DIM:3 2\n"
FROM_ONE = "# DTYPE float32\n# NDIM 4\n# DIM:1 1\n# DIM:2 1\n# DIM:3 2\n# DIM:4 2\n"
CPP = OLDER.replace("DTYPE float32", "TYPE float")
NUMBERS = "1 2\n3 4\n"


@pytest.mark.parametrize(
    "content",
    [
        NEWER + NUMBERS,
        OLDER + NUMBERS,
        FROM_ONE + NUMBERS,
        FROM_ONE + NEWER + NUMBERS,
        CPP + NEWER + NUMBERS,
        "# COMMENT\n\n# TITLE x\n" + OLDER + "\n" + NEWER + "\n\n1.000 +2e0\n\n  3\t.4e1  \r\n",
        OLDER.replace("\n", "\r\n") + "1 2\n3 4\n",
        NEWER.replace("(1,1,2,2)", "( 1, 1, 2, 2, )") + NUMBERS,
        "\ufeff" + NEWER + NUMBERS,
    ],
)
def test_either_dialect_of_the_header_and_any_decimal_number_is_read(content: str) -> None:
    assert np.array_equal(read(content.encode()), np.array([[[[1, 2], [3, 4]]]], np.float32))


HOSTILE: dict[str, tuple[str, dict[str, object]]] = {
    "nothing": ("", {"missing": "shape"}),
    "no header": (NUMBERS, {"missing": "shape"}),
    "no type": ("# SHAPE (1,1,2,2)\n" + NUMBERS, {"missing": "dtype"}),
    "no shape": ("# DTYPE float32\n" + NUMBERS, {"missing": "shape"}),
    "code in the shape": (
        NEWER.replace("(1,1,2,2)", "__import__('os').system('true')") + NUMBERS,
        {"key": "SHAPE"},
    ),
    "a power in the shape": (NEWER.replace("(1,1,2,2)", "(9**9**9,)") + NUMBERS, {"key": "SHAPE"}),
    "a huge number in the shape": (NEWER.replace("1,1", "9" * 5000 + ",1") + NUMBERS, {"key": "SHAPE"}),
    "too many axes": (NEWER.replace("1,1", "1," * 9 + "1") + NUMBERS, {"key": "SHAPE"}),
    "one axis": (NEWER.replace("(1,1,2,2)", "(4,)") + NUMBERS, {"shape": (4,)}),
    "a dimension less": (OLDER.replace("# DIM:3 2\n", "") + NUMBERS, {"key": "NDIM"}),
    "a dimension more": (OLDER + "# DIM:4 2\n" + NUMBERS, {"key": "NDIM"}),
    "a dimension left out": (OLDER.replace("DIM:1", "DIM:9") + NUMBERS, {"key": "NDIM"}),
    "dimensions in another order": (
        "# DTYPE float32\n# NDIM 4\n# DIM:1 1\n# DIM:0 1\n# DIM:2 2\n# DIM:3 2\n" + NUMBERS,
        {"key": "NDIM"},
    ),
    "dimensions from two on": (
        FROM_ONE.replace("# DIM:1 1\n", "") + "# DIM:5 1\n" + NUMBERS,
        {"key": "NDIM"},
    ),
    "a dimension less, from one on": (FROM_ONE.replace("# DIM:4 2\n", "") + NUMBERS, {"key": "NDIM"}),
    "dimensions from zero and NDIM of those from one": (OLDER + "# DIM:4 2\n" + NUMBERS, {"key": "NDIM"}),
    "dimensions from one that are not the shape": (
        FROM_ONE.replace("DIM:2 1", "DIM:2 2") + NEWER + NUMBERS,
        {"ambiguous": "shape"},
    ),
    "the type of the C++ library": (CPP + NUMBERS, {"key": "TYPE"}),
    "no NDIM": (OLDER.replace("# NDIM 4\n", "") + NUMBERS, {"key": "NDIM"}),
    "a negative dimension": (OLDER.replace("DIM:2 2", "DIM:2 -2") + NUMBERS, {"key": "NDIM"}),
    "a dimension twice": (OLDER + "# DIM:2 3\n" + NUMBERS, {"key": "DIM:2"}),
    "two shapes": (NEWER.replace("2,2", "2,3") + OLDER + NUMBERS, {"ambiguous": "shape"}),
    "two types": (NEWER.replace("float32", "float64") + OLDER + NUMBERS, {"ambiguous": "dtype"}),
    "an odd type": (NEWER.replace("float32", "object") + NUMBERS, {"key": "DATATYPE"}),
    "an odd type of the older key": (OLDER.replace("float32", "O8") + NUMBERS, {"key": "DTYPE"}),
    "a header without end": ("# x\n" * 400_000, {"line": 262_145}),
    "a line without end": ("# " + "x" * 70_000, {"line": 1}),
    "a number less": (NEWER + "1 2\n3\n", {"line": 4}),
    "a number more": (NEWER + "1 2\n\n3 4 5\n", {"line": 5}),
    "a digit less": (NEWER + "1 2\n3 4", {"line": 4}),
    "a line less": (NEWER + "1 2\n", {"rows": 1}),
    "a line more": (NEWER + NUMBERS + "\n5 6\n", {"line": 6}),
    "a word": (NEWER + "1 2\n3 four\n", {"line": 4, "dtype": "float32"}),
    "a hexadecimal number": (NEWER + "1 2\n3 0x4\n", {"line": 4, "dtype": "float32"}),
    "an underscore": (NEWER + "1 2\n3 1_0\n", {"line": 4, "dtype": "float32"}),
    "bytes": (NEWER + "1 2\n3 \xff\n", {"line": 4, "dtype": "float32"}),
    "a comment among the numbers": (NEWER + "1 2\n# 3\n3 4\n", {"line": 4, "dtype": "float32"}),
    "a fraction among integers": (
        NEWER.replace("float32", "int32") + "1 2\n3 4.0\n",
        {"line": 4, "dtype": "int32"},
    ),
    "an integer too large": (
        NEWER.replace("float32", "uint8") + "1 2\n3 256\n",
        {"line": 4, "dtype": "uint8"},
    ),
    "a negative unsigned integer": (
        NEWER.replace("float32", "uint8") + "1 2\n3 -1\n",
        {"line": 4, "dtype": "uint8"},
    ),
}


@pytest.mark.parametrize(("content", "values"), HOSTILE.values(), ids=HOSTILE)
def test_a_text_that_is_not_an_array_is_refused_in_one_sentence(
    content: str, values: dict[str, object]
) -> None:
    with assert_refused(ArrayError) as caught:
        read(content.encode("latin-1"))
    assert caught.value.values == values
    assert caught.value.code == 2
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 200


@given(content=st.binary(max_size=200), at=st.integers(0, 80))
@settings(max_examples=examples(40))
def test_any_bytes_are_read_as_an_array_or_refused(content: bytes, at: int) -> None:
    whole = (NEWER + OLDER + NUMBERS).encode()
    with contextlib.suppress(ArrayError):
        assert read(whole[:at] + content + whole[at:]).shape
