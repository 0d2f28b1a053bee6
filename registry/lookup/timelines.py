"""Timelines: values by start, to find in memory what is valid at an instant."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from itertools import islice, zip_longest
from typing import Any, Generic, TypeVar

from registry import schema
from registry.database.planner import limit_one
from registry.detectors import DETECTOR_TYPES
from registry.instants import BEGINNING, NEVER
from registry.lookup.values_table import values_table_parameters, values_table_template
from registry.sql import sa

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
    kinds: Iterable[str] | None = None,
    span: tuple[int, int] | None = None,
) -> VersionTimelines:
    """Return the live versions of these panels as of a revision, of these kinds or of all.

    With a span of time only those that are valid in it: what the panels have before and after is not read.
    """
    known = dict.fromkeys(kind.name for detector in DETECTOR_TYPES.values() for kind in detector.kinds)
    columns = schema.panel.c.identifier, schema.version.c.kind
    pairs = [
        (panel, kind) for panel in sorted(panels) for kind in (known if kinds is None else sorted(kinds))
    ]
    first, last = span or (BEGINNING, NEVER)
    dialect = connection.dialect.name
    limits = {"revision": revision, "first": first, "last": last}
    return build_timelines(
        ((row.identifier, row.kind), row.valid_from, (row.id, row.sha256))
        for start in range(0, len(pairs), _CHUNK_SIZE)
        for row in connection.execute(
            _select_versions(dialect, is_bounded=span is not None),
            {**limits, **values_table_parameters(dialect, pairs[start : start + _CHUNK_SIZE], *columns)},
        )
    )


@cache
def _select_versions(dialect: str, *, is_bounded: bool) -> sa.Select[Any]:
    """Return the statement for the versions of pairs of panel and kind; bounded, from the one that is valid first."""
    version, panel, constants = schema.version, schema.panel, schema.constants
    revision = sa.bindparam("revision", type_=sa.Integer)
    wanted = values_table_template(dialect, panel.c.identifier, version.c.kind)
    lower: sa.ColumnElement[int] = sa.bindparam("first", type_=sa.BigInteger)
    last = sa.bindparam("last", type_=sa.BigInteger)
    if is_bounded:
        earlier = schema.version.alias("earlier")
        valid = (
            sa.select(earlier.c.valid_from)
            .where(earlier.c.panel_id == panel.c.id, earlier.c.kind == wanted.c.kind)
            .where(earlier.c.valid_from <= lower, schema.live_condition(earlier, revision))
            .order_by(earlier.c.valid_from.desc())
            .limit(limit_one())
            .correlate(panel, wanted)
        )
        lower = sa.func.coalesce(valid.scalar_subquery(), lower)
    pairs = sa.select(
        panel.c.id, panel.c.identifier, wanted.c.kind, lower.label("lower"), last.label("last")
    ).join(wanted, wanted.c.identifier == panel.c.identifier)
    # Both ends are computed first and once: by itself PostgreSQL would look for them again for every version, or
    # read all versions up to the last instant.
    bounds = pairs.cte("bounds").prefix_with("MATERIALIZED", dialect="postgresql")
    is_within: sa.ColumnElement[bool] = sa.and_(
        version.c.panel_id == bounds.c.id,
        version.c.kind == bounds.c.kind,
        version.c.valid_from >= bounds.c.lower,
        version.c.valid_from <= bounds.c.last,
    )
    rows: sa.FromClause = version
    if dialect == "postgresql":
        # By an index, pair by pair; the OFFSET keeps the planner from reading the whole table instead.
        probe = sa.select(version).where(is_within, schema.live_condition(version, revision)).offset(0)
        rows = probe.correlate(bounds).lateral("valid")
        is_within = sa.true()
    return (
        sa.select(bounds.c.identifier, rows.c.kind, rows.c.valid_from, rows.c.id, constants.c.sha256)
        .select_from(bounds)
        .join(rows, is_within)
        .outerjoin(constants, constants.c.id == rows.c.constants_id)
        .where(schema.live_condition(rows, revision))
        .order_by(rows.c.panel_id, rows.c.kind, rows.c.valid_from)
    )
