"""Times as people state them: a date, a local time, or words such as ``yesterday`` and ``3 days ago``.

Other texts that are instants are read as `instants.parse_instant` reads them. Words are relative to a present that the
caller fixes: a text that is read twice is the same instant.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

from registry.errors import InstantError
from registry.heads import is_pin
from registry.identifiers import format_count, quote
from registry.instants import (
    EARLIEST,
    Instant,
    Zone,
    instant_from_local,
    is_iso_time,
    is_local_time,
    is_stamp,
    parse_instant,
    parse_local_time,
)

WORDS = ("now", "today", "yesterday")
"""The words that stand alone."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_AGO = re.compile(r"(?P<count>[0-9]{1,7}) (?P<unit>minute|hour|day|week)s? ago", re.ASCII)
_TIME_START = re.compile(r"[0-9]{4}-|[0-9]{8}[Tt]|[0-9]{14}|[0-9]+ ", re.ASCII)
_MINUTES = {"minute": 1, "hour": 60}  # of time that passed, whatever the clocks did
_DAYS = {"day": 1, "week": 7}  # of the calendar: at the same time of day


def is_stated_time(text: str) -> bool:
    """Tell whether a text is meant as a time, also where it is wrong: not a short number or a name."""
    return text in WORDS or (_TIME_START.match(text) is not None and not is_pin(text))


def parse_stated_time(text: str, timezone: Zone, present: Instant) -> Instant:
    """Read a time as people state it.

    Parameters
    ----------
    timezone
        The zone of dates, local times and days, or the function that finds it; it is called for these only.
    present
        The instant to which words are relative.

    Raises
    ------
    InstantError
        The text is not a time, or one that does not exist, or exists twice, in that zone.
    """
    if is_local_time(text):
        return parse_local_time(text, _find_zone(timezone))
    if is_stamp(text) or is_iso_time(text):
        return parse_instant(text, timezone)
    if text == "now":
        return present
    if parts := _AGO.fullmatch(text):
        return _go_back(text, int(parts["count"]), parts["unit"], timezone, present)
    if text in WORDS:
        days = 1 if text == "yesterday" else 0
        zone = _find_zone(timezone)
        midnight = _read_clock(present, zone).replace(hour=0, minute=0, second=0, microsecond=0)
        return _find_local(midnight, timedelta(days=days), zone, text)
    if _DATE.fullmatch(text):
        return _parse_date(text, _find_zone(timezone))
    digits = f"; this has {format_count(len(text), 'digit')}" if text.isascii() and text.isdecimal() else ""
    raise InstantError(
        f"{quote(text)} is not an instant: a date (2018-02-10, 2018-02-10 14:30), a stamp of 14 digits"
        " (YYYYMMDDHHMMSS), an ISO 8601 time (2018-02-10T14:30:00Z), 'now', 'today', 'yesterday', '3 days ago', or"
        f" a run (exp=xcsls3716:run=631: its start) is expected{digits}"
    )


def _find_zone(timezone: Zone) -> tzinfo:
    return timezone if isinstance(timezone, tzinfo) else timezone()


def _parse_date(text: str, zone: tzinfo) -> Instant:
    try:
        midnight = datetime.fromisoformat(f"{text}T00:00:00")
    except ValueError as error:
        raise InstantError(f"{quote(text)} does not exist: {error}") from None
    return instant_from_local(midnight, zone, f"{text} 00:00")


def _go_back(text: str, count: int, unit: str, timezone: Zone, present: Instant) -> Instant:
    if count == 0:
        return present
    if unit in _DAYS:
        zone = _find_zone(timezone)
        return _find_local(_read_clock(present, zone), timedelta(days=count * _DAYS[unit]), zone, text)
    instant = Instant(present - count * _MINUTES[unit] * 60_000_000)
    if instant < EARLIEST:
        raise _too_long_ago_error(text)
    return instant


def _find_local(clock: datetime, back: timedelta, zone: tzinfo, text: str) -> Instant:
    try:
        naive = clock - back
    except OverflowError:
        raise _too_long_ago_error(text) from None
    return instant_from_local(naive, zone, f"{text}, {naive.isoformat(' ')},")


def _read_clock(present: Instant, zone: tzinfo) -> datetime:
    """Return what the clocks of a zone show at an instant."""
    return present.datetime.astimezone(zone).replace(tzinfo=None)


def _too_long_ago_error(text: str) -> InstantError:
    return InstantError(f"{text} is before the year 1")
