"""Instants as users state them, to be recorded."""

from __future__ import annotations

from dataclasses import dataclass

from registry import instants
from registry.api.backend import Backend, InstantLike, Reading
from registry.database.change import Change
from registry.instants import BEGINNING, Instant, refuse_unlikely
from registry.sql import sa


@dataclass(frozen=True, slots=True)
class StatedInstant:
    """An instant to record.

    ``instant`` is how it was read before the change began, ``present`` what its words are relative to: they mean the
    same however long the change waits for other writers.
    """

    backend: Backend
    stated: InstantLike
    instant: Instant
    present: Instant

    def resolve(self, change: Change) -> Instant:
        """Return the instant, in the time zone and with the runs that the change sees; note how a text was read."""
        reading = _read(self.backend, self.stated, self.present, change.connection)
        change.notes += [note for note in reading.describe() if note not in change.notes]
        return reading.instant


def state_start(
    backend: Backend, valid_from: InstantLike, *, any_time: bool, present: Instant | None = None
) -> StatedInstant:
    """Read a start of validity, which may be ``beginning``; refuse a year that cannot be meant."""
    return _state(backend, valid_from, "a start of validity", present, any_time=any_time)


def state_instant(backend: Backend, at: InstantLike, what: str, *, any_time: bool) -> StatedInstant:
    """Read an instant, which may not be ``beginning``; refuse a year that cannot be meant."""
    if at == "beginning":
        backend.read_instant(BEGINNING)  # refuses it
    return _state(backend, at, what, None, any_time=any_time)


def _state(
    backend: Backend, stated: InstantLike, what: str, present: Instant | None, *, any_time: bool
) -> StatedInstant:
    present = present or backend.present or instants.now()
    reading = _read(backend, stated, present)
    return StatedInstant(backend, stated, refuse_unlikely(reading.instant, what, any_time=any_time), present)


def _read(
    backend: Backend, stated: InstantLike, present: Instant, connection: sa.Connection | None = None
) -> Reading:
    if stated in ("beginning", BEGINNING):
        return Reading(BEGINNING, BEGINNING)
    return backend.read_instant(stated, present=present, connection=connection)
