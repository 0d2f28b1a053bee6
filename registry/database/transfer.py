"""Copy the rows of one database into another, SQLite or PostgreSQL, unchanged and with their Ids.

The guards refuse facts of earlier revisions, so they are disabled while the rows are copied, within the target's
transaction, and enabled before it is committed. Between two SQLite files SQLite copies the rows. Otherwise the copy
is read back: every table must have the same number of rows and the same checksum over them as in the source.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import sqlalchemy as sa

from registry.database.attached_rows import can_attach, copy_attached_rows
from registry.database.engine import lift_idle_limit
from registry.database.guards.installation import disable_guards
from registry.database.keys import order_bytewise
from registry.database.migrations import list_own_tables
from registry.database.postponed_checks import postpone_checks
from registry.database.refusals import is_decoding_error
from registry.errors import ConflictError, CorruptionError, RequestError, SchemaError
from registry.parallel import Advance, Progress

Queries = Mapping[str, sa.Select[Any]]
"""The rows to copy, by table, with all its columns; a table comes after those that it refers to."""

_BATCH_SIZE = 2000


def select_all_rows(source: sa.Connection, target: sa.Connection) -> Queries:
    """Return the queries of a whole registry: all rows of all tables of the target's schema, and of no others."""
    tables = _reflect_tables(target).sorted_tables
    inspector = sa.inspect(source)
    names = list_own_tables(source)
    for table in tables:
        columns = inspector.get_columns(table.name) if table.name in names else []
        if {column["name"] for column in columns} != set(table.columns.keys()):
            problem = "has other columns" if columns else "is missing"
            raise SchemaError(f"the database is not a registry's: the table {table.name} {problem}")
    return {table.name: sa.select(table) for table in tables}


def copy_rows(
    source: sa.Connection, target: sa.Connection, queries: Queries, progress: Progress
) -> dict[str, int]:
    """Replace the rows of the target by these; return their numbers, by table.

    Raises `RequestError` where the target cannot hold a value, and `ConflictError` where its rows differ at the end.
    """
    for connection in (source, target):
        lift_idle_limit(connection)
    tables = _reflect_tables(target).tables
    counts = {
        name: source.execute(sa.select(sa.func.count()).select_from(query.subquery())).scalar_one()
        for name, query in queries.items()
    }
    total = 2 * sum(counts.values())
    sent: dict[str, RowChecksum] = {}
    with progress("copying rows", total) as advance:
        with disable_guards(target):
            _delete_rows(target, queries, tables)
            is_copied = can_attach(source, target) and copy_attached_rows(
                source, target, queries, tables, counts, advance
            )
            if not is_copied:
                _delete_rows(target, queries, tables)  # what SQLite may have begun to copy
                with postpone_checks(target):
                    sent = send_rows(source, target, queries, tables, advance)
        require_rows(target, sent, {name: sa.select(tables[name]) for name in sent}, tables, advance)
    refuse_dangling(target)
    return counts | {name: checksum.rows for name, checksum in sent.items()}


def _delete_rows(target: sa.Connection, queries: Queries, tables: Mapping[str, sa.Table]) -> None:
    for name in reversed(list(queries)):
        target.execute(tables[name].delete())


def send_rows(
    source: sa.Connection,
    target: sa.Connection,
    queries: Queries,
    tables: Mapping[str, sa.Table],
    advance: Advance,
) -> dict[str, RowChecksum]:
    """Carry rows from any database into any other; return what was sent, by table."""
    sent: dict[str, RowChecksum] = {}
    for name, query in queries.items():
        sent[name] = RowChecksum(tables[name])
        with translate_value_errors(target, name):
            batches = sent[name].pass_through(read_rows(source, query, tables[name]), advance)
            insert_rows(target, name, tables[name].columns.keys(), batches)
    return sent


def require_rows(
    target: sa.Connection,
    sent: Mapping[str, RowChecksum],
    queries: Queries,
    tables: Mapping[str, sa.Table],
    advance: Advance,
) -> None:
    """Read back what was sent; refuse a target that has other rows."""
    for name, expected in sent.items():
        copied = RowChecksum(tables[name])
        rows = read_rows(target, queries[name], tables[name])
        for _ in copied.pass_through(rows, advance):
            pass
        if copied.value != expected.value:
            raise ConflictError(
                f"the new database keeps other rows of {name} than it was given: a trigger, a rule or a policy of"
                " somebody else's may change them",
                table=name,
            )


def _reflect_tables(connection: sa.Connection) -> sa.MetaData:
    metadata = sa.MetaData()
    own = list_own_tables(connection) - {"alembic_version"}
    metadata.reflect(connection, only=lambda name, _: name in own)
    return metadata


