"""Rows of one database into another, of either sort: every row and every id as it is.

The guards refuse facts of earlier revisions, so they stand aside while the rows arrive, inside the one
transaction of the target, and stand again before it is committed. What arrived is read back: in every table
both sides must have the same number of rows and the same checksum over them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import sqlalchemy as sa

from registry.database.engine import is_decoding_error
from registry.errors import CorruptionError, RequestError, SchemaError
from registry.parallel import Advance, Progress

Queries = Mapping[str, sa.Select[Any]]
"""By table, a table after those that it refers to: the rows that are to arrive, with all its columns."""

_BATCH_SIZE = 2000


def select_all_rows(source: sa.Connection, target: sa.Connection) -> Queries:
    """Return what makes a whole registry: all rows of all tables of the target's schema, and of no others.

    Raises
    ------
    SchemaError
        The source lacks a table, or has one with other columns.
    """
    tables = _reflect_tables(target).sorted_tables
    inspector = sa.inspect(source)
    there = set(inspector.get_table_names())
    for table in tables:
        columns = inspector.get_columns(table.name) if table.name in there else []
        if {column["name"] for column in columns} != set(table.columns.keys()):
            found = "has other columns" if columns else "is missing"
            raise SchemaError(f"the database is not a registry's: the table {table.name} {found}")
    return {table.name: sa.select(table) for table in tables}


def copy_rows(
    source: sa.Connection, target: sa.Connection, queries: Queries, progress: Progress
) -> dict[str, int]:
    """Fill the tables of the target with these rows only; return how many there are, by table.

    Raises
    ------
    RequestError
        The target's database cannot hold a value.
    CorruptionError
        What arrived is not what was sent.
    """
    tables = _reflect_tables(target).tables
    total = sum(
        source.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()
        for query in queries.values()
    )
    sent: dict[str, _RowChecksum] = {}
    with progress("copying rows", 2 * total) as advance:
        with _disable_triggers(target):
            for name in reversed(list(queries)):
                target.execute(tables[name].delete())
            for name, query in queries.items():
                sent[name] = _RowChecksum()
                with _translate_value_errors(target, name):
                    _insert(
                        target,
                        tables[name],
                        sent[name].pass_through(_read_rows(source, query, tables[name]), advance),
                    )
        for name in queries:
            arrived = _RowChecksum()
            for _ in arrived.pass_through(_read_rows(target, sa.select(tables[name]), tables[name]), advance):
                pass
            if arrived != sent[name]:
                raise CorruptionError(f"the rows of {name} arrived otherwise than they were sent", table=name)
    _refuse_dangling(target)
    return {name: total.rows for name, total in sent.items()}


def _reflect_tables(connection: sa.Connection) -> sa.MetaData:
    found = sa.MetaData()
    found.reflect(connection, only=lambda name, _: name != "alembic_version")
    return found


class _RowChecksum:
    """The number of a table's rows, and a checksum over them."""

    def __init__(self) -> None:
        self.rows = 0
        self._digest = hashlib.sha256()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _RowChecksum) and (self.rows, self._digest.digest()) == (
            other.rows,
            other._digest.digest(),
        )

    __hash__ = None  # type: ignore[assignment]  # it grows

    def pass_through(
        self, batches: Iterable[Sequence[tuple[Any, ...]]], advance: Advance
    ) -> Iterator[Sequence[tuple[Any, ...]]]:
        """Pass the batches on, and add them up."""
        for batch in batches:
            self._digest.update(b"".join(map(_encode_row, batch)))
            self.rows += len(batch)
            advance(len(batch))
            yield batch


def _encode_row(row: tuple[Any, ...]) -> bytes:
    # SQLite keeps no minus zero: plus zero makes it one.
    return msgspec.msgpack.encode([value + 0.0 if isinstance(value, float) else value for value in row])


