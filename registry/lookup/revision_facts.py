"""The facts that a revision recorded and withdrew, and what later revisions did at their places.

The place of a fact is what the live ones never share: panel, kind and start of a version, experiment and number of a
run. The schema says it, as the index of live facts; configurations, whose ranges must not overlap, say it here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.identifiers import MAX_RUN
from registry.lookup.changes import count_changes
from registry.lookup.fact_lines import ANYTHING, FACT_TABLES, FactTable
from registry.lookup.value_lists import is_listed


@dataclass(slots=True)
class RevisionFacts:
    """The changes of a revision: by table the keys of the facts that it recorded, and of those that it withdrew.

    Attributes
    ----------
    others
        The numbers of rows, by table, that it recorded and that nothing withdraws: panels, tags.
    """

    number: int
    recorded: dict[str, list[int]] = field(default_factory=dict)
    withdrawn: dict[str, list[int]] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing in it can be undone."""
        return not (self.recorded or self.withdrawn)


def read_revision_facts(connection: sa.Connection, number: int) -> RevisionFacts:
    """Return what a revision changed: a statement for each sort of change that it made."""
    facts = RevisionFacts(number)
    counts = count_changes(connection, [number], ANYTHING)[number]
    for fact in FACT_TABLES:
        if not is_withdrawable(fact):
            if count := counts[fact.name, "recorded_in"]:
                facts.others[fact.name] = count
            continue
        for column, keys in (("recorded_in", facts.recorded), ("withdrawn_in", facts.withdrawn)):
            if counts[fact.name, column]:
                query = sa.select(fact.columns[fact.key]).where(fact.columns[column] == number)
                ordered = query.order_by(fact.columns[column], fact.columns[fact.key])
                keys[fact.name] = list(connection.execute(ordered).scalars())
    return facts


def is_withdrawable(fact: FactTable) -> bool:
    """Tell whether the facts of a table can be withdrawn."""
    return "withdrawn_in" in fact.columns


class LaterChange(NamedTuple):
    """A fact that later revisions changed, where a revision had changed something.

    Attributes
    ----------
    recorded_in
        The later revision that recorded it; None where the revision in question did.
    withdrawn_in
        The later revision that withdrew it; None where it is live.
    is_same
        Whether it says what a fact said that the revision in question withdrew.
    """

    table: str
    key: int
    line: str
    recorded_in: int | None
    withdrawn_in: int | None
    is_same: bool

    def __str__(self) -> str:
        if self.recorded_in is None:
            return f"{self.line}: revision {self.withdrawn_in} withdrew it"
        end = "" if self.withdrawn_in is None else f", and revision {self.withdrawn_in} withdrew it"
        return f"{self.line}: revision {self.recorded_in} recorded it{end}"


def list_later_changes(connection: sa.Connection, facts: RevisionFacts) -> list[LaterChange]:
    """Return what later revisions changed of what a revision did, in the order of the tables.

    These are the facts that it recorded and that are withdrawn, and those that were recorded later at the place of
    one of its facts: the live ones, and the withdrawn ones that say what it had withdrawn.
    """
    changes: list[LaterChange] = []
    for fact in FACT_TABLES:
        later: dict[int, LaterChange] = {}
        if fact.name in facts.recorded:
            later |= _read_withdrawn(connection, fact, facts.number)
            later |= _read_later(connection, fact, facts.number, "recorded_in")
        if fact.name in facts.withdrawn:
            later |= _read_later(connection, fact, facts.number, "withdrawn_in")
        if later:
            condition = is_listed(fact.columns[fact.key], later)
            lines = {getattr(row, fact.key): line for row, line in fact.read_lines(connection, condition)}
            changes += [change._replace(line=lines[key]) for key, change in sorted(later.items())]
    return changes


def _read_withdrawn(connection: sa.Connection, fact: FactTable, number: int) -> dict[int, LaterChange]:
    """Return the facts that the revision recorded and a later one withdrew, by key."""
    columns = fact.columns
    query = sa.select(columns.id, columns.withdrawn_in).where(
        columns.recorded_in == number, columns.withdrawn_in.is_not(None)
    )
    return {
        key: LaterChange(fact.name, key, "", None, withdrawn_in, is_same=False)
        for key, withdrawn_in in connection.execute(query)
    }


