"""Instants: read from stamps and ISO texts, kept as exact microseconds, written in UTC.

The time zone of stamps is UTC unless another is given, or a function that finds it when a stamp is read. The
functions raise `InstantError` for other texts, naive datetimes, instants outside the years 1 to 9999, and local times
that exist twice or not at all (at the changes of daylight saving time).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING, Self

from registry.errors import CorruptionError, InstantError, Remedy
from registry.identifiers import format_count, quote

if TYPE_CHECKING:
    from decimal import Decimal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAIVE_EPOCH = _EPOCH.replace(tzinfo=None)  # its texts take a third less time
_MICROSECOND = timedelta(microseconds=1)
_STAMP = re.compile(r"[0-9]{14}", re.ASCII)
# Extended or basic, not mixed: 2017-10-25T00:00:00-07:00 or 20171025T000000-0700. An offset may be of either form.
_ISO = re.compile(
    r"(?:[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ](?P<hour>[0-9]{2}):[0-9]{2}(?::[0-9]{2}(?P<fraction>[.,][0-9]+)?)?"
    r"|[0-9]{8}[Tt](?P<basic_hour>[0-9]{2})[0-9]{2}(?:[0-9]{2}(?P<basic_fraction>[.,][0-9]+)?)?)"
    r"(?P<offset>[Zz]|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?",
    re.ASCII,
)
_FIRST_YEAR = 1990  # of what the registry's detectors can have measured, with decades to spare
_MAX_DAYS_AHEAD = 366

Zone = tzinfo | Callable[[], tzinfo]
"""A time zone, or the function that finds it when it is needed."""


class Instant(int):
    """Microseconds since 1970-01-01T00:00:00Z: exact, ordered, and the same number in every database.

    ``BEGINNING``, the smallest, is the start time of what was valid from the beginning.
    """

    __slots__ = ()

    def __new__(cls, value: int) -> Self:
        """Return the instant; raise a `CorruptionError` for what SQLite keeps in the place of a number."""
        try:
            return int.__new__(cls, value)
        except ValueError:
            raise _instant_damage_error(value) from None

    def __str__(self) -> str:
        """Return ISO 8601 in UTC with Z, with a fraction if there is one; or ``beginning``."""
        if self == BEGINNING:
            return "beginning"
        try:
            return _format_iso(self)
        except OverflowError:  # no writer records such a number
            raise _instant_damage_error(int(self)) from None

    def __repr__(self) -> str:
        return f"Instant({self})"

    @property
    def datetime(self) -> datetime:
        """The instant as an aware datetime in UTC; raises OverflowError for ``BEGINNING``."""
        return _EPOCH + int(self) * _MICROSECOND

    @property
    def iso(self) -> str | None:
        """The text for JSON: ISO 8601 with Z, or None for the beginning."""
        return None if self == BEGINNING else str(self)


@lru_cache(maxsize=4096)  # the start times of panels that are calibrated together are the same ones
def _format_iso(microseconds: int) -> str:
    """Return the text of a number of microseconds; raise OverflowError outside the years 1 to 9999."""
    return f"{(_NAIVE_EPOCH + timedelta(microseconds=microseconds)).isoformat()}Z"


def _instant_damage_error(value: object) -> CorruptionError:
    return CorruptionError(
        f"the database is damaged: {quote(str(value))} is not an instant; verify names the row"
    )


BEGINNING = Instant(-(2**63))
EARLIEST = Instant((datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND)
NEVER = Instant(2**63 - 1)
"""After every instant: the end of a range that has none."""
LATEST = Instant((datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND)


def format_range(start: Instant, end: Instant | None) -> str:
    """Return a range as the end of a sentence: `` from 2019-...``, `` until 2019-...``; nothing for all times."""
    first = "" if start == BEGINNING else f" from {start}"
    return first if end is None else f"{first} until {end}"


def now() -> Instant:
    """Return the instant of the system's clock."""
    return instant_from_datetime(datetime.now(UTC))