def _read_rows(
    connection: sa.Connection, query: sa.Select[Any], table: sa.Table
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows in batches, in the order of the primary key: byte by byte, as SQLite has it, for texts."""
    columns = [query.selected_columns[column.name] for column in table.primary_key]
    if connection.dialect.name == "postgresql":
        ordered = [
            sa.collate(column, "C") if isinstance(column.type, sa.String) else column for column in columns
        ]
    else:
        ordered = list(columns)
    sort = _row_list_type(table)
    with _refuse_invalid_values(table.name):
        found = connection.execute(query.order_by(*ordered), execution_options={"yield_per": _BATCH_SIZE})
        for batch in found.partitions():
            yield msgspec.convert([tuple(row) for row in batch], sort)


@contextmanager
def _refuse_invalid_values(table: str) -> Iterator[None]:
    try:
        yield
    except msgspec.ValidationError as error:
        raise CorruptionError(f"a row of {table} holds what no registry does: {error}", table=table) from None
    except sa.exc.OperationalError as error:
        if not is_decoding_error(error.orig):
            raise
        raise CorruptionError(
            f"a row of {table} holds a text that is none: {error.orig}", table=table
        ) from None


def _row_list_type(table: sa.Table) -> Any:
    """Return the type of a list of rows: SQLite takes any value in any column."""
    columns = [column.type.python_type for column in table.c]
    nullable = [column.nullable for column in table.c]
    sorts = [sort | None if null else sort for sort, null in zip(columns, nullable, strict=True)]
    return list[tuple[tuple(sorts)]]  # type: ignore[misc]


def _insert(connection: sa.Connection, table: sa.Table, batches: Iterable[Sequence[tuple[Any, ...]]]) -> None:
    names = ", ".join(column.name for column in table.c)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" for _ in table.c)
        for batch in batches:
            connection.exec_driver_sql(f"INSERT INTO {table.name} ({names}) VALUES ({marks})", list(batch))
        return
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as stream:
        for batch in batches:
            for row in batch:
                stream.write_row(row)


@contextmanager
def _translate_value_errors(target: sa.Connection, table: str) -> Iterator[None]:
    """Refuse what one database can hold and the other cannot: longer texts, larger numbers, NUL in a text."""
    driver: Any = target.dialect.loaded_dbapi
    try:
        yield
    except (sa.exc.DataError, driver.DataError) as error:
        said = str(getattr(error, "orig", error)).strip().split("\n", maxsplit=1)[0]
        raise RequestError(
            f"a row of {table} cannot be kept by the new database: {said}", table=table
        ) from error
    except driver.Error as error:  # of COPY, which the driver is asked for itself
        raise sa.exc.DBAPIError.instance("COPY", None, error, driver.Error, dialect=target.dialect) from error


@contextmanager
def _disable_triggers(connection: sa.Connection) -> Iterator[None]:
    """Let rows be what they are; at the end the guards stand as before, in the same transaction."""
    if connection.dialect.name == "sqlite":
        query = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid")
        triggers = connection.execute(query).all()
        for trigger in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {trigger.name}")
        yield
        for trigger in triggers:
            connection.exec_driver_sql(trigger.sql)
        return
    query = sa.text(
        "SELECT tgrelid::regclass AS place, tgname AS name FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
        " WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace"
    )
    triggers = connection.execute(query).all()
    for trigger in triggers:
        connection.exec_driver_sql(f"ALTER TABLE {trigger.place} DISABLE TRIGGER {trigger.name}")
    yield
    for trigger in triggers:
        connection.exec_driver_sql(f"ALTER TABLE {trigger.place} ENABLE ALWAYS TRIGGER {trigger.name}")


def _refuse_dangling(connection: sa.Connection) -> None:
    """Refuse references that lead nowhere; PostgreSQL has refused them already."""
    if connection.dialect.name == "sqlite":
        dangling = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
        if dangling is not None:
            raise CorruptionError(
                f"a row of {dangling[0]} refers to a row of {dangling[2]} that is not there"
            )
