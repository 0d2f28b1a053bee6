"""The log: the revisions, the newest first, each with its changes. It is read in pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.planner import LIMIT_ONE
from registry.instants import Instant
from registry.lookup.changes import START, Counts, count_changes, read_changes, read_changes_page
from registry.records import Revision

_MAX_LINES = 10_000  # of a page with several revisions
_STEP: sa.ColumnElement[int] = sa.literal_column("1", sa.Integer)


def list_revisions(
    connection: sa.Connection,
    below: int,
    count: int,
    panels: Sequence[int] | None = None,
    max_changes: int | None = None,
) -> tuple[list[Revision], bool]:
    """Return a page of the revisions below a number, the newest first, and whether there may be more.

    A page has at most `count` revisions; it is shorter where they have many changes.

    Parameters
    ----------
    panels
        Return only the revisions that changed a panel with one of these keys (or its aliases, versions or
        configurations), and only the lines that name it.
    max_changes
        Return no more lines of a revision than this.
    """
    rows = _read_revisions(connection, below, count, panels)
    counts = count_changes(connection, [row.number for row in rows], panels)
    totals = {number: counted.total() for number, counted in counts.items()}
    short = _count_rows_that_fit([min(total, max_changes or total) for total in totals.values()])
    kept = rows[:short]
    changes = _read_changes(connection, {row.number: counts[row.number] for row in kept}, panels, max_changes)
    page = [_build_revision(row, tuple(changes[row.number]), totals[row.number]) for row in kept]
    return page, len(rows) == count or short < len(rows)


def _count_rows_that_fit(lines: Sequence[int]) -> int:
    """Return how many revisions with so many lines are in a page: one at least."""
    total = 0
    for index, number in enumerate(lines):
        total += number
        if index and total > _MAX_LINES:
            return index
    return len(lines)


def _read_changes(
    connection: sa.Connection, counts: Counts, panels: Sequence[int] | None, max_changes: int | None
) -> dict[int, list[str]]:
    long = {
        number
        for number, counted in counts.items()
        if max_changes is not None and counted.total() > max_changes
    }
    changes = read_changes(
        connection, {number: counted for number, counted in counts.items() if number not in long}, panels
    )
    for number in long:
        page = read_changes_page(connection, number, panels, START, max_changes or 0, counts[number])
        changes[number] = [line for _, line in page]
    return changes


def _read_revisions(
    connection: sa.Connection, below: int, count: int, panels: Sequence[int] | None
) -> Sequence[sa.Row[Any]]:
    parameters = {"below": below, "count": count, **({} if panels is None else {"panels": panels})}
    return connection.execute(_select_revisions(panels is not None), parameters).all()


@cache
def _select_revisions(by_panel: bool) -> sa.Select[Any]:
    """Return the statement for the `count` revisions below a number; with `by_panel` of those about the `panels`."""
    revision = schema.revision
    query = sa.select(revision).where(revision.c.number < _BELOW)
    if by_panel:
        query = query.where(revision.c.number.in_(_select_numbers_about_panels()))
    return query.order_by(revision.c.number.desc()).limit(_COUNT)


_BELOW: sa.BindParameter[int] = sa.bindparam("below", type_=sa.Integer)
_COUNT: sa.BindParameter[int] = sa.bindparam("count", type_=sa.Integer)


def _select_numbers_about_panels() -> sa.Select[Any]:
    """Return the numbers of the last `count` revisions below a number that changed one of the panels."""
    panel, configuration, member = schema.panel, schema.configuration, schema.configuration_panel
    panels: sa.BindParameter[Any] = sa.bindparam("panels", expanding=True, type_=sa.Integer)
    configured = sa.select(member.c.configuration_id).where(member.c.panel_id.in_(panels))
    numbers = sa.union(
        sa.select(panel.c.recorded_in.label("number")).where(panel.c.id.in_(panels)),
        *(
            sa.select(column).where(configuration.c.id.in_(configured))
            for column in (configuration.c.recorded_in, configuration.c.withdrawn_in)
        ),
        *(
            _walk_down(table, column, panels)
            for table in (schema.alias, schema.version)
            for column in ("recorded_in", "withdrawn_in")
        ),
    ).subquery("numbers")
    query = sa.select(numbers.c.number).where(numbers.c.number < _BELOW)
    return query.order_by(numbers.c.number.desc()).limit(_COUNT)


def _walk_down(table: sa.Table, column: str, panels: sa.BindParameter[Any]) -> sa.Select[Any]:
    """Return the last `count` values of a column, for each panel: one probe of an index for each value.

    A list of a panel's facts would be as long as the history, or as an import that recorded many in one revision.
    """
    panel = schema.panel

    def probe(key: sa.ColumnElement[int], below: sa.ColumnElement[int]) -> sa.ScalarSelect[int]:
        fact = table.alias("fact")
        query = sa.select(fact.c[column]).where(fact.c.panel_id == key, fact.c[column] < below)
        return query.order_by(fact.c[column].desc()).limit(LIMIT_ONE).correlate_except(fact).scalar_subquery()

    first = sa.select(
        panel.c.id.label("key"), probe(panel.c.id, _BELOW).label("number"), _STEP.label("steps")
    )
    walk = first.where(panel.c.id.in_(panels)).cte(f"{table.name}_{column}", recursive=True)
    step = sa.select(walk.c.key, probe(walk.c.key, walk.c.number), walk.c.steps + _STEP)
    walk = walk.union_all(step.where(walk.c.number.is_not(None), walk.c.steps < _COUNT))
    return sa.select(walk.c.number)


def _build_revision(row: Any, changes: tuple[str, ...], change_count: int) -> Revision:
    return Revision(
        revision=row.number,
        recorded_at=Instant(row.recorded_at),
        author=row.author,
        database_role=row.database_role,
        host=row.host,
        command=row.command,
        comment=row.comment,
        software=row.software,
        changes=changes,
        change_count=change_count,
    )
