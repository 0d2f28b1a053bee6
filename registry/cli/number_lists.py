"""Lists of numbers as people type them: ``401-404,410``, in one word or several."""

from __future__ import annotations

import re
from collections.abc import Iterable

from registry.errors import RequestError
from registry.identifiers import quote

_MAX_NUMBERS = 10_000
_RANGE = re.compile(r"([0-9]{1,100})(?:-([0-9]{1,100}))?", re.ASCII)


def parse_numbers(words: Iterable[str], what: str) -> list[int]:
    """Return the numbers in words, each once, in the order of the words; `what` names them in the plural.

    Raises
    ------
    RequestError
        A word is neither a number nor a range nor a list of these, a range is backwards, or there are too many.
    """
    numbers: dict[int, None] = {}
    for word in words:
        for part in word.split(","):
            first, last = _parse_range(part, word)
            # Counted before a range is expanded.
            if last - first + len(numbers) >= _MAX_NUMBERS:
                raise RequestError(f"{quote(word)} makes more than {_MAX_NUMBERS} {what}: give fewer at once")
            numbers |= dict.fromkeys(range(first, last + 1))
    return list(numbers)


def _parse_range(text: str, word: str) -> tuple[int, int]:
    parts = _RANGE.fullmatch(text)
    if parts is None:
        raise RequestError(
            f"{quote(word)} is neither a number, nor a range, nor a list of these: 410, 401-404 or 401-404,410 is"
            " expected"
        )
    first, last = int(parts[1]), int(parts[2] or parts[1])
    if last < first:
        raise RequestError(f"{quote(text)} is not a range: it ends before it starts; write {last}-{first}")
    return first, last
