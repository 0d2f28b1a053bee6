"""Servers that take no writes, or cannot hold a registry: refused before anything is made or stored."""

from __future__ import annotations

from registry.errors import SchemaError, UnavailableError
from registry.sql import sa

_ENCODING = "UTF8"
# The default, because a reader's own transaction is read-only.
_STATE = "pg_is_in_recovery() AS is_standby, current_setting('default_transaction_read_only') = 'on' AS is_read_only"


def refuse_read_only(connection: sa.Connection) -> None:
    """Raise `UnavailableError` for a server that follows another one, or whose transactions write nothing."""
    if connection.dialect.name == "postgresql":
        state = connection.execute(sa.text(f"SELECT {_STATE}")).one()
        refuse_state(state.is_standby, state.is_read_only)


def refuse_state(is_standby: bool, is_read_only: bool) -> None:
    """Raise `UnavailableError` for a server that takes no writes."""
    if is_standby:
        raise UnavailableError("the database takes no writes: it is a standby, which follows another server")
    if is_read_only:
        raise UnavailableError(
            "the database takes no writes: default_transaction_read_only is on for this role, database or connection"
        )


def refuse_other_encoding(connection: sa.Connection) -> None:
    """Raise `UnavailableError` for a server's database that cannot hold every text."""
    if connection.dialect.name != "postgresql":
        return
    encoding = connection.execute(sa.text("SHOW server_encoding")).scalar_one()
    if encoding != _ENCODING:
        raise UnavailableError(
            f"the database has the encoding {encoding}, which cannot hold every text; a registry needs one that was"
            f" created with ENCODING '{_ENCODING}'",
            encoding=encoding,
        )


def refuse_missing_schema(connection: sa.Connection) -> None:
    """Raise `SchemaError` where the search path names no schema that exists: there are no tables, and can be none."""
    if connection.dialect.name != "postgresql":
        return
    query = "SELECT current_setting('search_path') WHERE current_schema() IS NULL"
    path = connection.execute(sa.text(query)).scalar_one_or_none()
    if path is not None:
        raise SchemaError(
            f"the search path of the database names no schema that exists: {path or 'it is empty'}",
            search_path=path,
        )
