"""Tables of decimal numbers in a text, lines of as many numbers each: read strictly, and many numbers at once.

A plain number, ``-12.340`` of at most 15 digits, is an integer divided by a power of ten that are both exact in
float64, so their quotient is the nearest float64, as Python reads it. All other numbers are read by Python, one by one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from registry.errors import ArrayError
from registry.identifiers import format_count

_ZERO, _POINT, _MINUS, _SPACE, _LINE_END = (np.uint8(ord(char)) for char in "0.- \n")
_MAX_FLOAT_DIGITS = 15  # below 2**53
_MAX_INTEGER_DIGITS = 18  # below 2**63
_MAX_SMALL_DIGITS = 9  # below 2**32
_MAX_LENGTH = _MAX_INTEGER_DIGITS + len("-.")
_FLOAT = re.compile(rb"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|nan|NaN|inf|Infinity)")
_INTEGER = re.compile(rb"[+-]?[0-9]{1,40}")
_MAX_WORD_LENGTH = 400  # the exact text of the smallest float64 is longer; nobody writes it


class Table(NamedTuple):
    """The numbers of a text as (line, number).

    ``digits`` is the greatest number of digits after the point; None if a number has an exponent, or more digits than
    float64 keeps.
    """

    values: NDArray[Any]
    digits: int | None


def parse_table(
    text: bytes | bytearray, name: str, columns: int, dtype: np.dtype[Any], *, first_line: int = 1
) -> Table:
    """Read a text of lines with as many numbers each, separated by blanks; every line has an end.

    Parameters
    ----------
    name
        Of the file, for the refusals.
    dtype
        Of floats or of integers. A float that it cannot hold becomes infinite.
    first_line
        The number of the first line, for the refusals.

    Raises
    ------
    ArrayError
        A line has more or fewer numbers or no end, or what it has is not a number of the dtype.
    """
    characters = np.frombuffer(text, np.uint8)
    is_blank = characters <= _SPACE
    others = np.count_nonzero(is_blank) - sum(
        np.count_nonzero(characters == char) for char in (_SPACE, _LINE_END)
    )
    if others and others != sum(map(text.count, b"\t\r")):  # another control character
        raise number_error(name, first_line, dtype)
    bounds = np.flatnonzero(np.diff(is_blank, prepend=True, append=True))
    starts, ends = bounds[::2], bounds[1::2]
    _refuse_wrong_lines(characters, starts, name, columns, first_line)
    is_float = dtype.kind == "f"
    plain, values, digits = _read_plain(characters, is_blank, starts, ends, is_float=is_float)
    if not is_float:
        limits = np.iinfo(dtype)
        plain &= (values >= limits.min) & (values <= min(limits.max, np.iinfo(np.int64).max))
    table = values.astype(dtype)
    for index in np.flatnonzero(~plain):
        word = bytes(text[starts[index] : ends[index]])
        try:
            value = _read_other(word, is_float=is_float)
            with np.errstate(over="ignore"):
                table[index] = value
        except (ValueError, OverflowError):
            line = first_line + int(index) // columns
            raise number_error(name, line, dtype) from None
        digits = _count_digits(word, digits) if is_float and np.isfinite(value) else digits
    return Table(table.reshape(-1, columns), digits)


def number_error(name: str, line: int, dtype: np.dtype[Any]) -> ArrayError:
    """Return the refusal of a line in which something is not a number of the dtype."""
    return ArrayError(
        f"{name}, line {line}: not all are numbers of {dtype.name}", line=line, dtype=dtype.name
    )


def line_error(name: str, line: int, count: int, columns: int) -> ArrayError:
    """Return the refusal of a line that has more or fewer numbers."""
    return ArrayError(
        f"{name}, line {line}: it has {format_count(count, 'number')}, not {columns}", line=line
    )


def cut_line_error(name: str, line: int) -> ArrayError:
    """Return the refusal of a line without an end, whose last number may have lost digits."""
    return ArrayError(f"{name} is cut short: line {line} has no end", line=line)


def _refuse_wrong_lines(
    characters: NDArray[np.uint8], starts: NDArray[np.intp], name: str, columns: int, first_line: int
) -> None:
    line_ends = np.flatnonzero(characters == _LINE_END)
    counts = np.diff(np.searchsorted(starts, line_ends), prepend=0)
    wrong = np.flatnonzero(counts != columns)
    if wrong.size:
        raise line_error(name, first_line + int(wrong[0]), int(counts[wrong[0]]), columns)
    if starts.size != columns * line_ends.size or (characters.size and characters[-1] != _LINE_END):
        line, count = first_line + line_ends.size, starts.size - columns * line_ends.size
        raise (line_error(name, line, count, columns) if count != columns else cut_line_error(name, line))


def _read_plain(
    characters: NDArray[np.uint8],
    is_blank: NDArray[np.bool_],
    starts: NDArray[np.intp],
    ends: NDArray[np.intp],
    *,
    is_float: bool,
) -> tuple[NDArray[np.bool_], NDArray[Any], int | None]:
    """Return which words are plain numbers, their values, and the most digits that one has after its point."""
    is_digit, is_point, is_minus = characters - _ZERO < 10, characters == _POINT, characters == _MINUS
    is_negative = is_minus[starts]
    plain = np.ones(starts.size, np.bool_)
    decimals, has_point = _find_points(is_point, starts, ends, plain)
    counts = [np.count_nonzero(mask) for mask in (is_blank, is_digit, is_point, is_minus)]
    if sum(counts) != characters.size or counts[-1] != np.count_nonzero(is_negative):
        unusual = ~(is_blank | is_digit | is_point | is_minus)
        unusual |= is_minus
        unusual[starts[is_negative]] = False
        plain[_find_words(starts, np.flatnonzero(unusual))] = False
    first, lengths = starts + is_negative, ends - starts - is_negative
    digits = lengths - has_point
    plain &= (digits >= 1) & (digits <= (_MAX_FLOAT_DIGITS if is_float else _MAX_INTEGER_DIGITS))
    if not is_float:
        plain &= ~has_point
    values = np.zeros(starts.size, np.float64 if is_float else np.int64)
    most = 0
    # Words with the same number of characters on both sides of the point are read together.
    forms = np.where(plain, (lengths * _MAX_LENGTH + decimals) * 2 + has_point, 0)
    for form in np.flatnonzero(np.bincount(forms))[int(not plain.all()) :].tolist():
        (length, after), with_point = divmod(form // 2, _MAX_LENGTH), form % 2
        members = slice(None) if form == forms.min() == forms.max() else np.flatnonzero(forms == form)
        places = [place for place in range(length) if not with_point or place != length - 1 - after]
        numbers = _read_digits(characters, first[members], places)
        values[members] = numbers / 10.0**after if is_float else numbers
        most = max(most, after)
    return plain, np.where(is_negative, -values, values), most


def _find_points(
    is_point: NDArray[np.bool_], starts: NDArray[np.intp], ends: NDArray[np.intp], plain: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the number of digits after the point of each word, and whether it has one; two are not plain."""
    decimals = np.zeros(starts.size, np.intp)
    count = np.count_nonzero(is_point)
    if count == 0:
        return decimals, np.zeros(starts.size, np.bool_)
    if count == starts.size:  # as many in every word, perhaps: found in a third of the time
        last = int(np.flatnonzero(is_point[starts[0] : ends[0]])[-1:].sum())
        place = int(ends[0] - starts[0]) - 1 - last
        if (ends - starts > place).all() and is_point[ends - 1 - place].all():
            return decimals + place, np.ones(starts.size, np.bool_)
    points = np.flatnonzero(is_point)
    words = _find_words(starts, points)
    decimals[words] = ends[words] - 1 - points
    plain[words[1:][words[1:] == words[:-1]]] = False
    has_point = np.zeros(starts.size, np.bool_)
    has_point[words] = True
    return decimals, has_point


def _find_words(starts: NDArray[np.intp], places: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the indices of the words that have these places."""
    return np.searchsorted(starts, places, side="right") - 1


def _read_digits(
    characters: NDArray[np.uint8], first: NDArray[np.intp], places: Sequence[int]
) -> NDArray[Any]:
    """Return the digits at these places of words, counted from their first characters, as one number a word."""
    is_small = len(places) <= _MAX_SMALL_DIGITS
    numbers: NDArray[Any] = np.zeros(first.size, np.uint32 if is_small else np.int64)
    for place in places:
        np.multiply(numbers, 10, out=numbers)
        np.add(numbers, characters[first + place] - _ZERO, out=numbers)
    return numbers


def _read_other(word: bytes, *, is_float: bool) -> float | int:
    """Return the number in a word; raise ValueError if it is not one."""
    if len(word) > _MAX_WORD_LENGTH or not (_FLOAT if is_float else _INTEGER).fullmatch(word):
        raise ValueError
    return float(word) if is_float else int(word)


def _count_digits(word: bytes, digits: int | None) -> int | None:
    """Return the most digits after the point, of a word too that is a finite number and not a plain one."""
    if digits is None or not word.startswith(b"+"):
        return None
    return max(digits, len(word.partition(b".")[2]))
