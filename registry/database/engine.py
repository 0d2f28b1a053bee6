"""Engines: connections and transactions on SQLite and PostgreSQL, and the translation of database errors."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from registry.database.forks import (
    SQLiteConnection,
    close_connections,
    open_connection,
    watch_connections,
)
from registry.database.planner import HintingSQLiteCompiler
from registry.errors import (
    CorruptionError,
    RegistryError,
    Remedy,
    RequestError,
    SchemaError,
    UnavailableError,
)
from registry.extras import import_extra
from registry.permissions import describe_denied_database, refuse_lock_out, share_log_files
from registry.secrets import MASK, hide_secrets, mask_url
from registry.settings import sqlite_file

_BUSY_SECONDS = 60
_UNLIMITED = -1  # as many connections as threads ask for; a server that has no more of them says so
# A server that does not answer in ten seconds, or a network that is silent for a minute, counts as unavailable.
_TIMEOUTS = {
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
# One lock per database serialises the writers; the number is "calreg" in ASCII.
_WRITERS_LOCK = int.from_bytes(b"calreg", "big")
# Waits as long as SQLite does, unless the user has set another lock_timeout. The WHERE is evaluated, and so the
# timeout set, before the lock is requested.
_TAKE_WRITERS_LOCK = sa.text(
    "SELECT pg_advisory_xact_lock(:key) WHERE set_config("
    "'lock_timeout', coalesce(nullif(current_setting('lock_timeout'), '0'), :patience), true) IS NOT NULL"
)

_SQLITE_BESIDE_ERRORS = {  # of the files beside the database
    sqlite3.SQLITE_IOERR_SHMMAP,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_READONLY_CANTINIT,
    sqlite3.SQLITE_READONLY_DIRECTORY,
}

_SQLITE_DENIED = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}
_SQLITE_UNAVAILABLE = {
    sqlite3.SQLITE_AUTH,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}
# Connection, resources, operator, login, no such database; no permission, read-only.
_NOT_PERMITTED = "42501"
_LOCK_NOT_AVAILABLE = "55P03"
_POSTGRESQL_UNAVAILABLE = ("08", "53", "57", "58", "28", "3D", _NOT_PERMITTED, "25006", _LOCK_NOT_AVAILABLE)
_POSTGRESQL_CORRUPT = ("XX001", "XX002")
# No such table, column, function or schema: the database is not as this software made it.
_POSTGRESQL_MISSING = ("42P01", "42703", "42883", "3F000")
_SQLITE_MISSING = ("no such table", "no such column", "no such function")


def make_engine(url: str, *, create: bool = False) -> sa.Engine:
    """Return an engine for the URL, not connected yet; with `create` SQLite may make the file.

    Raises
    ------
    RequestError
        The URL cannot be used.
    UnavailableError
        The PostgreSQL driver is not installed.
    """
    file = sqlite_file(url)
    if file is not None:
        return _sqlite_engine(str(file), "rwc" if create else "rw")
    if url.partition("://")[2].partition(":")[2].count("@") > 1:
        # The rest of such a password would be taken for the host, and shown.
        raise RequestError("the database's URL has more than one @; in a password it is written %40")
    if mask_url(url) == MASK:  # the driver might take a part of the password for a host, and repeat it
        raise RequestError("the text that is given for it is not a URL of a PostgreSQL database")
    import_extra(
        "psycopg", "postgresql", "the PostgreSQL driver is not installed"
    )  # and the libpq that it needs
    try:
        parsed = sa.make_url(url).set(drivername="postgresql+psycopg")
        _refuse_invalid_hosts(parsed)
        return watch_connections(
            sa.create_engine(
                parsed,
                isolation_level="READ COMMITTED",
                connect_args=_unset_timeouts(parsed),
                max_overflow=_UNLIMITED,
            )
        )
    except (sa.exc.ArgumentError, ValueError):
        raise RequestError(f"{mask_url(url)!r} is not a URL of a PostgreSQL database") from None


def _refuse_invalid_hosts(url: sa.URL) -> None:
    """Raise ValueError for texts that the driver cannot pass on, and for hosts that cannot be looked up."""
    query = [text for name, values in url.normalized_query.items() for text in (name, *values)]
    unquoted = "".join(map(str, (url.username, url.password, url.host, url.database, *query)))
    if "\0" in unquoted.encode().decode():
        raise ValueError("a NUL")
    hosts = url.query.get("host", ())
    for host in ",".join([url.host or "", *((hosts,) if isinstance(hosts, str) else hosts)]).split(","):
        if "/" not in host:  # with a slash it is the folder of a socket
            host.encode("idna")


def _unset_timeouts(url: sa.URL) -> dict[str, str]:
    """Return the timeouts that the user has not set in the URL, a service or the environment."""
    if "service" in url.query or "PGSERVICE" in os.environ:
        return {}
    configured = set(url.query) | ({"connect_timeout"} if "PGCONNECT_TIMEOUT" in os.environ else set())
    return {name: value for name, value in _TIMEOUTS.items() if name not in configured}


def _sqlite_engine(path: str, mode: str) -> sa.Engine:
    uri = f"file://{_quote_path(path)}?mode={mode}"

    file, is_immutable = Path(path), "immutable" in mode

    def connect() -> sqlite3.Connection:
        if not is_immutable:
            refuse_lock_out(file)
        # isolation_level None: BEGIN is sent below, not by the driver.
        connection = sqlite3.connect(
            uri,
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=SQLiteConnection,
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
        except (sqlite3.Error, UnicodeDecodeError):
            connection.close()
            raise
        if not is_immutable:
            share_log_files(file)
        return connection

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool, max_overflow=_UNLIMITED)
    engine.dialect.statement_compiler = HintingSQLiteCompiler

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get("autocommit", False):
            return
        # A writer takes the lock at once: a deferred one fails when another writer came first.
        writing = options.get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN DEFERRED")

    _refuse_replaced_file(engine, file)
    return watch_connections(engine)


def _refuse_replaced_file(engine: sa.Engine, file: Path) -> None:
    """Let no transaction begin when the name is another file's: what is committed to the former one would be lost."""
    opened: list[tuple[int, int]] = []

    @sa.event.listens_for(engine, "checkout")
    def compare_files(_connection: object, _record: object, _proxy: object) -> None:
        try:
            status = file.stat()
        except OSError as error:
            raise UnavailableError(f"the database {file} cannot be used: {error.strerror}") from None
        identity = (status.st_dev, status.st_ino)
        if opened and opened[0] != identity:
            raise UnavailableError(
                f"the database {file} is not the file any more that was opened; open the registry again"
            )
        opened[:] = [identity]


