"""The queries of the rows that seals are of, in the order of their revisions and exports, and how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.database.driver_connections import use_sqlalchemy
from registry.database.keys import order_bytewise
from registry.database.seal_text import TableLines, encode_numbers, lines_of

_BATCH_SIZE = 4000
_BATCH_SIZE_OF_BINARIES = 200  # rows of some thousand bytes
_numbers = count(1)


class Source(NamedTuple):
    """The rows of a table for the seals of revisions.

    Attributes
    ----------
    place
        The column that is the revision; that of a parent's row is the last one, and no part of the line.
    encode
        Makes the lines of rows.
    """

    table: sa.Table
    name: str
    query: sa.Select[Any]
    place: int
    encode: Callable[[Sequence[Any]], bytes]


def find_recorded(
    connection: sa.Connection, table: sa.Table, numbers: tuple[int, int] | None = None
) -> Source:
    """Return the rows that revisions recorded in a table, or only the first to the last of some, in their order."""
    lines = lines_of(table.name)
    columns = _raw(connection, lines.columns)
    recorded = table.c.number if table is schema.revision else table.c.get("recorded_in")
    if recorded is not None:
        place = lines.columns.index(recorded)
        query, encode = sa.select(*columns), lines.encode_read_rows
    else:
        name, key = table.info["parent"]
        parent = schema.metadata.tables[name]
        recorded, place = parent.c.recorded_in, len(columns)
        # Outer where all are read: a row whose parent is not there is of no revision.
        source = table.join(parent, parent.c.id == table.c[key], isouter=numbers is None)
        query = sa.select(*columns, recorded).select_from(source)
        encode = partial(_encode_without_last, lines)
    if numbers is not None:
        query = query.where(recorded.between(*numbers))
    query = query.order_by(recorded, *order_bytewise(connection, table.primary_key))
    return Source(table, table.name, query, place, encode)


def _encode_without_last(lines: TableLines, rows: Sequence[Any]) -> bytes:
    return lines.encode_read_rows([row[:-1] for row in rows])


def find_withdrawn(table: sa.Table, numbers: tuple[int, int] | None = None) -> Source:
    """Return the facts that revisions withdrew, or only the first to the last of some, in their order."""
    withdrawn = table.c.withdrawn_in
    query = sa.select(table.c.id, withdrawn).order_by(withdrawn, table.c.id)
    query = query.where(withdrawn.is_not(None) if numbers is None else withdrawn.between(*numbers))
    return Source(table, f"withdrawn {table.name}", query, 1, _encode_ids)


def _encode_ids(rows: Sequence[Any]) -> bytes:
    return encode_numbers(row[0] for row in rows)


def select_parts(connection: sa.Connection, table: sa.Table) -> sa.Select[Any]:
    """Return the query of the rows of exports, in their order."""
    columns = _raw(connection, lines_of(table.name).columns)
    return sa.select(*columns).order_by(*order_bytewise(connection, table.primary_key))


def _raw(connection: sa.Connection, columns: Iterable[sa.Column[Any]]) -> list[sa.ColumnElement[Any]]:
    """Return columns with booleans as numbers, as SQLite has them."""
    as_number = sa.type_coerce if connection.dialect.name == "sqlite" else sa.cast
    return [
        as_number(column, sa.Integer).label(column.name) if isinstance(column.type, sa.Boolean) else column
        for column in columns
    ]


def read_batches(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows in batches, as the driver returns them: those of SQLAlchemy would take as long again."""
    connection = use_sqlalchemy(connection)
    dialect = connection.dialect
    driver: Any = dialect.loaded_dbapi
    has_binaries = any(isinstance(column.type, sa.LargeBinary) for column in query.selected_columns)
    size = _BATCH_SIZE_OF_BINARIES if has_binaries else _BATCH_SIZE
    text = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    cursor = _open_cursor(connection)
    try:
        cursor.execute(text)
        while batch := cursor.fetchmany(size):
            yield batch
    except driver.Error as error:
        raise sa.exc.DBAPIError.instance(text, None, error, driver.Error, dialect=dialect) from error
    finally:
        cursor.close()


def _open_cursor(connection: sa.Connection) -> Any:
    if connection.dialect.name == "sqlite":
        return connection.connection.cursor()
    # One with a name leaves the rows on the server until they are fetched.
    return connection.connection.cursor(f"sealed_{next(_numbers)}")
