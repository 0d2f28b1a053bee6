"""The parameters of questions in URLs: how the values of a method are written there, and read again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

from registry import instants
from registry.errors import InstantError, RequestError
from registry.heads import LARGEST_NUMBER, Head, is_pin, parse_head, parse_pin
from registry.identifiers import quote
from registry.instants import Instant

MAX_NAMES = 100
"""The most names of panels in one question."""

_TRUE, _FALSE = "true", "false"
_MOST_DIGITS = 1000


class Sort(Enum):
    """The sorts of parameters."""

    TEXT = auto()
    TEXTS = auto()
    NUMBER = auto()
    NUMBERS = auto()
    FLAG = auto()
    INSTANT = auto()
    REVISION = auto()


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a reading: its name in the method and in the URL.

    Attributes
    ----------
    is_number_of_thing
        True where a number names a thing, as a version: one that no thing can have is not known, and not a mistake.
    """

    name: str
    url_name: str
    sort: Sort
    is_required: bool
    is_number_of_thing: bool = False

    def format(self, value: Any) -> list[str]:
        """Return the texts of a value in a URL; none for the default."""
        if value is None or value is False:
            return []
        if self.sort is Sort.FLAG:
            return [_TRUE]
        if self.sort in {Sort.TEXTS, Sort.NUMBERS}:
            return [value] if isinstance(value, str) else [str(item) for item in value]
        return [str(value)]

    def parse(self, texts: Sequence[str]) -> Any:
        """Return the value that texts of a URL stand for; raise a `RequestError` for others."""
        if self.sort in {Sort.TEXTS, Sort.NUMBERS}:
            if len(texts) > MAX_NAMES:
                raise RequestError(
                    f"{len(texts)} times {self.url_name} is more than {MAX_NAMES}, the most of one question",
                    parameter=self.url_name,
                )
            return [self._parse_number(text) for text in texts] if self.sort is Sort.NUMBERS else list(texts)
        if len(texts) > 1:
            raise RequestError(f"{self.url_name} stands more than once in the URL", parameter=self.url_name)
        (text,) = texts
        return _PARSERS.get(self.sort, Parameter._parse_text)(self, text)

    def _parse_text(self, text: str) -> str:
        return text

    def _parse_number(self, text: str) -> int:
        digits, most = text, len(str(LARGEST_NUMBER))
        if self.is_number_of_thing:
            digits, most = text.removeprefix("-"), _MOST_DIGITS
        if not text.isascii() or not digits.isdecimal() or len(digits) > most:
            raise self._error(text, "a number: 0, 1, 2 ...")
        return int(text)

    def _parse_flag(self, text: str) -> bool:
        if text not in {_TRUE, _FALSE}:
            raise self._error(text, f"{_TRUE} or {_FALSE}")
        return text == _TRUE

    def _parse_instant(self, text: str) -> Instant:
        return parse_iso_instant(self.url_name, text)

    def _parse_revision(self, text: str) -> Head | int:
        if is_pin(text):
            return parse_pin(text)
        return parse_head(text) if ":" in text else self._parse_number(text)

    def _error(self, text: str, expected: str) -> RequestError:
        return RequestError(f"{self.url_name}={quote(text)} is not {expected}", parameter=self.url_name)


_PARSERS: dict[Sort, Callable[[Parameter, str], Any]] = {
    Sort.NUMBER: Parameter._parse_number,  # noqa: SLF001 - of the class above
    Sort.FLAG: Parameter._parse_flag,  # noqa: SLF001 - as above
    Sort.INSTANT: Parameter._parse_instant,  # noqa: SLF001 - as above
    Sort.REVISION: Parameter._parse_revision,  # noqa: SLF001 - as above
}


def parse_iso_instant(name: str, text: str) -> Instant:
    """Return the instant of an ISO text with its offset: a service has no time zone in which others could be read."""

    def refuse_zone() -> Any:
        raise InstantError(
            f"{name}={quote(text)} has no UTC offset, which a time in a URL needs", parameter=name
        )

    return instants.parse_instant(text, refuse_zone)


def find_sort(annotation: Any) -> Sort:
    """Return what a parameter with this annotation is."""
    sorts = set(get_args(annotation)) if isinstance(annotation, UnionType) else {annotation}
    sorts.discard(NoneType)
    if any(get_origin(sort) is not None and get_args(sort) == (int,) for sort in sorts):
        return Sort.NUMBERS
    if any(get_origin(sort) is not None for sort in sorts):
        return Sort.TEXTS
    if Head in sorts:
        return Sort.REVISION
    if Instant in sorts:
        return Sort.INSTANT
    return {bool: Sort.FLAG, int: Sort.NUMBER, str: Sort.TEXT}[sorts.pop()]
