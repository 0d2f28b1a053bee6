"""Connections to SQLite's files by the driver alone; engines take theirs from here, too."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from registry.database.forks import SQLiteConnection
from registry.errors import UnavailableError
from registry.permissions import refuse_lock_out, share_log_files

BUSY_SECONDS = 60
"""How long a writer waits for another one, on a server too."""


class SQLiteFile:
    """A database file, and how connections to it are opened.

    Parameters
    ----------
    mode
        The mode of SQLite's URI: ``rw``, ``rwc`` or ``ro``, also with ``&immutable=1``.
    read_only
        Let SQLite refuse every statement that writes.
    """

    def __init__(self, path: str, mode: str, *, read_only: bool = False) -> None:
        self.path = Path(path)
        self.uri = f"file://{_quote_path(path)}?mode={mode}"
        self._is_immutable = "immutable" in mode
        self._read_only = read_only
        self._opened: tuple[int, int] | None = None

    def connect(self) -> SQLiteConnection:
        """Open a connection, which begins no transaction by itself."""
        if not self._is_immutable:
            refuse_lock_out(self.path)
        # isolation_level None: BEGIN is sent by who uses the connection, not by the driver.
        connection = sqlite3.connect(
            self.uri,
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=SQLiteConnection,
        )
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = FULL")
            if self._read_only:
                connection.execute("PRAGMA query_only = ON")
        except (sqlite3.Error, UnicodeDecodeError):
            connection.close()
            raise
        if not self._is_immutable:
            share_log_files(self.path)
        return connection

    def refuse_replaced(self) -> None:
        """Let no transaction begin when the name is another file's: what is committed to it would be lost."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise UnavailableError(f"the database {self.path} cannot be used: {error.strerror}") from None
        identity = (status.st_dev, status.st_ino)
        if self._opened not in (None, identity):
            raise UnavailableError(
                f"the database {self.path} is not the file any more that was opened; open the registry again"
            )
        self._opened = identity


def _quote_path(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3F").replace("#", "%23")
