"""Load rows in bulk straight into the tables of a benchmark's own registry.

Recorded through the registry, millions of revisions would take days. So its guards (the append-only triggers)
and indexes are dropped, the rows are inserted, and both are created again as they were: what is measured is a
registry like any other. Do this to a throw-away database only.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, Protocol

from testing.registries import RegistryLocation
from testing.sealing import seal_loaded_revisions

if TYPE_CHECKING:
    import psycopg

Tables = Mapping[str, tuple[tuple[str, ...], Iterable[tuple[object, ...]]]]
"""By table, parents first, the columns that are filled and their rows."""


class Contents(Protocol):
    """The contents of a registry, by table."""

    def tables(self) -> Tables:
        """Return the tables."""


def load_history(location: RegistryLocation, history: Contents) -> None:
    """Fill an empty registry."""
    if location.file:
        with closing(sqlite3.connect(location.file, isolation_level=None)) as connection:
            _load_sqlite(connection, history)
        _seal(location)
        return
    import psycopg

    with psycopg.connect(location.database) as transaction:
        _load_postgresql(transaction, history)
    _seal(location)
    with psycopg.connect(location.database, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")  # the server does it by itself sooner or later


def _seal(location: RegistryLocation) -> None:
    engine = location.engine()
    with engine.begin() as connection:
        seal_loaded_revisions(connection)
    engine.dispose()


def _load_sqlite(connection: sqlite3.Connection, history: Contents) -> None:
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
        connection.execute(f"PRAGMA {pragma}")
    dropped = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE type IN ('trigger', 'index') AND sql IS NOT NULL"
    ).fetchall()
    connection.execute("BEGIN")
    for sort, name, _ in dropped:
        connection.execute(f"DROP {sort} {name}")
    for table, (columns, rows) in history.tables().items():
        placeholders = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({placeholders})", rows)
    for _, _, sql in sorted(dropped):  # indexes before triggers
        connection.execute(sql)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")


def _load_postgresql(connection: psycopg.Connection[Any], history: Contents) -> None:
    # A replica checks no foreign keys; our triggers fire there as well, until they are disabled.
    connection.execute("SET session_replication_role = replica")
    connection.execute("SET maintenance_work_mem = '512MB'")
    tables = history.tables()
    for table in tables:
        connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    indexes = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema() AND indexname NOT IN"
        " (SELECT conname FROM pg_constraint)"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"DROP INDEX {name}")
    for table, (columns, rows) in tables.items():
        with connection.cursor().copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as sink:
            for row in rows:
                sink.write_row(row)
    for _, definition in indexes:
        connection.execute(definition)
    for table in tables:
        _enable_triggers(connection, table)


def _enable_triggers(connection: psycopg.Connection[Any], table: str) -> None:
    """Enable a table's triggers in such a way that no session can switch them off."""
    query = "SELECT tgname FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal"
    for (name,) in connection.execute(query, [table]).fetchall():
        connection.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
