"""The log: the revisions, the newest first, each with its changes. It is read in pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.instants import Instant
from registry.lookup.changes import START, Counts, count_changes, read_changes, read_changes_page
from registry.lookup.panel_histories import list_revisions_of_panels
from registry.records import Revision

_MAX_LINES = 10_000  # of a page with several revisions


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
    revision, seal = schema.revision, schema.seal
    query = (
        sa.select(revision, seal.c.digest.label("seal"))
        .outerjoin(seal, seal.c.revision == revision.c.number)
        .order_by(revision.c.number.desc())
        .limit(count)
    )
    if panels is None:
        return connection.execute(query.where(revision.c.number < below)).all()
    numbers = list_revisions_of_panels(connection, panels, below, count)
    return connection.execute(query.where(revision.c.number.in_(numbers))).all()


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
        seal=row.seal,
    )
