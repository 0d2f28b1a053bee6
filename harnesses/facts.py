"""All rows of a database as they are, what differs between two states of it, and which revision that is of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from registry import schema
from testing.registries import RegistryLocation

Row = dict[str, Any]
Facts = dict[str, dict[tuple[Any, ...], Row]]
"""The rows by table and primary key."""

# `closure` describes the database, not the registry.
SEALED_TABLES = tuple(table for table in schema.metadata.sorted_tables if table is not schema.closure)


@dataclass(frozen=True, slots=True)
class Owners:
    """The revisions and exports whose seals a difference breaks; 0 is the registry itself."""

    revisions: frozenset[int] = frozenset()
    exports: frozenset[int] = frozenset()

    def __or__(self, other: Owners) -> Owners:
        return Owners(self.revisions | other.revisions, self.exports | other.exports)

    def __bool__(self) -> bool:
        return bool(self.revisions or self.exports)


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is there, or another, in only one of two states."""

    table: sa.Table
    key: tuple[Any, ...]
    before: Row | None
    after: Row | None

    @property
    def changed_columns(self) -> set[str]:
        """The columns that differ; all of a row that was added or removed."""
        before, after = self.before or {}, self.after or {}
        return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def read_facts(location: RegistryLocation) -> Facts:
    """Return the rows of all tables but `closure`, as they are stored."""
    engine = location.engine()
    try:
        with engine.connect() as connection:
            if location.is_sqlite:
                raw: Any = connection.connection.dbapi_connection
                raw.text_factory = lambda content: content.decode(errors="surrogateescape")
            return {table.name: _read_table(connection, table) for table in SEALED_TABLES}
    finally:
        engine.dispose()


def _read_table(connection: sa.Connection, table: sa.Table) -> dict[tuple[Any, ...], Row]:
    keys = [column.name for column in table.primary_key]
    # NOT INDEXED is what SQLite reads anyway without a condition; no type of SQLAlchemy converts a value.
    rows = connection.execute(sa.text(f"SELECT * FROM {table.name}")).mappings()
    return {tuple(row[key] for key in keys): dict(row) for row in rows}


def find_differences(before: Facts, after: Facts) -> list[Difference]:
    """Return the rows that differ, the tables in the order in which rows can be inserted."""
    return [
        Difference(table, key, old, new)
        for table in SEALED_TABLES
        for key in sorted(before[table.name].keys() | after[table.name].keys(), key=repr)
        if (old := before[table.name].get(key)) != (new := after[table.name].get(key))
    ]


def find_owners(differences: list[Difference], before: Facts, after: Facts) -> Owners:
    """Return the owners of the seals that the differences break; none where only derived columns differ."""
    owners = Owners()
    for difference in differences:
        changed = difference.changed_columns - _list_derived(difference.table)
        for row, facts in ((difference.before, before), (difference.after, after)):
            if row is None or not changed:
                continue
            if changed != {"withdrawn_in"}:
                owners |= _find_owner(difference.table, row, facts)
            if "withdrawn_in" in changed and row["withdrawn_in"] is not None:
                owners |= Owners(revisions=frozenset({row["withdrawn_in"]}))
    return owners


def _list_derived(table: sa.Table) -> set[str]:
    return {column.name for column in table.c if column.info.get("derived")}


def _find_owner(table: sa.Table, row: Row, facts: Facts) -> Owners:
    if table is schema.registry:
        return Owners(frozenset({0}))
    for name in ("id", "export_id", "export"):
        if table.name.startswith("export") and name in row:
            return Owners(exports=frozenset({row[name]}))
    if table is schema.revision or table is schema.seal:
        return Owners(frozenset({row["number" if table is schema.revision else "revision"]}))
    if "parent" in table.info:
        parent, key = table.info["parent"]
        owner = facts[parent].get((row[key],))
        return Owners() if owner is None else Owners(frozenset({owner["recorded_in"]}))
    return Owners(frozenset({row["recorded_in"]}))


def list_sealed_columns(table: sa.Table) -> Iterator[sa.Column[Any]]:
    """Yield the columns of a table that a seal is of; what a later revision withdraws is an edit of another sort."""
    for column in table.c:
        if column.name != "withdrawn_in" and not column.info.get("derived"):
            yield column
