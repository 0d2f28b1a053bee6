"""The changes of revisions: a line for each fact that a revision recorded (``+``) or withdrew (``-``)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from functools import cache
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from registry.lookup.fact_lines import (
    ANYTHING,
    EVENTS,
    FACT_TABLES,
    SIGNS,
    Event,
    FactTable,
    Subject,
    describe_version,
)
from registry.lookup.lazy_lines import LazyLines
from registry.lookup.value_lists import is_listed, list_parameter
from registry.records import Version

Counts = dict[int, Counter[Event]]
"""By revision the number of its changes by event."""

Position = tuple[int, Any]
"""The place of a line among those of its revision: the number of its table, and the key of its row."""

START: Position = (0, None)

PositionedLine = tuple[Position, str]


def count_changes(connection: sa.Connection, numbers: Sequence[int], subject: Subject) -> Counts:
    """Return how many changes of each sort these revisions have that are about the subject."""
    counts: Counts = {number: Counter() for number in numbers}
    stated = {"panels": subject.panels, "experiment": subject.experiment}
    parameters = {"numbers": numbers, **{name: value for name, value in stated.items() if value is not None}}
    query = _select_counts(subject.panels is not None, subject.experiment is not None)
    for table, column, number, count in connection.execute(query, parameters):
        counts[number][table, column] = count
    return counts


@cache
def _select_counts(by_panel: bool, by_experiment: bool) -> sa.CompoundSelect[Any]:
    numbers = list_parameter("numbers", sa.Integer())
    subject = Subject(
        list_parameter("panels", sa.Integer()) if by_panel else None,
        sa.bindparam("experiment", type_=sa.Text) if by_experiment else None,
    )
    return sa.union_all(
        *(
            sa.select(sa.literal_column(f"'{name}'"), sa.literal_column(f"'{column}'"), *counted)
            .where(is_listed(fact.columns[column], numbers), fact.is_about(subject))
            .group_by(fact.columns[column])
            for fact in FACT_TABLES
            if fact.can_be_about(subject)
            for name, column in fact.events
            for counted in [(fact.columns[column], sa.func.count())]
        )
    )


def read_changes(
    connection: sa.Connection, counts: Counts, subject: Subject, *, by_number: bool = False
) -> dict[int, list[str]]:
    """Return all lines of the revisions that were counted, in their order.

    That is the order in which the facts were recorded; `by_number`, runs that were withdrawn come by their numbers.
    """
    lines: dict[int, list[str]] = {number: [] for number in counts}
    for fact in FACT_TABLES:
        by_revision: dict[int, list[tuple[Any, str]]] = defaultdict(list)
        for event in fact.events:
            column, sign = fact.columns[event[1]], SIGNS[event[1]]
            numbers = [number for number in counts if event in counts[number]]
            if not numbers:
                continue  # a statement that would return nothing
            withdrew = event[1] == "withdrawn_in"
            key = (fact.number or fact.key) if by_number and withdrew else fact.key
            for row, line in fact.read_lines(connection, is_listed(column, numbers) & fact.is_about(subject)):
                place = (not withdrew if by_number else False, getattr(row, key))
                by_revision[getattr(row, event[1])].append((place, f"{sign} {line}"))
        for number, keyed in by_revision.items():
            lines[number] += [line for _, line in sorted(keyed, key=itemgetter(0))]
    return lines


def read_changes_page(
    connection: sa.Connection,
    revision: int,
    subject: Subject,
    after: Position,
    count: int,
    events: Collection[Event] = EVENTS,
) -> list[PositionedLine]:
    """Return the next lines of one revision after a position, at most `count`.

    Other `events` than these are known not to be among its changes.
    """
    lines: list[PositionedLine] = []
    first, key = after
    for number, fact in enumerate(FACT_TABLES[first:], start=first):
        left, start = count - len(lines), key if number == first else None
        columns = [column for name, column in fact.events if (name, column) in events]
        signs = _read_signs(connection, fact, columns, revision, subject, start, left)
        if signs:
            for row, line in fact.read_lines(connection, is_listed(fact.columns[fact.key], signs)):
                row_key = getattr(row, fact.key)
                lines.append(((number, row_key), f"{signs[row_key]} {line}"))
        if len(lines) == count:
            break
    return lines


def _read_signs(
    connection: sa.Connection,
    fact: FactTable,
    columns: Sequence[str],
    revision: int,
    subject: Subject,
    after: Any,
    count: int,
) -> dict[Any, str]:
    """Return the signs of the next `count` facts that a revision changed, by their keys."""
    signs: dict[Any, str] = {}
    key = fact.columns[fact.key]
    for column in columns:
        query = sa.select(key).where(fact.columns[column] == revision, fact.is_about(subject))
        if after is not None:
            query = query.where(key > after)
        # The first column has one value: with both, the order is that of an index.
        query = query.order_by(fact.columns[column], key).limit(count)
        signs |= dict.fromkeys(connection.execute(query).scalars(), SIGNS[column])
    return {value: signs[value] for value in sorted(signs)[:count]}


def list_changes(
    connection: sa.Connection,
    revision: int,
    recorded: Sequence[Version],
    withdrawn: Sequence[Version],
    tables: Collection[str],
) -> LazyLines:
    """Return a line for each fact that one revision recorded or withdrew: these versions, and facts of other tables."""
    order = [fact.name for fact in FACT_TABLES]
    versions = order.index("version")

    def read(names: Sequence[str]) -> list[str]:
        events = [event for fact in FACT_TABLES if fact.name in names for event in fact.events]
        counts = {revision: Counter(event for event in events if event[0] in tables)}
        return read_changes(connection, counts, ANYTHING, by_number=True)[revision]

    return LazyLines(
        (read(order[:versions]), str),
        (withdrawn, lambda version: f"- {describe_version(version)}"),
        (recorded, lambda version: f"+ {describe_version(version)}"),
        (read(order[versions + 1 :]), str),
    )
