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

Parameters = Mapping[str, Any]
"""Parameters of a statement, by name."""


@cache
def prepared_values_table(dialect: str, *columns: sa.Column[Any]) -> sa.Subquery:
    """Return a table whose columns have the names and types of `columns`; `given` are its rows, at each execution.

    For what is asked again and again: to build a statement takes longer than to execute it. A statement has room
    for one.
    """
    return _build_table(dialect, columns, None)


def values_table_parameters(
    dialect: str, rows: Sequence[Sequence[Any]], *columns: sa.Column[Any]
) -> Parameters:
    """Return the parameters that are the rows of a `listing`."""
    if dialect == "postgresql":
        return {f"listed_{column.name}": [row[place] for row in rows] for place, column in enumerate(columns)}
    return {"listed": json.dumps(rows)}


def values_table(
    connection: sa.Connection, rows: Sequence[Sequence[Any]], *columns: sa.Column[Any]
) -> sa.Subquery:
    """Return the rows as a table whose columns have the names and types of `columns`."""
    dialect = connection.dialect.name
    return _build_table(dialect, columns, values_table_parameters(dialect, rows, *columns))


def _build_table(dialect: str, columns: Sequence[sa.Column[Any]], values: Parameters | None) -> sa.Subquery:
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        arrays = [_bind(f"listed_{each.name}", postgresql.ARRAY(each.type), values) for each in columns]
        table = sa.func.unnest(*arrays).table_valued(*(sa.column(each.name, each.type) for each in columns))
        return sa.select(table.render_derived()).subquery("listed")
    each_row = sa.func.json_each(_bind("listed", sa.Text(), values)).table_valued("value")
    cells = [
        sa.type_coerce(sa.func.json_extract(each_row.c.value, f"$[{index}]"), column.type).label(column.name)
        for index, column in enumerate(columns)
    ]
    return sa.select(*cells).subquery("listed")


def _bind(
    name: str, column_type: sa.types.TypeEngine[Any], values: Parameters | None
) -> sa.BindParameter[Any]:
    if values is None:
        return sa.bindparam(name, type_=column_type)
    return sa.bindparam(name, values[name], column_type, unique=True)


def read_keys(
    connection: sa.Connection, column: sa.Column[str], key: sa.Column[Any], texts: Iterable[str]
) -> dict[str, Any]:
    """Return the value of `key` by the text in `column`, of the rows where that is one of the texts."""
    dialect = connection.dialect.name
    rows = values_table_parameters(dialect, [(text,) for text in dict.fromkeys(texts)], column)
    return {row[0]: row[1] for row in connection.execute(_select_keys(dialect, column, key), rows)}


@cache
def _select_keys(dialect: str, column: sa.Column[str], key: sa.Column[Any]) -> sa.Select[Any]:
    wanted = prepared_values_table(dialect, column)
    return sa.select(column, key).join(wanted, column == wanted.c[column.name])
