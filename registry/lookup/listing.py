"""Many values in one statement: as a table to join with, a parameter or three however many rows it has.

A list of IN grows the statement by a parameter a value, of which no database takes any number; and the
lists of three columns ask for every combination of their values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

Values = Mapping[str, Any]
"""Parameters of a statement, by name."""


@cache
def listing(dialect: str, *columns: sa.Column[Any]) -> sa.Subquery:
    """Return a table whose columns have the names and types of `columns`; `given` are its rows, at each execution.

    For what is asked again and again: to build a statement takes longer than to execute it. A statement has room
    for one.
    """
    return _table(dialect, columns, None)


def given(dialect: str, rows: Sequence[Sequence[Any]], *columns: sa.Column[Any]) -> Values:
    """Return the parameters that are the rows of a `listing`."""
    if dialect == "postgresql":
        return {f"listed_{column.name}": [row[place] for row in rows] for place, column in enumerate(columns)}
    return {"listed": json.dumps(rows)}


def listed(connection: sa.Connection, rows: Sequence[Sequence[Any]], *columns: sa.Column[Any]) -> sa.Subquery:
    """Return the rows as a table whose columns have the names and types of `columns`."""
    dialect = connection.dialect.name
    return _table(dialect, columns, given(dialect, rows, *columns))


def _table(dialect: str, columns: Sequence[sa.Column[Any]], values: Values | None) -> sa.Subquery:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        arrays = [_parameter(f"listed_{each.name}", postgresql.ARRAY(each.type), values) for each in columns]
        table = sa.func.unnest(*arrays).table_valued(*(sa.column(each.name, each.type) for each in columns))
        return sa.select(table.render_derived()).subquery("listed")
    each_row = sa.func.json_each(_parameter("listed", sa.Text(), values)).table_valued("value")
    cells = [
        sa.type_coerce(sa.func.json_extract(each_row.c.value, f"$[{index}]"), column.type).label(column.name)
        for index, column in enumerate(columns)
    ]
    return sa.select(*cells).subquery("listed")


def _parameter(name: str, sort: sa.types.TypeEngine[Any], values: Values | None) -> sa.BindParameter[Any]:
    if values is None:
        return sa.bindparam(name, type_=sort)
    return sa.bindparam(name, values[name], sort, unique=True)


def keys_of(
    connection: sa.Connection, column: sa.Column[str], key: sa.Column[Any], texts: Iterable[str]
) -> dict[str, Any]:
    """Return the value of `key` by the text in `column`, of the rows where that is one of the texts."""
    dialect = connection.dialect.name
    rows = given(dialect, [(text,) for text in dict.fromkeys(texts)], column)
    return {row[0]: row[1] for row in connection.execute(_select_keys(dialect, column, key), rows)}


@cache
def _select_keys(dialect: str, column: sa.Column[str], key: sa.Column[Any]) -> sa.Select[Any]:
    wanted = listing(dialect, column)
    return sa.select(column, key).join(wanted, column == wanted.c[column.name])
