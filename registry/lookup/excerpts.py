"""The rows that make a registry as it was known as of a revision, and nothing later."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from registry import schema


def rows_known(number: int, tag: str | None = None) -> dict[str, sa.Select[Any]]:
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
        table.name: sa.select(*(_column(column, number) for column in table.c)).where(
            _is_known(table, number, tag)
        )
        for table in schema.metadata.sorted_tables
        if table is not schema.closure
    }


def _column(column: sa.Column[Any], number: int) -> sa.ColumnElement[Any]:
    if column.name == "withdrawn_in":
        return sa.case((column <= number, column)).label(column.name)
    if column is schema.tag.c.recorded_in:
        return sa.case((column > number, number), else_=column).label(column.name)
    return column


def _is_known(table: sa.Table, number: int, tag: str | None) -> sa.ColumnElement[bool]:
    if table is schema.revision:
        return table.c.number <= number
    if table is schema.export:
        return table.c.revision <= number
    if table is schema.tag:
        return sa.or_(table.c.recorded_in <= number, table.c.name == tag)
    if "recorded_in" in table.c:
        return table.c.recorded_in <= number
    return _belongs_to_known(table, number)


def _belongs_to_known(table: sa.Table, number: int) -> sa.ColumnElement[bool]:
    """Return the condition that the row is part of a known one; a table that is part of none is kept whole."""
    if "export_id" in table.c:
        known = sa.select(schema.export.c.id).where(schema.export.c.revision <= number)
        return sa.and_(table.c.export_id.in_(known))
    if "parent" in table.info:
        name, key = table.info["parent"]
        parent = schema.metadata.tables[name]
        return sa.and_(table.c[key].in_(sa.select(parent.c.id).where(parent.c.recorded_in <= number)))
    return sa.true()
