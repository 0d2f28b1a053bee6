"""Many values in one statement: as a table to join with, a parameter or three however many rows it has.

A list of IN grows the statement by a parameter a value, of which no database takes any number; and the
lists of three columns ask for every combination of their values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa


def listed(connection: sa.Connection, rows: Sequence[Sequence[Any]], *columns: sa.Column[Any]) -> sa.Subquery:
    """Return the rows as a table whose columns have the names and types of `columns`."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        arrays = [
            sa.literal([row[index] for row in rows], postgresql.ARRAY(column.type))
            for index, column in enumerate(columns)
        ]
        table = sa.func.unnest(*arrays).table_valued(*(sa.column(each.name, each.type) for each in columns))
        return sa.select(table.render_derived()).subquery("listed")
    each_row = sa.func.json_each(json.dumps(rows)).table_valued("value")
    values = [
        sa.type_coerce(sa.func.json_extract(each_row.c.value, f"$[{index}]"), column.type).label(column.name)
        for index, column in enumerate(columns)
    ]
    return sa.select(*values).subquery("listed")


def keys_of(
    connection: sa.Connection, column: sa.Column[str], key: sa.Column[Any], texts: Iterable[str]
) -> dict[str, Any]:
    """Return the value of `key` by the text in `column`, of the rows where that is one of the texts."""
    wanted = listed(connection, [(text,) for text in dict.fromkeys(texts)], column)
    query = sa.select(column, key).join(wanted, column == wanted.c[column.name])
    return {row[0]: row[1] for row in connection.execute(query)}
