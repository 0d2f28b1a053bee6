"""Change rows behind the guards, as the owner of a database can, and put the rows back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from harnesses.facts import Difference
from testing.registries import RegistryLocation


@contextmanager
def open_behind_guards(location: RegistryLocation) -> Iterator[sa.Connection]:
    """Open a transaction without triggers, foreign keys and, on SQLite, checks; they are all there after it."""
    engine = location.engine()
    try:
        with engine.connect() as connection:
            if location.is_sqlite:
                _begin(connection)
                switch_off, switch_on = _list_sqlite_statements(connection)
            else:
                switch_off, switch_on = _list_server_statements(connection)
            for statement in switch_off:
                connection.exec_driver_sql(statement)
            yield connection
            for statement in switch_on:
                connection.exec_driver_sql(statement)
            connection.commit()
    finally:
        engine.dispose()


def _begin(connection: sa.Connection) -> None:
    """Begin a transaction, by which triggers are dropped, too: Python's module would begin one later."""
    raw: Any = connection.connection.dbapi_connection
    raw.isolation_level = None
    raw.execute("PRAGMA ignore_check_constraints = ON")
    raw.execute("BEGIN IMMEDIATE")


def _list_sqlite_statements(connection: sa.Connection) -> tuple[list[str], list[str]]:
    triggers = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").all()
    return [f"DROP TRIGGER {name}" for name, _ in triggers], [sql for _, sql in triggers]


def _list_server_statements(connection: sa.Connection) -> tuple[list[str], list[str]]:
    triggers = connection.exec_driver_sql(
        "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A'"
    ).all()
    tables = sorted({table for table, _ in triggers})
    return (
        ["SET LOCAL session_replication_role = replica"]  # switches the foreign keys off
        + [f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in tables],
        [f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}" for table, name in triggers],
    )


def undo(location: RegistryLocation, differences: Sequence[Difference]) -> None:
    """Put back the rows that differ."""
    with open_behind_guards(location) as connection:
        for difference in reversed(differences):
            if difference.after is not None:
                condition = match_key(difference.table, difference.key)
                connection.execute(sa.delete(difference.table).where(condition))
        for difference in differences:
            if difference.before is not None:
                connection.execute(difference.table.insert(), difference.before)


def match_key(table: sa.Table, key: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Return the condition for the row with this primary key."""
    # As it is stored: SQLite has texts where numbers should be.
    columns = list(table.primary_key)
    return sa.and_(
        *(column == sa.literal(value, _any(value)) for column, value in zip(columns, key, strict=True))
    )


def _any(value: object) -> Any:
    return sa.Text() if isinstance(value, str) else sa.BigInteger()


def tamper(location: RegistryLocation, statements: Sequence[str]) -> None:
    """Execute statements behind the guards."""
    with open_behind_guards(location) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
