"""Instants that are to be recorded, as a user states them."""

from __future__ import annotations

from dataclasses import dataclass

from registry.api.backend import Backend, InstantLike
from registry.database.change import Change
from registry.instants import Instant, is_stamp, refuse_unlikely


@dataclass(frozen=True, slots=True)
class StatedInstant:
    """An instant to record; ``instant`` is how it was read before the change began."""

    backend: Backend
    stated: InstantLike
    instant: Instant

    def resolve(self, change: Change) -> Instant:
        """Return the instant, a stamp in the time zone that the change sees; note how a text was read."""
        if not isinstance(self.stated, str):
            return self.instant
        instant = self.backend.parse_start(self.stated, change.connection)
        if self.stated != str(instant):
            zone = f" ({self.backend.find_timezone(change.connection)})" if is_stamp(self.stated) else ""
            note = f"{self.stated} is {instant}{zone}"
            change.notes += [] if note in change.notes else [note]
        return instant


def state_start(backend: Backend, valid_from: InstantLike, *, any_time: bool) -> StatedInstant:
    """Read a start of validity, which may be ``beginning``; refuse a year that cannot be meant."""
    instant = refuse_unlikely(backend.parse_start(valid_from), "a start of validity", any_time=any_time)
    return StatedInstant(backend, valid_from, instant)


def state_instant(backend: Backend, at: InstantLike, what: str, *, any_time: bool) -> StatedInstant:
    """Read an instant, which may not be ``beginning``; refuse a year that cannot be meant."""
    instant = refuse_unlikely(backend.parse_instant(at), what, any_time=any_time)
    return StatedInstant(backend, at, instant)