def instant_from_datetime(moment: datetime) -> Instant:
    """Return the instant of an aware datetime."""
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise InstantError(f"{moment.isoformat()} has no UTC offset")
    microseconds = Instant((moment - _EPOCH) // _MICROSECOND)
    if not EARLIEST <= microseconds <= LATEST:
        raise InstantError(f"{moment.isoformat()} is outside the years 1 to 9999 in UTC")
    return microseconds


def instant_from_epoch(seconds: int | Decimal) -> Instant:
    """Return the instant of seconds since 1970-01-01T00:00:00Z, to the nearest microsecond."""
    # Compared before it is multiplied or rounded: a decimal number may have any exponent.
    if not EARLIEST <= seconds <= LATEST or not EARLIEST <= (exact := seconds * 1_000_000) <= LATEST:
        raise InstantError(f"{quote(str(seconds))} seconds after 1970 is outside the years 1 to 9999 in UTC")
    return Instant(round(exact))


def is_stamp(text: str) -> bool:
    """Tell whether a text is a stamp of 14 digits, which means nothing without a time zone."""
    return _STAMP.fullmatch(text) is not None


def parse_instant(text: str, timezone: Zone = UTC) -> Instant:
    """Read a 14-digit stamp (local time of `timezone`) or an ISO 8601 text with its offset.

    Raises
    ------
    InstantError
        The text is neither, has no offset, is finer than a microsecond, or is a time that does not
        exist, or exists twice, in that zone.
    """
    if is_stamp(text):
        return _parse_stamp(text, timezone if isinstance(timezone, tzinfo) else timezone())
    if not _ISO.fullmatch(text):
        digits = (
            f"; this has {format_count(len(text), 'digit')}" if text.isascii() and text.isdecimal() else ""
        )
        raise InstantError(
            f"{quote(text)} is not an instant: a stamp of 14 digits (YYYYMMDDHHMMSS) or an ISO 8601 time with its"
            f" offset (2017-10-25T00:00:00Z) is expected{digits}"
        )
    return parse_iso(text)


def parse_iso(text: str) -> Instant:
    """Read an ISO 8601 text with its offset."""
    parts = _ISO.fullmatch(text)
    if not parts:
        raise InstantError(
            f"{quote(text)} is not an ISO 8601 time with its offset, as in 2017-10-25T00:00:00-07:00"
        )
    if parts["offset"] is None:
        raise InstantError(f"{quote(text)} has no UTC offset; add Z or one like -07:00")
    return instant_from_datetime(_read_iso(text, parts))


def is_iso_time(text: str) -> bool:
    """Tell whether a text has the form of an ISO 8601 time, with or without an offset."""
    return _ISO.fullmatch(text) is not None


def is_local_time(text: str) -> bool:
    """Tell whether a text is an ISO 8601 time without an offset, which means nothing without a time zone."""
    parts = _ISO.fullmatch(text)
    return parts is not None and parts["offset"] is None


def parse_local_time(text: str, timezone: tzinfo) -> Instant:
    """Read an ISO 8601 text without an offset as the local time of a zone."""
    parts = _ISO.fullmatch(text)
    if not parts or parts["offset"] is not None:
        raise InstantError(f"{quote(text)} is not an ISO 8601 time without an offset")
    return instant_from_local(_read_iso(text, parts), timezone, text)


def _read_iso(text: str, parts: re.Match[str]) -> datetime:
    if len(parts["fraction"] or parts["basic_fraction"] or "") > 7:
        raise InstantError(f"{quote(text)} is finer than a microsecond")
    if "24" in (parts["hour"], parts["basic_hour"]):  # some versions of Python read it
        raise InstantError(f"{quote(text)} does not exist: write 00:00 of the next day for 24:00")
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError as error:
        raise InstantError(f"{quote(text)} does not exist: {error}") from None


def parse_start(text: str, timezone: Zone = UTC) -> Instant:
    """Read a start time of validity: ``beginning``, or an instant as by `parse_instant`."""
    return BEGINNING if text == "beginning" else parse_instant(text, timezone)


def refuse_unlikely(instant: Instant, what: str, *, any_time: bool = False) -> Instant:
    """Return an instant that is to be recorded; refuse one of a year that cannot be meant, unless `any_time` is set.

    Parameters
    ----------
    what
        What happens at the instant, for the message: "a start of validity".
    """
    if any_time or instant == BEGINNING:
        return instant
    first = instant_from_datetime(datetime(_FIRST_YEAR, 1, 1, tzinfo=UTC))
    last = now() + _MAX_DAYS_AHEAD * 86_400_000_000
    if first <= instant <= last:
        return instant
    limit = f"is before {_FIRST_YEAR}" if instant < first else "is more than a year ahead"
    raise InstantError(f"{what} at {instant} {limit}", remedy=Remedy.ALLOW_ANY_TIME, instant=str(instant))


def _parse_stamp(text: str, timezone: tzinfo) -> Instant:
    try:
        year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
        hour, minute, second = int(text[8:10]), int(text[10:12]), int(text[12:])
        # Not strptime, which takes ten times as long.
        naive = datetime(year, month, day, hour, minute, second)  # noqa: DTZ001 - the zone follows, both ways
    except ValueError:
        raise InstantError(f"{text} is a date or time that does not exist") from None
    return instant_from_local(naive, timezone, text)


def instant_from_local(naive: datetime, timezone: tzinfo, text: str) -> Instant:
    """Return the one instant at which the clocks of a zone showed a time; `text` names it in the refusals."""
    try:
        readings = {naive.replace(tzinfo=timezone, fold=fold).astimezone(UTC) for fold in (0, 1)}
        real = {moment for moment in readings if moment.astimezone(timezone).replace(tzinfo=None) == naive}
    except OverflowError:
        raise InstantError(f"{text} is outside the years 1 to 9999 in UTC") from None
    if not real:
        raise InstantError(f"{text} does not exist in {timezone}: the clocks were put forward over it")
    if len(real) > 1:
        first, second = sorted(instant_from_datetime(moment) for moment in real)
        raise InstantError(
            f"{text} happened twice in {timezone}, at {first} and at {second}; write the one that is meant"
        )
    return instant_from_datetime(real.pop())
