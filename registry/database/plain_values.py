"""Plain values: those of the types of their columns, and texts in UTF-8. SQLite keeps any value in any column."""

from __future__ import annotations

import operator
from typing import Any

import sqlalchemy as sa

from registry.database.refusals import is_decoding_error

_BATCH_SIZE = 4000
_SORTS: dict[type, str] = {int: "integer", bool: "integer", str: "text", bytes: "blob", float: "real"}


def has_plain_values(connection: sa.Connection, table: sa.Table, condition: str = "true") -> bool:
    """Tell whether all values of a table, or of the rows with a condition, are of the types of their columns."""
    query = f"SELECT {_write_texts(table)}, {_write_oddities(table)} FROM {table.name} WHERE {condition}"
    cursor: Any = connection.connection.cursor()
    is_odd = operator.itemgetter(1)
    try:
        cursor.execute(query)
        while batch := cursor.fetchmany(_BATCH_SIZE):
            if any(map(is_odd, batch)):
                return False
    except connection.dialect.loaded_dbapi.OperationalError as error:
        if not is_decoding_error(error):
            raise
        return False
    finally:
        cursor.close()
    return True


def _write_texts(table: sa.Table) -> str:
    """Return an expression of all texts of a row: Python decodes what it is given."""
    texts = [f"coalesce({column.name}, '')" for column in table.c if isinstance(column.type, sa.String)]
    return " || ".join(texts) or "''"


def _write_oddities(table: sa.Table) -> str:
    """Return a condition of rows with a value of another type than its column."""
    odd = [
        f"typeof({column.name}) NOT IN ('{_SORTS[column.type.python_type]}', 'null')" for column in table.c
    ]
    odd += [f"{column.name} NOT IN (0, 1)" for column in table.c if isinstance(column.type, sa.Boolean)]
    return " OR ".join(odd)
