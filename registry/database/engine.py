"""Engines: connections and transactions on SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from registry.database import sqlite_files
from registry.database.forks import (
    SQLiteConnection,
    close_connections,
    open_connection,
    watch_connections,
)
from registry.database.refusals import name_database, translate_database_errors
from registry.database.sqlite_files import SQLiteFile
from registry.database.writability import refuse_state
from registry.settings import sqlite_file
from registry.sql import sa

_UNLIMITED = -1  # as many connections as threads ask for
# One lock per database serialises the writers; the number is "calreg" in ASCII.
_WRITERS_LOCK = int.from_bytes(b"calreg", "big")
# Waits as long as SQLite does, unless the user has set another lock_timeout. The WHERE is evaluated, and so the
# timeout set, before the lock is requested.
_TAKE_WRITERS_LOCK = (
    "SELECT pg_advisory_xact_lock(:key), pg_is_in_recovery() AS is_standby,"
    " current_setting('transaction_read_only') = 'on' AS is_read_only WHERE set_config("
    "'lock_timeout', coalesce(nullif(current_setting('lock_timeout'), '0'), :patience), true) IS NOT NULL"
)


def make_engine(url: str, *, create: bool = False, read_only: bool = False) -> sa.Engine:
    """Return an engine for the URL, not connected yet; with `create` SQLite may make the file.

    With `read_only` SQLite refuses every statement that writes.

    Raises
    ------
    RequestError
        The URL cannot be used.
    UnavailableError
        The PostgreSQL driver is not installed.
    """
    file = sqlite_file(url)
    if file is not None:
        return make_file_engine(SQLiteFile(str(file), "rwc" if create else "rw", read_only=read_only), url)
    from registry.database.servers import make_server_engine  # with SQLite it is not needed

    return name_database(make_server_engine(url), url)


def make_file_engine(
    file: SQLiteFile, url: str, *, connect: Callable[[], SQLiteConnection] | None = None
) -> sa.Engine:
    """Return an engine for a file of SQLite, not connected yet; `connect` has its connections, if others do."""
    from registry.database.sqlite_compiler import HintingSQLiteCompiler

    engine = sa.create_engine(
        "sqlite://", creator=connect or file.connect, poolclass=sa.QueuePool, max_overflow=_UNLIMITED
    )
    engine.update_execution_options(uri=file.uri)  # another connection can attach the same file
    engine.dialect.statement_compiler = HintingSQLiteCompiler

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get("autocommit", False) or options.get("is_begun", False):
            return
        # A writer takes the lock at once: a deferred one fails when another writer came first.
        writing = options.get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN DEFERRED")

    sa.event.listen(engine, "checkout", lambda *_: file.refuse_replaced())
    return name_database(watch_connections(engine), url)


def take_over(engine: sa.Engine, connection: SQLiteConnection) -> sa.Connection:
    """Return a connection of the engine that goes on with one of the driver, in its transaction."""
    pool = sa.StaticPool(cast("Any", lambda: connection), reset_on_return=None, dialect=engine.dialect)
    taken = sa.Connection(engine, pool.connect()).execution_options(is_begun=True)
    engine.dialect.initialize(taken)  # which the engine does with the first connection of its own
    return taken


@contextmanager
def open_engine(url: str, *, create: bool = False) -> Iterator[sa.Engine]:
    """Make an engine, translate the errors while it is in use, and close its connections at the end."""
    engine = make_engine(url, create=create)
    try:
        with translate_database_errors(url):
            yield engine
    finally:
        close_connections(engine)


@contextmanager
def write_transaction(engine: sa.Engine, *, dry_run: bool = False) -> Iterator[sa.Connection]:
    """Open a transaction when no other writer has one; commit it at the end, roll it back on any error."""
    options: dict[str, Any] = {"writing": True}
    if engine.dialect.name == "postgresql":
        options["isolation_level"] = "READ COMMITTED"
    with open_connection(engine, **options) as connection:
        connection.begin()  # not at the first statement: Alembic would see no transaction, and commit each step
        if engine.dialect.name == "postgresql":
            # A separate statement: the next one sees what the previous writer has committed.
            patience = f"{sqlite_files.BUSY_SECONDS * 1000:.0f}"
            lock = connection.execute(
                sa.text(_TAKE_WRITERS_LOCK), {"key": _WRITERS_LOCK, "patience": patience}
            ).one()
            refuse_state(lock.is_standby, lock.is_read_only)
        yield connection
        if dry_run:
            connection.rollback()
        else:
            connection.commit()


@contextmanager
def read_transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a transaction that sees the database at one moment, and cannot write to PostgreSQL."""
    options: dict[str, Any] = {}
    if engine.dialect.name == "postgresql":
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with open_connection(engine, **options) as connection:
        yield connection


def lift_idle_limit(connection: sa.Connection) -> None:
    """Let this transaction be idle on a server while another database is written or read."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))


@contextmanager
def read_immutable_file(file: Path) -> Iterator[sa.Connection]:
    """Read a SQLite file that is not written any more, as in a backup, without locks or files beside it."""
    engine = make_file_engine(SQLiteFile(str(file), "ro&immutable=1"), f"sqlite:///{file}")
    try:
        with translate_database_errors(f"sqlite:///{file}"), read_transaction(engine) as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def autocommit_read(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection for one SELECT, which sees one moment without a transaction."""
    # Connections to a server are so by themselves: to change it twice for each look-up takes as long as its answer.
    with open_connection(
        engine, **({"autocommit": True} if engine.dialect.name == "sqlite" else {})
    ) as connection:
        yield connection


def use_write_ahead_log(engine: sa.Engine, *, is_new: bool = False) -> None:
    """Let SQLite's readers and its writer work at the same time; the file keeps the setting.

    A new one says at once that it is of a registry: what is written later may be in the log beside it for long.
    """
    connection = engine.raw_connection()  # PRAGMA journal_mode has no effect inside a transaction
    try:
        if is_new:
            from registry.schema.views import APPLICATION_ID  # not loaded at start-up

            connection.cursor().execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        # Only another `init` holds a file without a log, and it sets the same mode.
    finally:
        connection.close()
