"""The database's own errors as refusals: those of SQLite by its codes, those of a server by the class of SQLSTATE.

Whatever a server names as an error is something that a user or its administrator can act on, and becomes a refusal
with the server's own words. An error without a code that arises in the driver is a bug, unless no server was reached.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from registry.errors import (
    ConflictError,
    CorruptionError,
    RegistryError,
    Remedy,
    RequestError,
    SchemaError,
    UnavailableError,
)
from registry.permissions import describe_denied_database
from registry.secrets import hide_secrets, mask_url
from registry.settings import sqlite_file
from registry.sql import sa

_DATABASE = "calreg_database"  # the name under which an error keeps the URL of its database


class _Refusal(NamedTuple):
    """The class of a refusal, what it says of the database, advice, and a clause after the database's own words."""

    error: type[RegistryError]
    what: str = "the database {} cannot be used"
    remedy: Remedy | None = None
    addition: str = ""


_UNAVAILABLE = _Refusal(UnavailableError)
_DAMAGED = _Refusal(CorruptionError, "the database {} is damaged")
_OTHER_SCHEMA = _Refusal(
    SchemaError, "the database {} is not as this software made it", Remedy.CHECK_DATABASE
)
_NOT_SQLITE = _Refusal(SchemaError, "{} is not a SQLite database")
_NOT_A_URL = _Refusal(RequestError, "{} is not a URL of a PostgreSQL database")
_IMPOSSIBLE_VALUE = _Refusal(RequestError, "the database {} cannot hold this")
_REFUSED = _Refusal(ConflictError, "the database {} refuses this")  # also triggers and constraints of others
_READ_ONLY = _Refusal(UnavailableError, "the database {} takes no writes")
_POOLER = _Refusal(UnavailableError, remedy=Remedy.NAME_POOLER)
_TOO_MANY_CLIENTS = _Refusal(UnavailableError, remedy=Remedy.FREE_CONNECTIONS)
_BUSY = _Refusal(
    UnavailableError,
    addition="; another process has been writing all the time: try again when it is done",
)
_IN_THE_WAY = _Refusal(
    UnavailableError, addition="; something else that the server did was in the way: try again"
)
_FOLDER_OF_SQLITE = _Refusal(
    UnavailableError, addition="; SQLite must be able to write beside the file, even to read it"
)

# By the beginning of SQLSTATE, the longest that fits: see appendix A of PostgreSQL's documentation.
_POSTGRESQL = {
    "": _UNAVAILABLE,
    "22": _IMPOSSIBLE_VALUE,
    "22021": _DAMAGED,  # of a database whose own encoding is SQL_ASCII, when it is read: the driver sends UTF-8
    "23": _REFUSED,
    "25006": _READ_ONLY,
    "25P03": _Refusal(
        UnavailableError,
        addition="; try again, or let its administrator raise the limit",
    ),
    "26000": _POOLER,
    "3F000": _Refusal(SchemaError, "the search path of the database {} names no schema that exists"),
    "40": _IN_THE_WAY,
    "42501": _Refusal(UnavailableError, "the database {} does not permit this", Remedy.GRANT_RIGHTS),
    "42601": _UNAVAILABLE,
    "42": _OTHER_SCHEMA,
    "42P05": _POOLER,
    "44": _REFUSED,
    "53300": _TOO_MANY_CLIENTS,
    "55P03": _BUSY,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}
# While a connection is made, libpq tells the words of a server and not its code. They may be in another language: then
# the refusal has no advice.
_WORDS_OF_SERVERS = {
    "too many c": _TOO_MANY_CLIENTS,  # clients, connections
    "remaining connection slots": _TOO_MANY_CLIENTS,
    "no more connections allowed": _TOO_MANY_CLIENTS,  # of PgBouncer, as the next ones
    "unsupported startup parameter": _Refusal(
        UnavailableError,
        addition="; the pooler before it takes no options of a connection: set them for the role or the database",
    ),
    "statement pooling": _Refusal(UnavailableError, remedy=Remedy.POOL_TRANSACTIONS),
}

_SQLITE_BESIDE_ERRORS = {  # of the files beside the database
    sqlite3.SQLITE_IOERR_SHMMAP,
    sqlite3.SQLITE_IOERR_SHMOPEN,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_READONLY_CANTINIT,
    sqlite3.SQLITE_READONLY_DIRECTORY,
}
_SQLITE_DENIED = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY}
_SQLITE = {
    sqlite3.SQLITE_AUTH: _UNAVAILABLE,
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_CANTOPEN: _FOLDER_OF_SQLITE,
    sqlite3.SQLITE_CONSTRAINT: _REFUSED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_FULL: _UNAVAILABLE,
    sqlite3.SQLITE_IOERR: _UNAVAILABLE,
    sqlite3.SQLITE_LOCKED: _UNAVAILABLE,
    sqlite3.SQLITE_NOTADB: _NOT_SQLITE,
    sqlite3.SQLITE_PERM: _UNAVAILABLE,
    sqlite3.SQLITE_READONLY: _UNAVAILABLE,
}
_SQLITE_MISSING = ("no such table", "no such column", "no such function")


