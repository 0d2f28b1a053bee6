"""Tables of decimal numbers: read as Python reads each number, or refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.decimals import parse_table
from registry.errors import ArrayError
from tests.selection import examples

FLOAT, MASK = np.dtype("<f4"), np.dtype("<u8")


@pytest.mark.parametrize(
    ("text", "values", "digits"),
    [
        (b"1 2.5\n-0.000 .25\n", [[1, 2.5], [-0.0, 0.25]], 3),
        (b"  1\t2. \r\n", [[1, 2]], 0),
        (b"nan inf -inf +1.25\n", [[np.nan, np.inf, -np.inf, 1.25]], 2),
        (b"1e-06 123456789.123456789\n", [[1e-6, 123456789.123456789]], None),
        (b"000000000000000001.5 2\n", [[1.5, 2]], None),
        (b"", np.empty((0, 2)), 0),
    ],
)
def test_numbers_are_read_with_the_digits_after_their_points(
    text: bytes, values: list[list[float]], digits: int | None
) -> None:
    table = parse_table(text, "it", np.shape(values)[1], FLOAT)
    np.testing.assert_array_equal(table.values, np.array(values, FLOAT), strict=True)
    np.testing.assert_array_equal(np.signbit(table.values), np.signbit(np.array(values)))
    assert table.digits == digits


def test_masks_are_read_to_their_last_bit() -> None:
    text = b"   0   1\n18446744073709551615 123456789012345678\n"
    values = parse_table(text, "it", 2, MASK).values
    assert values.tolist() == [[0, 1], [2**64 - 1, 123456789012345678]]


@pytest.mark.parametrize(
    "word",
    [
        "nann",
        "NAN",
        "1.2.3",
        "1-2",
        "--1",
        "-",
        ".",
        "1e",
        "1_000",
        "0x10",
        "1,5",
        "\u0661",
        "\0",
        "1\x0b2",
        "1e5e5",
    ],
)
def test_what_is_not_a_number_is_refused_with_its_line(word: str) -> None:
    text = f"1 2\n3 {word}\n".encode()
    with pytest.raises(ArrayError, match=r"it, line [12]: not all are numbers of float32") as caught:
        parse_table(text, "it", 2, FLOAT)
    assert caught.value.values["dtype"] == "float32"


@pytest.mark.parametrize("word", ["-1", "1.0", "nan", "18446744073709551616", "1e3"])
def test_what_a_mask_cannot_hold_is_refused(word: str) -> None:
    with pytest.raises(ArrayError, match="it, line 1: not all are numbers of uint64"):
        parse_table(f"0 {word}\n".encode(), "it", 2, MASK)


def test_numbers_beyond_a_smaller_dtype_are_refused() -> None:
    assert parse_table(b"0 255\n", "it", 2, np.dtype("u1")).values.tolist() == [[0, 255]]
    with pytest.raises(ArrayError, match="line 1: not all are numbers of uint8"):
        parse_table(b"0 256\n", "it", 2, np.dtype("u1"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"1 2\n3\n", "line 2: it has 1 number, not 2"),
        (b"1 2 3\n", "line 1: it has 3 numbers, not 2"),
        (b"1 2\n\n", "line 2: it has 0 numbers, not 2"),
        (b"1 2\n3 4", "it is cut short: line 2 has no end"),
        (b"1 2\n3", "line 2: it has 1 number, not 2"),
        (b"1\n2 3 4\n", "line 1: it has 1 number, not 2"),
        (b"1 2\n ", "line 2: it has 0 numbers, not 2"),
    ],
)
def test_lines_of_another_length_and_without_an_end_are_refused(text: bytes, sentence: str) -> None:
    with pytest.raises(ArrayError) as caught:
        parse_table(text, "it", 2, FLOAT)
    assert sentence in caught.value.message


@settings(max_examples=examples(100))
@given(
    st.lists(
        st.one_of(
            st.floats(width=32).map(repr),
            st.decimals(allow_nan=False, allow_infinity=False, places=3).map("{:.3f}".format),
            st.integers(-(10**20), 10**20).map(str),
            st.text("0123456789.-+eE", min_size=1, max_size=8),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_every_word_is_read_as_python_reads_it_or_refused(words: list[str]) -> None:
    text = " ".join(words).encode() + b"\n"
    try:
        expected = [float(word) for word in words]
    except ValueError:
        with pytest.raises(ArrayError):
            parse_table(text, "it", len(words), np.dtype("<f8"))
        return
    values = parse_table(text, "it", len(words), np.dtype("<f8")).values[0]
    assert values.tobytes() == np.array(expected).tobytes()