class RowChecksum:
    """The number of a table's rows, and a checksum over them, which come in the same batches to be compared."""

    def __init__(self, table: sa.Table) -> None:
        self.rows = 0
        self._doubles = [place for place, column in enumerate(table.c) if column.type.python_type is float]
        self._digest = hashlib.sha256()

    @property
    def value(self) -> tuple[int, str]:
        """Their number, and the checksum."""
        return self.rows, self._digest.hexdigest()

    def pass_through(
        self, batches: Iterable[Sequence[tuple[Any, ...]]], advance: Advance
    ) -> Iterator[Sequence[tuple[Any, ...]]]:
        """Yield the batches, and add them to the checksum."""
        for batch in batches:
            self._digest.update(
                msgspec.msgpack.encode([*map(self._as_kept, batch)] if self._doubles else batch)
            )
            self.rows += len(batch)
            advance(len(batch))
            yield batch

    def _as_kept(self, row: tuple[Any, ...]) -> list[Any]:
        values = list(row)
        for place in self._doubles:
            if values[place] is not None:
                values[place] = _as_kept(values[place])
        return values


def _as_kept(value: float) -> float | None:
    """Return a number as both databases keep it: SQLite has no negative zero, and NULL for NaN."""
    return None if math.isnan(value) else value + 0.0


def read_rows(
    connection: sa.Connection, query: sa.Select[Any], table: sa.Table
) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the rows in batches, in the order of the primary key, texts byte by byte as SQLite has it.

    A value of another type than its column is refused.
    """
    columns = order_bytewise(
        connection, [query.selected_columns[column.name] for column in table.primary_key]
    )
    list_type = _row_list_type(table)
    with _refuse_invalid_values(table.name):
        rows = connection.execute(query.order_by(*columns), execution_options={"yield_per": _BATCH_SIZE})
        for batch in rows.partitions():
            yield msgspec.convert([tuple(row) for row in batch], list_type)


@contextmanager
def _refuse_invalid_values(table: str) -> Iterator[None]:
    try:
        yield
    except msgspec.ValidationError as error:
        raise CorruptionError(f"a row of {table} holds an invalid value: {error}", table=table) from None
    except (sa.exc.OperationalError, sa.exc.DataError, UnicodeDecodeError) as error:
        reason = getattr(error, "orig", error)
        if isinstance(error, sa.exc.OperationalError) and not is_decoding_error(reason):
            raise
        raise CorruptionError(
            f"a row of {table} holds a text that is not UTF-8: {reason}", table=table
        ) from None


def _row_list_type(table: sa.Table) -> Any:
    """Return the type of a list of rows, to check them: SQLite accepts any value in any column."""
    types = [
        column.type.python_type | None if column.nullable else column.type.python_type for column in table.c
    ]
    return list[tuple[tuple(types)]]  # type: ignore[misc]


def insert_rows(
    connection: sa.Connection,
    table: str,
    columns: Sequence[str],
    batches: Iterable[Sequence[tuple[Any, ...]]],
) -> None:
    """Insert rows whose values are in the order of these columns."""
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" for _ in columns)
        for batch in batches:
            connection.exec_driver_sql(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(batch))
        return
    cursor: Any = connection.connection.cursor()
    with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as stream:
        for batch in batches:
            for row in batch:
                stream.write_row(row)


@contextmanager
def translate_value_errors(target: sa.Connection, table: str) -> Iterator[None]:
    """Refuse values that the target cannot hold: longer texts, larger numbers, NUL in a text."""
    driver: Any = target.dialect.loaded_dbapi
    try:
        yield
    except (sa.exc.DataError, driver.DataError) as error:
        reason = str(getattr(error, "orig", error)).strip().split("\n", maxsplit=1)[0]
        raise RequestError(
            f"a row of {table} cannot be kept by the new database: {reason}", table=table
        ) from error
    except driver.Error as error:  # from COPY, which is sent by the driver, not by SQLAlchemy
        raise sa.exc.DBAPIError.instance("COPY", None, error, driver.Error, dialect=target.dialect) from error


def refuse_dangling(connection: sa.Connection) -> None:
    """Refuse references to rows that are not there; PostgreSQL has refused them already."""
    if connection.dialect.name == "sqlite":
        for name in sorted(list_own_tables(connection)):  # tables of others may be there, too
            dangling = connection.exec_driver_sql(f"PRAGMA foreign_key_check({name})").first()
            if dangling is not None:
                raise CorruptionError(
                    f"a row of {dangling[0]} refers to a row of {dangling[2]} that is not there"
                )