def name_database(engine: sa.Engine, url: str) -> sa.Engine:
    """Let the errors of an engine tell of which database they are: two may be in use at once; return it."""

    @sa.event.listens_for(engine, "handle_error")
    def note_database(context: sa.engine.ExceptionContext) -> None:
        if context.sqlalchemy_exception is not None:
            vars(context.sqlalchemy_exception)[_DATABASE] = url

    return engine


def get_database(error: BaseException, default: str) -> str:
    """Return the URL of the database that raised an error, by default that which the caller is using."""
    return str(vars(error).get(_DATABASE, default))


@contextmanager
def translate_database_errors(url: str) -> Iterator[None]:
    """Turn the database's errors that a user can act on into `RegistryError`; others are bugs, and pass.

    The message is that of the database, with its URL and without the password.
    """
    try:
        yield
    except _list_errors() as error:
        translated = _build_refusal(error, get_database(error, url))
        if translated is None:
            raise
        raise translated from error
    except UnicodeDecodeError as error:  # a text, the name of a table, or SQLite's message about it
        raise CorruptionError(
            f"the database {mask_url(url)} is damaged: it holds texts or names that are not UTF-8"
        ) from error


def _list_errors() -> tuple[type[Exception], ...]:
    """Return the classes of errors: SQLAlchemy raises none where it was not imported."""
    return (sqlite3.Error, sa.exc.DBAPIError) if "sqlalchemy" in sys.modules else (sqlite3.Error,)


def _build_refusal(raised: Exception, url: str) -> RegistryError | None:
    error: BaseException | None = raised
    connecting = False
    if not isinstance(raised, sqlite3.Error):
        wrapped: Any = raised  # by SQLAlchemy
        error, connecting = wrapped.orig, wrapped.statement is None
    if isinstance(error, sqlite3.Error):
        refusal = _find_sqlite_refusal(error)
    else:
        refusal = _find_postgresql_refusal(error, connecting)
    if refusal is None:
        return None
    reason = hide_secrets(str(error).strip().split("\n", maxsplit=1)[0], url)
    message = (
        f"{refusal.what.format(mask_url(url))}: {reason}{refusal.addition}{_describe_denial(error, url)}"
    )
    return refusal.error(message, remedy=refusal.remedy)


def _find_sqlite_refusal(error: sqlite3.Error) -> _Refusal | None:
    code = getattr(error, "sqlite_errorcode", 0)
    if is_decoding_error(error):
        return _DAMAGED
    if isinstance(error, sqlite3.OperationalError) and str(error).startswith(_SQLITE_MISSING):
        return _OTHER_SCHEMA
    return _FOLDER_OF_SQLITE if code in _SQLITE_BESIDE_ERRORS else _SQLITE.get(code & 0xFF)


def _describe_denial(error: BaseException | None, url: str) -> str:
    """Return a clause about the owner of a SQLite file that this user may not use, empty for any other error."""
    code, file = getattr(error, "sqlite_errorcode", 0), sqlite_file(url)
    if file is None or not (code & 0xFF in _SQLITE_DENIED or code in _SQLITE_BESIDE_ERRORS):
        return ""
    owner = describe_denied_database(file, writing=code == sqlite3.SQLITE_READONLY)
    return owner and f"; {owner}"


def is_decoding_error(error: BaseException | None) -> bool:
    """Tell whether Python's module for SQLite raised it for bytes that are not UTF-8; it has no code."""
    return str(error).startswith("Could not decode to UTF-8")


def _find_postgresql_refusal(error: BaseException | None, connecting: bool) -> _Refusal | None:
    words = [refusal for text, refusal in _WORDS_OF_SERVERS.items() if text in str(error)]
    state = getattr(error, "sqlstate", "") or ""
    if words and state in ("", "08P01"):
        return words[0]
    if state:
        return next(_POSTGRESQL[state[:length]] for length in (5, 2, 0) if state[:length] in _POSTGRESQL)
    # Raised by the driver. The names are compared so that it need not be imported.
    names = {base.__name__ for base in type(error).__mro__}
    if "OperationalError" in names or names & {"InterfaceError", "InternalError"}:  # no server was reached
        return _UNAVAILABLE
    if "DataError" in names:
        return _IMPOSSIBLE_VALUE
    return _NOT_A_URL if connecting and "ProgrammingError" in names else None  # libpq has no such option