def _quote_path(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3F").replace("#", "%23")


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
    with open_connection(engine, writing=True) as connection:
        connection.begin()  # not at the first statement: Alembic would see no transaction, and commit each step
        if engine.dialect.name == "postgresql":
            # A separate statement: the next one sees what the previous writer has committed.
            connection.execute(
                _TAKE_WRITERS_LOCK, {"key": _WRITERS_LOCK, "patience": f"{_BUSY_SECONDS * 1000:.0f}"}
            )
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


@contextmanager
def read_immutable_file(file: Path) -> Iterator[sa.Connection]:
    """Read a SQLite file that is not written any more, as in a backup, without locks or files beside it."""
    engine = _sqlite_engine(str(file), "ro&immutable=1")
    try:
        with translate_database_errors(f"sqlite:///{file}"), read_transaction(engine) as connection:
            yield connection
    finally:
        engine.dispose()


@contextmanager
def autocommit_read(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection for one SELECT, which sees one moment without a transaction."""
    options = (
        {"isolation_level": "AUTOCOMMIT"} if engine.dialect.name == "postgresql" else {"autocommit": True}
    )
    with open_connection(engine, **options) as connection:
        yield connection


def use_write_ahead_log(engine: sa.Engine) -> None:
    """Let SQLite's readers and its writer work at the same time; the file keeps the setting."""
    connection = engine.raw_connection()  # PRAGMA journal_mode has no effect inside a transaction
    try:
        connection.cursor().execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        # Only another `init` holds a file without a log, and it sets the same mode.
    finally:
        connection.close()


@contextmanager
def translate_database_errors(url: str) -> Iterator[None]:
    """Turn the database's errors that a user can act on into `RegistryError`; others are bugs, and pass.

    The message is that of the database, with its URL and without the password.
    """
    try:
        yield
    except (sa.exc.DBAPIError, sqlite3.Error) as error:  # sqlite3.Error is from a raw connection
        translated = _registry_error(error, url, sqlite_file(url))
        if translated is None:
            raise
        raise translated from error
    except UnicodeDecodeError as error:  # the name of a table, or SQLite's message about it
        raise CorruptionError(
            f"the database {mask_url(url)} is damaged: it holds names that are not text"
        ) from error


def _registry_error(
    raised: sa.exc.DBAPIError | sqlite3.Error, url: str, file: Path | None
) -> RegistryError | None:
    error: BaseException | None = raised
    connecting = False
    if isinstance(raised, sa.exc.DBAPIError):
        error, connecting = raised.orig, raised.statement is None
    error_class = (
        _sqlite_error_class(error)
        if isinstance(error, sqlite3.Error)
        else _postgresql_error_class(error, connecting)
    )
    if error_class is None:
        return None
    reason = hide_secrets(str(error).strip().split("\n", maxsplit=1)[0], url)
    url = mask_url(url)
    if _is_missing(error):
        return SchemaError(
            f"the database {url} is not as this software made it: {reason}", remedy=Remedy.CHECK_DATABASE
        )
    what = {
        CorruptionError: "the database {} is damaged",
        RequestError: "{} is not a URL of a PostgreSQL database",
        SchemaError: "{} is not a SQLite database",
        UnavailableError: "the database {} cannot be used",
    }[error_class].format(url)
    state, code = getattr(error, "sqlstate", None), getattr(error, "sqlite_errorcode", 0)
    if state == _NOT_PERMITTED:
        return error_class(f"the database {url} does not permit this: {reason}", remedy=Remedy.GRANT_RIGHTS)
    if state == _LOCK_NOT_AVAILABLE or code & 0xFF == sqlite3.SQLITE_BUSY:
        reason += "; another process has been writing all the time: try again when it is done"
    if code & 0xFF == sqlite3.SQLITE_CANTOPEN or code in _SQLITE_BESIDE_ERRORS:
        reason += "; SQLite must be able to write beside the file, even to read it"
    if file is not None and (code & 0xFF in _SQLITE_DENIED or code in _SQLITE_BESIDE_ERRORS):
        owner = describe_denied_database(file, writing=code == sqlite3.SQLITE_READONLY)
        reason += owner and f"; {owner}"
    return error_class(f"{what}: {reason}")


def _sqlite_error_class(error: sqlite3.Error) -> type[RegistryError] | None:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_CORRUPT or is_decoding_error(error):
        return CorruptionError
    if code == sqlite3.SQLITE_NOTADB or _is_missing(error):
        return SchemaError
    return UnavailableError if code in _SQLITE_UNAVAILABLE else None


def _is_missing(error: BaseException | None) -> bool:
    """Tell whether a table, column, function or schema is not there."""
    missing = getattr(error, "sqlstate", None) in _POSTGRESQL_MISSING
    return missing or (isinstance(error, sqlite3.OperationalError) and str(error).startswith(_SQLITE_MISSING))


def is_decoding_error(error: BaseException | None) -> bool:
    """Tell whether Python's module for SQLite raised it for bytes that are not UTF-8; it has no code."""
    return str(error).startswith("Could not decode to UTF-8")


def _postgresql_error_class(error: BaseException | None, connecting: bool) -> type[RegistryError] | None:
    state = getattr(error, "sqlstate", "") or ""
    if state.startswith(_POSTGRESQL_CORRUPT):
        return CorruptionError
    if _is_missing(error):
        return SchemaError
    if not state and connecting and type(error).__name__ == "ProgrammingError":  # libpq has no such option
        return RequestError
    # No server was reached. The names are compared so that the driver need not be imported.
    unreachable = not state and "OperationalError" in [base.__name__ for base in type(error).__mro__]
    return UnavailableError if unreachable or state.startswith(_POSTGRESQL_UNAVAILABLE) else None