def _read_later(
    connection: sa.Connection, fact: FactTable, number: int, column: str
) -> dict[int, LaterChange]:
    """Return what was recorded later at the places of the facts that the revision changed, by key.

    Parameters
    ----------
    column
        The change in question: ``recorded_in`` or ``withdrawn_in``. Of what was recorded and withdrawn again since
        only that counts which says what the revision had withdrawn.
    """
    table = schema.metadata.tables[fact.name]
    old, later = table.alias("old"), table.alias("later")
    says_same = _says_same(table, old, later) if column == "withdrawn_in" else sa.false()
    query = (
        sa.select(
            later.c.id,
            later.c.recorded_in,
            later.c.withdrawn_in,
            sa.func.max(sa.case((says_same, 1), else_=0)),
        )
        .join(old, _is_same_place(table, old, later))
        .where(old.c[column] == number, later.c.recorded_in > number)
        .where(sa.or_(later.c.withdrawn_in.is_(None), says_same))
        .group_by(later.c.id, later.c.recorded_in, later.c.withdrawn_in)
    )
    return {
        key: LaterChange(fact.name, key, "", recorded_in, withdrawn_in, is_same=bool(is_same))
        for key, recorded_in, withdrawn_in, is_same in connection.execute(query)
    }


def list_place_columns(table: sa.Table) -> list[str]:
    """Return the columns in which live facts of a table differ; none where at most one is live."""
    return [
        column.name
        for index in table.indexes
        if index.unique and "where" in index.info
        for column in index.columns
    ]


def _is_same_place(table: sa.Table, old: sa.FromClause, later: sa.FromClause) -> sa.ColumnElement[bool]:
    if table is schema.configuration:
        return _overlaps(old, later)
    return sa.and_(sa.true(), *(old.c[name] == later.c[name] for name in list_place_columns(table)))


def _overlaps(old: sa.FromClause, later: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that both configurations name panels for a run; those without Ids overlap their like."""
    last = [sa.func.coalesce(configuration.c.last_run, MAX_RUN) for configuration in (old, later)]
    return sa.and_(
        old.c.experiment == later.c.experiment,
        old.c.source == later.c.source,
        later.c.first_run <= last[0],
        old.c.first_run <= last[1],
        old.c.object_name.is_(None) == later.c.object_name.is_(None),
    )


def _says_same(table: sa.Table, old: sa.FromClause, later: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that two facts say the same; how they were recorded, and why, does not count."""
    names = [column.name for column in table.c if column.name in _CONTENT.get(table.name, table.c)]
    names = [name for name in names if name not in ("id", "recorded_in", "withdrawn_in")]
    same = sa.and_(sa.true(), *(later.c[name].is_not_distinct_from(old.c[name]) for name in names))
    for child, key in list_children(table):
        same &= ~_has_other_members(child, key, old, later) & ~_has_other_members(child, key, later, old)
    return same


def list_children(table: sa.Table) -> list[tuple[sa.Table, str]]:
    """Return the tables whose rows belong to the rows of a table, and the key by which they do."""
    return [
        (child, child.info["parent"][1])
        for child in schema.metadata.tables.values()
        if child.info.get("parent", ("",))[0] == table.name
    ]


_CONTENT: dict[str, Collection[str]] = {
    "version": ("panel_id", "kind", "valid_from", "constants_id"),
    "alias": ("m_number", "panel_id", "valid_from"),
}
"""The columns that say what a fact says, of the tables that have others too."""


def _has_other_members(
    table: sa.Table, key: str, one: sa.FromClause, other: sa.FromClause
) -> sa.ColumnElement[bool]:
    """Return the condition that one fact has a member that the other lacks."""
    member, same = table.alias(), table.alias()
    like: sa.Select[Any] = sa.select(sa.literal_column("1")).where(
        same.c[key] == other.c.id,
        *(
            same.c[column.name].is_not_distinct_from(member.c[column.name])
            for column in table.c
            if column.name != key
        ),
    )
    missing: sa.Select[Any] = sa.select(sa.literal_column("1")).where(
        member.c[key] == one.c.id, ~like.correlate_except(same).exists()
    )
    return missing.correlate_except(member).exists()


def find_undoing_revision(facts: RevisionFacts, changes: Sequence[LaterChange]) -> int | None:
    """Return the later revision that undid all of a revision, None if there is none."""
    withdrew: dict[int, int] = defaultdict(int)
    restated: dict[int, int] = defaultdict(int)
    for change in changes:
        if change.recorded_in is None:
            withdrew[change.withdrawn_in or 0] += 1
        elif change.is_same and change.withdrawn_in is None:
            restated[change.recorded_in] += 1
    wanted = (
        sum(map(len, facts.recorded.values())),
        sum(map(len, facts.withdrawn.values())),
    )
    return next(
        (
            number
            for number in sorted({*withdrew, *restated})
            if (withdrew[number], restated[number]) == wanted
        ),
        None,
    )
