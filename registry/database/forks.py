"""Forked processes: a child never uses a connection of its parent, and SQLite's locks stay those of their process.

SQLite keeps its locks by process, in memory that a fork copies: a child would trust locks that it does not have. So
a fork waits until no other thread is in a transaction, and closes the pools of SQLite. A child can therefore
open connections of its own. The one transaction that can still be open then is that of the thread that forks: the
child closes a reader's, which gives up nothing that is its own; after a writer's, whose pages may be half
written, it cannot use SQLite at all and says so. It waits for imports of other threads, too.

On PostgreSQL a connection is a socket, and what either process sent the other would receive: in the child it leads
nowhere. See https://www.sqlite.org/howtocorrupt.html, section 2.6, and "Using Connection Pools with Multiprocessing"
in the documentation of SQLAlchemy.
"""

from __future__ import annotations

import importlib
import os
import sqlite3
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from registry.errors import UnavailableError
from registry.sql import sa

_MAX_WAIT_SECONDS = 60


class SQLiteConnection(sqlite3.Connection):
    """A connection to SQLite that does nothing in a process that inherited it."""

    inherited = False

    def cursor(self, *arguments: Any) -> sqlite3.Cursor:  # type: ignore[override]
        """Return a new cursor."""
        self._refuse_inherited()
        cursor: sqlite3.Cursor = super().cursor(*arguments)
        return cursor

    def commit(self) -> None:
        """Commit, or in a process that inherited the connection refuse."""
        self._refuse_inherited()
        super().commit()

    def _refuse_inherited(self) -> None:
        if self.inherited:
            raise UnavailableError(
                "this process was forked within a transaction; only its parent can continue it"
            )

    def rollback(self) -> None:
        """Roll back; the transaction of the parent is left alone."""
        if not self.inherited:
            super().rollback()

    def close(self) -> None:
        """Close; the connection of the parent is left alone."""
        if not self.inherited:
            # SQLite keeps a connection with its locks where a cursor has been interrupted in a transaction.
            with suppress(sqlite3.ProgrammingError):  # it is closed
                super().rollback()
            super().close()


class _Transactions:
    """The transactions that are open in this process, by thread, and whether a thread is about to fork."""

    def __init__(self) -> None:
        self.condition = threading.Condition(threading.RLock())
        self.open: Counter[int] = Counter()
        self.writing: Counter[int] = Counter()  # those that write to SQLite
        self.forking: int | None = None
        self.unusable = False  # SQLite's memory of its locks was copied in the midst of a transaction

    def begin(self, thread: int, *, writing: bool) -> None:
        with self.condition:
            # A thread that is in a transaction may open a second one: the fork waits for the first to end.
            self.condition.wait_for(lambda: self.open[thread] or self.forking in (None, thread))
            self.open[thread] += 1
            self.writing[thread] += writing

    def end(self, thread: int, *, writing: bool) -> None:
        with self.condition:
            self.open[thread] -= 1
            self.writing[thread] -= writing
            if not self.open[thread]:
                del self.open[thread], self.writing[thread]
            self.condition.notify_all()

    def stop_others(self) -> None:
        """Wait until no other thread is in a transaction, and let none begin one; the lock is kept."""
        thread = threading.get_ident()
        end = time.monotonic() + _MAX_WAIT_SECONDS
        self.condition.acquire()
        self.condition.wait_for(lambda: self.forking is None, _MAX_WAIT_SECONDS)
        self.forking = thread
        self.condition.wait_for(lambda: not self.open.keys() - {thread}, max(0.0, end - time.monotonic()))

    def resume_others(self) -> None:
        self.forking = None
        self.condition.notify_all()
        self.condition.release()


class ConnectionSource(Protocol):
    """A place of connections that nobody uses at the moment: an engine, or a pool of the driver's own."""

    def dispose(self, close: bool = True) -> None:
        """Close these connections, or only forget them."""


