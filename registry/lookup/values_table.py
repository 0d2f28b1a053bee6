"""Values tables: many values in one statement, as a table to join with; a few parameters for any number of rows.

An IN list needs a parameter per value, and databases limit their number; IN lists over three columns would match
every combination of their values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from registry.sql import sa

Parameters = Mapping[str, Any]
"""Parameters of a statement, by name."""


@cache
def values_table_template(dialect: str, *columns: sa.Column[Any]) -> sa.Subquery:
    """Return a table with the names and types of `columns`; its rows are parameters of each execution.

    For statements that are cached, since to build one takes longer than to execute it. One such table per
    statement.
    """
    return _build_table(dialect, columns, None)


def values_table_parameters(
    dialect: str, rows: Sequence[Sequence[Any]], *columns: sa.Column[Any] | str
) -> Parameters:
    """Return the parameters that are the rows of a `values_table_template` with these columns, or of these names."""
    if dialect == "postgresql":
        names = (column if isinstance(column, str) else column.name for column in columns)
        return {f"values_{name}": [row[index] for row in rows] for index, name in enumerate(names)}
    return {"values": json.dumps(rows)}


def values_table(
    connection: sa.Connection, rows: Sequence[Sequence[Any]], *columns: sa.Column[Any]
) -> sa.Subquery:
    """Return the rows as a table whose columns have the names and types of `columns`."""
    dialect = connection.dialect.name
    return _build_table(dialect, columns, values_table_parameters(dialect, rows, *columns))


def is_not_listed(dialect: str, column: sa.Column[int]) -> sa.ColumnElement[bool]:
    """Return the condition that the column has none of the numbers of `number_list_parameters`."""
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql

        return column != sa.all_(sa.bindparam("numbers", type_=postgresql.ARRAY(sa.Integer)))
    listed = sa.func.json_each(sa.bindparam("numbers", type_=sa.Text)).table_valued("value")
    return column.not_in(sa.select(listed.c.value))


def number_list_parameters(dialect: str, numbers: Iterable[int]) -> Parameters:
    """Return the parameter of `is_not_listed`."""
    listed = list(numbers)
    return {"numbers": listed if dialect == "postgresql" else json.dumps(listed)}


def _build_table(dialect: str, columns: Sequence[sa.Column[Any]], values: Parameters | None) -> sa.Subquery:
    if dialect == "postgresql":
        from registry.lookup.value_list_types import ValueList

        arrays = [_bind(f"values_{column.name}", ValueList(column.type), values) for column in columns]
        typed = (sa.column(column.name, column.type) for column in columns)
        table = sa.func.unnest(*arrays).table_valued(*typed)
        return sa.select(table.render_derived()).subquery("values_table")
    element = sa.func.json_each(_bind("values", sa.Text(), values)).table_valued("value")
    cells = [
        sa.type_coerce(sa.func.json_extract(element.c.value, f"$[{index}]"), column.type).label(column.name)
        for index, column in enumerate(columns)
    ]
    return sa.select(*cells).subquery("values_table")


def _bind(
    name: str, column_type: sa.types.TypeEngine[Any], values: Parameters | None
) -> sa.BindParameter[Any]:
    if values is None:
        return sa.bindparam(name, type_=column_type)
    return sa.bindparam(name, values[name], column_type, unique=True)


def read_keys(
    connection: sa.Connection, column: sa.Column[str], key: sa.Column[Any], texts: Iterable[str]
) -> dict[str, Any]:
    """Return by text the value of `key` in the row that has the text in `column`."""
    dialect = connection.dialect.name
    rows = values_table_parameters(dialect, [(text,) for text in dict.fromkeys(texts)], column)
    return {row[0]: row[1] for row in connection.execute(_select_keys(dialect, column, key), rows)}


@cache
def _select_keys(dialect: str, column: sa.Column[str], key: sa.Column[Any]) -> sa.Select[Any]:
    wanted = values_table_template(dialect, column)
    return sa.select(column, key).join(wanted, column == wanted.c[column.name])
