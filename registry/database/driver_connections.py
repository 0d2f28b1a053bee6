"""Connections of SQLite's driver, in transactions, for statements whose texts are kept.

They are used as long as a database is asked for nothing else. What only SQLAlchemy can do it does with the same
connection, in the same transaction; after that the database uses its engine.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from registry.database.engine import take_over
from registry.database.forks import SQLiteConnection, account_for, delay_forks
from registry.database.kept_statements import KeptResult, KeptStatement, PreparedText
from registry.database.sqlite_files import SQLiteFile

if TYPE_CHECKING:
    import sqlalchemy as sa


class _Dialect:
    name = "sqlite"

    def __init__(self, connection: DriverConnection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection.become_sqlalchemy().dialect, name)


class DriverConnection:
    """A connection that executes kept texts by the driver, and all else as the `sqlalchemy.Connection` that it becomes.

    Parameters
    ----------
    get_engine
        Returns the engine of the database, which it makes if there is none yet.
    """

    def __init__(self, raw: SQLiteConnection, get_engine: Callable[[], sa.Engine]) -> None:
        self.raw = raw
        self._get_engine = get_engine
        self._taken: sa.Connection | None = None

    @property
    def is_taken(self) -> bool:
        """True if SQLAlchemy goes on with it."""
        return self._taken is not None

    def become_sqlalchemy(self) -> sa.Connection:
        """Return the connection of SQLAlchemy that goes on with this one, in its transaction."""
        if self._taken is None:
            self._taken = take_over(self._get_engine(), self.raw)
        return self._taken

    @property
    def dialect(self) -> Any:
        """The dialect, of which look-ups need the name."""
        return _Dialect(self) if self._taken is None else self._taken.dialect

    def execute(self, statement: Any, parameters: Any = None, **options: Any) -> Any:
        """Execute a statement as `sqlalchemy.Connection` does."""
        prepared = self._find_text(statement)
        if prepared is None:
            return self.become_sqlalchemy().execute(statement, parameters, **options)
        if isinstance(parameters, Sequence):
            self.raw.executemany(prepared.text, map(prepared.arrange, parameters)).close()
            return None
        return KeptResult(prepared.make_rows(self.fetch(prepared, parameters or {})))

    def read_rows(self, statement: Any, parameters: Mapping[str, Any]) -> Sequence[tuple[Any, ...]] | None:
        """Return all rows as the driver gives them; None for a statement without a kept text."""
        prepared = self._find_text(statement)
        return None if prepared is None else self.fetch(prepared, parameters)

    def _find_text(self, statement: Any) -> PreparedText | None:
        if self._taken is not None or not isinstance(statement, KeptStatement):
            return None
        return statement.find_text()

    def fetch(self, prepared: PreparedText, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """Return the rows of a kept text."""
        cursor = self.raw.cursor()
        try:
            return cursor.execute(prepared.text, prepared.arrange(parameters)).fetchall()
        finally:
            cursor.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.become_sqlalchemy(), name)

    def in_transaction(self) -> bool:
        """Tell whether a transaction is open, whoever has begun it."""
        return self.raw.in_transaction

    def commit(self) -> None:
        """Commit the transaction."""
        if self._taken is not None:
            self._taken.commit()
        self.raw.commit()  # SQLAlchemy commits nothing where it has executed nothing

    def give_back(self) -> None:
        """End the transaction; what is not committed is rolled back."""
        if self._taken is not None:
            self._taken.close()
        self.raw.rollback()

    def close(self) -> None:
        """Close it, whatever state an interruption has left it in; what is not committed is rolled back."""
        if self._taken is not None and not self._taken.closed:
            self._taken.invalidate()
        self.raw.close()


def use_sqlalchemy(connection: sa.Connection) -> sa.Connection:
    """Return the connection of SQLAlchemy itself, which alone can be inspected."""
    source: Any = connection
    return source.become_sqlalchemy() if isinstance(source, DriverConnection) else connection


class DriverPool:
    """The connections of the driver to a file that nobody uses at the moment."""

    def __init__(self, file: SQLiteFile, get_engine: Callable[[], sa.Engine]) -> None:
        self.file = file
        self._get_engine = get_engine
        self._idle: list[SQLiteConnection] = []
        self._connections = account_for(self)

    @contextmanager
    def begin(
        self, begin: str | None = "BEGIN DEFERRED", *, writing: bool = False
    ) -> Iterator[sa.Connection]:
        """Open a connection in a transaction, which is rolled back at the end; without `begin` in none."""
        with delay_forks(is_sqlite=True, writing=writing):
            connection = DriverConnection(self.take(), self._get_engine)
            try:
                if begin is not None:
                    connection.raw.execute(begin).close()
                yield cast("sa.Connection", connection)
            except (KeyboardInterrupt, SystemExit):
                connection.close()
                raise
            except BaseException:
                self._put_back(connection)
                raise
            self._put_back(connection)

    def _put_back(self, connection: DriverConnection) -> None:
        try:
            connection.give_back()
        except sqlite3.Error:  # it was closed meanwhile, or can be used no more
            connection.close()
            return
        if not connection.raw.inherited:
            self._idle.append(connection.raw)

    def take(self) -> SQLiteConnection:
        """Return a connection that nobody uses, or a new one."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self.file.connect()
            self._connections.add(connection)
        try:
            self.file.refuse_replaced()
        except BaseException:
            connection.close()
            raise
        return connection

    def dispose(self, close: bool = True) -> None:
        """Close the connections that nobody uses, or only forget them."""
        idle, self._idle = self._idle, []
        if close:
            for connection in idle:
                connection.close()
