"""Rows that are inserted by the database's driver alone: by ``executemany`` on SQLite, by COPY on PostgreSQL.

SQLAlchemy takes each row as a dictionary, and asks every value of it how it is written: as long as SQLite needs for
the row. Who listens to the statements of SQLAlchemy hears these too, and errors are those that it raises.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry.sql import sa


def insert_tuples(
    connection: sa.Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert rows whose values, as the driver takes them, are in the order of these columns; booleans are numbers."""
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" for _ in columns)
        connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(rows))
        return
    text = f"COPY {table} ({names}) FROM STDIN"
    cursor: Any = connection.connection.cursor()
    for listen in connection.dispatch.before_cursor_execute:
        listen(connection, cursor, text, (), None, False)
    try:
        with cursor.copy(text) as stream:
            for row in rows:
                stream.write_row(row)
    except connection.dialect.loaded_dbapi.Error as error:
        # Also lets no connection be used again that is lost.
        connection._handle_dbapi_exception(error, text, (), cursor, None)  # noqa: SLF001 - it has no other name
    finally:
        cursor.close()
