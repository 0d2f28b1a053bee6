"""Ranges of time in which a panel has other constants of a kind as of one revision than as of another.

Only what was recorded or withdrawn between the two is read, with the neighbours of each start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby, pairwise
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.database.planner import limit_one
from registry.instants import NEVER
from registry.lookup.timelines import Timeline

_SINCE = sa.bindparam("since", type_=sa.Integer)
_UPTO = sa.bindparam("upto", type_=sa.Integer)

_Valid = tuple[int, str | None]


class ChangedRange(NamedTuple):
    """A range, its end exclusive, with (version, SHA-256 of the constants) before and after.

    None without a version; the SHA-256 of a gap is None.
    """

    panel: str
    kind: str
    start: int
    end: int
    before: _Valid | None
    after: _Valid | None


def list_changed_ranges(connection: sa.Connection, since: int, upto: int) -> list[ChangedRange]:
    """Return the ranges in which constants differ between two revisions, of panels that a run or export may have.

    These are the panels that were ever configured, and those known before, if anything was ever exported.
    """
    rows = connection.execute(_select_neighbourhoods(), {"since": since, "upto": upto})
    keyed = groupby(rows, lambda row: (row.identifier, row.kind))
    return [changed for (panel, kind), group in keyed for changed in _compare_timelines(panel, kind, group)]


def _compare_timelines(panel: str, kind: str, rows: Iterable[Any]) -> Iterator[ChangedRange]:
    before: Timeline[_Valid] = Timeline()
    after: Timeline[_Valid] = Timeline()
    starts: dict[int, bool] = {}  # whether a version with that start was recorded or withdrawn
    for row in rows:
        starts[row.valid_from] = starts.get(row.valid_from, False) or not (row.was_live and row.is_live)
        for timeline, live in ((before, row.was_live), (after, row.is_live)):
            if live:
                timeline.append(row.valid_from, (row.id, row.sha256))
    for start, end in pairwise([*starts, NEVER]):
        old, new = before.at(start), after.at(start)
        if starts[start] and (old and old[1]) != (new and new[1]):
            yield ChangedRange(panel, kind, start, end, old, new)


@cache
def _select_neighbourhoods() -> sa.Select[Any]:
    """Return the statement for the versions live as of one of the revisions: those between the touched starts.

    And the last before them and the first after them.
    """
    version, panel, constants = schema.version, schema.panel, schema.constants
    touched = _select_touched().cte("touched")
    lower, upper = (_select_neighbour(touched, later=later) for later in (False, True))
    bounds = sa.select(
        touched,
        sa.func.coalesce(lower, touched.c.first).label("lower"),
        sa.func.coalesce(upper, touched.c.last).label("upper"),
    ).cte("bounds")
    was_live, is_live = (schema.live_condition(version, revision) for revision in (_SINCE, _UPTO))
    return (
        sa.select(panel.c.identifier, version.c.kind, version.c.valid_from, version.c.id, constants.c.sha256)
        .add_columns(was_live.label("was_live"), is_live.label("is_live"))
        .select_from(bounds)
        .join(
            version,
            sa.and_(
                version.c.panel_id == bounds.c.panel_id,
                version.c.kind == bounds.c.kind,
                version.c.valid_from >= bounds.c.lower,
                version.c.valid_from <= bounds.c.upper,
            ),
        )
        .join(panel, panel.c.id == version.c.panel_id)
        .outerjoin(constants, constants.c.id == version.c.constants_id)
        .where(sa.or_(was_live, is_live))
        .order_by(panel.c.identifier, version.c.kind, version.c.valid_from)
    )


def _select_touched() -> sa.Select[Any]:
    """Return the panels and kinds whose live versions changed, with their first and last start that did."""
    version, panel = schema.version, schema.panel
    columns = version.c.panel_id, version.c.kind, version.c.valid_from
    was_live, is_live = (schema.live_condition(version, revision) for revision in (_SINCE, _UPTO))
    changed = sa.union_all(
        sa.select(*columns).where(version.c.recorded_in > _SINCE, version.c.recorded_in <= _UPTO, is_live),
        sa.select(*columns).where(version.c.withdrawn_in > _SINCE, version.c.withdrawn_in <= _UPTO, was_live),
    ).cte("changed")
    member = schema.configuration_panel
    is_configured = sa.exists().where(member.c.panel_id == panel.c.id)
    may_be_exported = sa.and_(panel.c.recorded_in <= _SINCE, sa.exists(sa.select(schema.export.c.id)))
    return (
        sa.select(
            changed.c.panel_id,
            changed.c.kind,
            sa.func.min(changed.c.valid_from).label("first"),
            sa.func.max(changed.c.valid_from).label("last"),
        )
        .join(panel, panel.c.id == changed.c.panel_id)
        .where(sa.or_(is_configured, may_be_exported))
        .group_by(changed.c.panel_id, changed.c.kind)
    )


def _select_neighbour(touched: sa.CTE, *, later: bool) -> sa.ScalarSelect[int | None]:
    """Return the start next to the touched ones of a version that is live as of both revisions."""
    version = schema.version.alias("later" if later else "earlier")
    start = version.c.valid_from
    query = (
        sa.select(start)
        .where(version.c.panel_id == touched.c.panel_id, version.c.kind == touched.c.kind)
        .where(start > touched.c.last if later else start < touched.c.first)
        .where(schema.live_condition(version, _SINCE), schema.live_condition(version, _UPTO))
        .order_by(start if later else start.desc())
        .limit(limit_one())
    )
    return query.correlate(touched).scalar_subquery()
