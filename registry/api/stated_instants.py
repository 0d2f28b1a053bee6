"""Instants as users state them: to ask, or to be recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import tzinfo

import sqlalchemy as sa

from registry.api.backend import Backend, InstantLike
from registry.database.change import Change
from registry.instants import Instant, refuse_unlikely


@dataclass(slots=True)
class StampZone:
    """The time zone of stamps, looked up when a stamp is read; until then its ``name`` is None."""

    backend: Backend
    connection: sa.Connection | None = None
    name: str | None = None

    def __call__(self) -> tzinfo:
        """Return the time zone."""
        zone = self.backend.find_timezone(self.connection)
        self.name = str(zone)
        return zone

    def describe(self, stated: object, instant: Instant) -> list[str]:
        """Return a note on how a text was read, where that is not obvious."""
        if not isinstance(stated, str) or stated == str(instant):
            return []
        return [f"{stated} is {instant}" + (f" ({self.name})" if self.name else "")]


@dataclass(frozen=True, slots=True)
class StatedInstant:
    """An instant to record; ``instant`` is how it was read before the change began."""

    backend: Backend
    stated: InstantLike
    instant: Instant

    def resolve(self, change: Change) -> Instant:
        """Return the instant, a stamp in the time zone that the change sees; note how a text was read."""
        zone = StampZone(self.backend, change.connection)
        instant = self.backend.parse_start(self.stated, zone)
        change.notes += [note for note in zone.describe(self.stated, instant) if note not in change.notes]
        return instant


def state_start(backend: Backend, valid_from: InstantLike, *, any_time: bool) -> StatedInstant:
    """Read a start of validity, which may be ``beginning``; refuse a year that cannot be meant."""
    instant = refuse_unlikely(backend.parse_start(valid_from), "a start of validity", any_time=any_time)
    return StatedInstant(backend, valid_from, instant)


def state_instant(backend: Backend, at: InstantLike, what: str, *, any_time: bool) -> StatedInstant:
    """Read an instant, which may not be ``beginning``; refuse a year that cannot be meant."""
    instant = refuse_unlikely(backend.parse_instant(at), what, any_time=any_time)
    return StatedInstant(backend, at, instant)