_transactions = _Transactions()
_connections: weakref.WeakKeyDictionary[ConnectionSource, weakref.WeakSet[Any]] = weakref.WeakKeyDictionary()
_kept: list[Any] = []  # connections of the parent that must not even be closed here


def watch_connections(engine: sa.Engine) -> sa.Engine:
    """Keep account of the engine's connections, so that no fork shares them; return it."""
    connections = account_for(engine)
    sa.event.listen(engine, "connect", lambda connection, _record: connections.add(connection))
    return engine


def account_for(source: ConnectionSource) -> weakref.WeakSet[Any]:
    """Return the set in which the connections of a source are to be, so that no fork shares them."""
    connections: weakref.WeakSet[Any] = weakref.WeakSet()
    _connections[source] = connections
    return connections


def close_connections(*sources: ConnectionSource) -> None:
    """Close all connections of sources, by default of all, also one whose transaction was interrupted."""
    for source in sources or list(_connections):
        for connection in list(_connections[source]):
            connection.close()  # what is not committed is rolled back
        source.dispose()


@contextmanager
def open_connection(engine: sa.Engine, **options: Any) -> Iterator[sa.Connection]:
    """Open a connection with these execution options; a fork in another thread waits until it is closed.

    Raises
    ------
    UnavailableError
        The process was forked while SQLite was being used.
    """
    is_sqlite = engine.dialect.name == "sqlite"
    with (
        delay_forks(is_sqlite=is_sqlite, writing=bool(options.get("writing"))),
        engine.connect().execution_options(**options) as connection,
    ):
        try:
            yield connection
        except (KeyboardInterrupt, SystemExit):
            # In the midst of a commit SQLAlchemy takes the transaction for ended, and the database does not.
            connection.invalidate()
            raise


@contextmanager
def delay_forks(*, is_sqlite: bool, writing: bool) -> Iterator[None]:
    """Let a fork in another thread wait while a connection is in use.

    Raises
    ------
    UnavailableError
        The process was forked while SQLite was being used.
    """
    thread, writing = threading.get_ident(), is_sqlite and writing
    transactions = _transactions
    transactions.begin(thread, writing=writing)
    try:
        if transactions.unusable and is_sqlite:
            raise UnavailableError(
                "SQLite cannot be used in this process: it was forked while a transaction was open;"
                " fork when none is, or start processes by the method 'spawn'"
            )
        yield
    finally:
        transactions.end(thread, writing=writing)


def _before_fork() -> None:
    _transactions.stop_others()
    for source, connections in list(_connections.items()):
        if any(isinstance(connection, SQLiteConnection) for connection in connections):
            # The idle ones alone: one that is in use comes back to this pool.
            getattr(source, "pool", source).dispose()
    _await_imports()


def _await_imports() -> None:
    """Wait until no other thread imports a module: a child would wait for ever for that thread, which it lacks."""
    for name, module in list(sys.modules.items()):
        if getattr(getattr(module, "__spec__", None), "_initializing", False):
            with suppress(ImportError):
                importlib.import_module(name)


def _after_fork_in_parent() -> None:
    _transactions.resume_others()


def _after_fork_in_child() -> None:
    global _transactions
    former, _transactions = _transactions, _Transactions()
    thread = threading.get_ident()
    _transactions.unusable = former.unusable or bool(former.open.keys() - {thread} or former.writing[thread])
    for source, connections in list(_connections.items()):
        for connection in connections:
            _cut_off(connection, close=not _transactions.unusable)
        _kept.extend(connections)
        connections.clear()
        source.dispose(close=False)


def _cut_off(connection: Any, *, close: bool) -> None:
    """Let a connection of the parent lead nowhere in this process."""
    if isinstance(connection, SQLiteConnection):
        if close:
            connection.close()
        connection.inherited = True
        return
    if connection.closed:  # it has no socket any more
        return
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, connection.fileno(), inheritable=False)
    os.close(nowhere)


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child
    )
