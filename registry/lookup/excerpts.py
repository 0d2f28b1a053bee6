"""The rows that make a registry as it was known as of a revision, and nothing later."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from registry import schema


def rows_as_of(revision: int, tag: str | None = None) -> dict[str, sa.Select[Any]]:
    """Return by table, in the order of their references, the rows as they stood at revision `number`.

    What was withdrawn later is not withdrawn there. Exports count to the revision that answered, whenever
    they were made, as everywhere. Closures speak of the database that had them, and stay behind.

    Parameters
    ----------
    tag
        A name of that very revision that stands there too, though it was given by a later one: in the
        excerpt as if by the last.
    """
    return {
        table.name: sa.select(*(_column_as_of(column, revision) for column in table.c)).where(
            _is_recorded(table, revision, tag)
        )
        for table in schema.metadata.sorted_tables
        if table is not schema.closure
    }


def _column_as_of(column: sa.Column[Any], revision: int) -> sa.ColumnElement[Any]:
    if column.name == "withdrawn_in":
        return sa.case((column <= revision, column)).label(column.name)
    if column is schema.tag.c.recorded_in:
        return sa.case((column > revision, revision), else_=column).label(column.name)
    return column


def _is_recorded(table: sa.Table, revision: int, tag: str | None) -> sa.ColumnElement[bool]:
    if table is schema.revision:
        return table.c.number <= revision
    if table is schema.export:
        return table.c.revision <= revision
    if table is schema.tag:
        return sa.or_(table.c.recorded_in <= revision, table.c.name == tag)
    if "recorded_in" in table.c:
        return table.c.recorded_in <= revision
    return _belongs_to_recorded(table, revision)


def _belongs_to_recorded(table: sa.Table, revision: int) -> sa.ColumnElement[bool]:
    """Return the condition that the row is part of a known one; a table that is part of none is kept whole."""
    if "export_id" in table.c:
        known = sa.select(schema.export.c.id).where(schema.export.c.revision <= revision)
        return sa.and_(table.c.export_id.in_(known))
    if "parent" in table.info:
        name, key = table.info["parent"]
        parent = schema.metadata.tables[name]
        return sa.and_(table.c[key].in_(sa.select(parent.c.id).where(parent.c.recorded_in <= revision)))
    return sa.true()
