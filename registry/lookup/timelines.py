"""Timelines: values by start, to find in memory what is valid at an instant."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, zip_longest
from typing import Generic, TypeVar

import sqlalchemy as sa

from registry import schema

_CHUNK_SIZE = 1000

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(slots=True)
class Timeline(Generic[Value]):
    """Values by start: a value is valid from its start, inclusive, to the next start, exclusive."""

    starts: list[int] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)

    def append(self, start: int, value: Value) -> None:
        """Add a value that starts at or after the last one."""
        self.starts.append(start)
        self.values.append(value)

    def at(self, instant: int) -> Value | None:
        """Return the value that is valid at the instant."""
        index = bisect_right(self.starts, instant)
        return self.values[index - 1] if index else None

    def next_after(self, instant: int) -> Value | None:
        """Return the first value that starts after the instant."""
        index = bisect_right(self.starts, instant)
        return self.values[index] if index < len(self.values) else None

    def ranges(self) -> Iterator[tuple[Value, int | None]]:
        """Return every value with the end of its range, ``None`` for the last."""
        return zip_longest(self.values, islice(self.starts, 1, None))


def build_timelines(entries: Iterable[tuple[Key, int, Value]]) -> defaultdict[Key, Timeline[Value]]:
    """Return the timelines of (key, start, value), which come by start; an unknown key has an empty one."""
    timelines: defaultdict[Key, Timeline[Value]] = defaultdict(Timeline)
    for key, start, value in entries:
        timelines[key].append(start, value)
    return timelines


VersionTimelines = defaultdict[tuple[str, str], Timeline[tuple[int, str | None]]]
"""By panel Id and kind: (number, SHA-256 of the constants, ``None`` for a gap) of the live versions."""


def read_timelines(
    connection: sa.Connection,
    panels: Iterable[str],
    revision: int,
    *,
    kinds: Sequence[str] | None = None,
    until: int | None = None,
) -> VersionTimelines:
    """Return the live versions of these panels as of a revision.

    Of these kinds, by default of all; and only those that start by an instant.
    """
    version, panel, constants = schema.version, schema.panel, schema.constants
    query = (
        sa.select(panel.c.identifier, version.c.kind, version.c.valid_from, version.c.id, constants.c.sha256)
        .join(version, version.c.panel_id == panel.c.id)
        .outerjoin(constants, constants.c.id == version.c.constants_id)
        .where(schema.live_condition(version, revision))
        .order_by(version.c.panel_id, version.c.kind, version.c.valid_from)
    )
    if kinds is not None:
        query = query.where(version.c.kind.in_(kinds))
    if until is not None:
        query = query.where(version.c.valid_from <= until)
    identifiers = sorted(panels)
    chunks = (identifiers[start : start + _CHUNK_SIZE] for start in range(0, len(identifiers), _CHUNK_SIZE))
    return build_timelines(
        ((row.identifier, row.kind), row.valid_from, (row.id, row.sha256))
        for chunk in chunks
        for row in connection.execute(query.where(panel.c.identifier.in_(chunk)))
    )
