"""The log: the revisions, the newest first, each with its changes. It is read in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.instants import Instant
from registry.lookup.changes import START, Counts, count_changes, read_changes, read_changes_page
from registry.lookup.fact_lines import ANYTHING, FACT_TABLES, Subject
from registry.lookup.panel_histories import list_revisions_of_panels
from registry.lookup.value_lists import is_listed
from registry.records import Revision

_MAX_LINES = 10_000  # of a page with several revisions
_MANY = 1000  # revisions of a subject that are looked at together for those of an author


@dataclass(frozen=True, slots=True)
class LogScope:
    """The revisions that a log is about.

    Attributes
    ----------
    subject
        What they changed: panels (or their aliases, versions or configurations), runs and configurations of an
        experiment; of a revision only these lines are returned.
    author
        Who recorded them.
    after
        The number of the last revision before them.
    """

    subject: Subject = ANYTHING
    author: str | None = None
    after: int = 0


def list_revisions(
    connection: sa.Connection, below: int, count: int, scope: LogScope, max_changes: int | None = None
) -> tuple[list[Revision], bool]:
    """Return a page of the revisions below a number, the newest first, and whether there may be more.

    A page has at most `count` revisions, of each at most `max_changes` lines; it is shorter where they have many
    changes.
    """
    rows = _read_revisions(connection, below, count, scope)
    counts = count_changes(connection, [row.number for row in rows], scope.subject)
    totals = {number: counted.total() for number, counted in counts.items()}
    short = _count_rows_that_fit([min(total, max_changes or total) for total in totals.values()])
    kept = rows[:short]
    changes = _read_changes(
        connection, {row.number: counts[row.number] for row in kept}, scope.subject, max_changes
    )
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
    connection: sa.Connection, counts: Counts, subject: Subject, max_changes: int | None
) -> dict[int, list[str]]:
    long = {
        number
        for number, counted in counts.items()
        if max_changes is not None and counted.total() > max_changes
    }
    changes = read_changes(
        connection, {number: counted for number, counted in counts.items() if number not in long}, subject
    )
    for number in long:
        page = read_changes_page(connection, number, subject, START, max_changes or 0, counts[number])
        changes[number] = [line for _, line in page]
    return changes


def _read_revisions(
    connection: sa.Connection, below: int, count: int, scope: LogScope
) -> Sequence[sa.Row[Any]]:
    """Return the next `count` revisions of a log: fewer only where there are no more."""
    revision, seal = schema.revision, schema.seal
    query = (
        sa.select(revision, seal.c.digest.label("seal"))
        .outerjoin(seal, seal.c.revision == revision.c.number)
        .order_by(revision.c.number.desc())
        .limit(count)
    )
    if scope.author is not None:  # not indexed: it is read down to the last revision that is needed
        query = query.where(revision.c.author == scope.author)
    if scope.subject == ANYTHING:
        return connection.execute(
            query.where(revision.c.number < below, revision.c.number > scope.after)
        ).all()
    rows: list[sa.Row[Any]] = []
    step = count if scope.author is None else max(count, _MANY)  # of which few may be the author's
    while len(rows) < count:
        numbers = _list_numbers(connection, below, step, scope)
        rows += connection.execute(query.where(is_listed(revision.c.number, numbers))).all()
        if len(numbers) < step:
            break
        below = numbers[-1]
    return rows[:count]


def _list_numbers(connection: sa.Connection, below: int, count: int, scope: LogScope) -> Sequence[int]:
    """Return the last `count` revisions below a number that changed the subject, the newest first."""
    subject = scope.subject
    if subject.experiment is None:
        return list_revisions_of_panels(connection, subject.panels, below, count, scope.after)
    columns = [
        (fact, fact.columns[column])
        for fact in FACT_TABLES
        if fact.can_be_about(subject)
        for _, column in fact.events
    ]
    numbers = sa.union(
        *(
            sa.select(column.label("number")).where(
                fact.is_about(subject), column < below, column > scope.after
            )
            for fact, column in columns
        )
    ).subquery("numbers")
    query = sa.select(numbers.c.number).order_by(numbers.c.number.desc()).limit(count)
    return connection.execute(query).scalars().all()


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
