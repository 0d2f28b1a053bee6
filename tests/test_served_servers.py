"""A PostgreSQL database that becomes another one under a running service, as that of SQLite does in another file."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from registry.api import create_registry
from registry.service import served_registry
from testing.clients import Client
from testing.panels import PANEL_A, PANEL_B
from testing.registries import RegistryFactory, RegistryLocation
from testing.services import serve_in_thread
from tests.conftest import make_location

pytestmark = [pytest.mark.slow, pytest.mark.small_panels]


class Server:
    """Renames the databases of a server, whoever is connected to them."""

    def __init__(self, url: str) -> None:
        self._url = url

    def execute(self, statement: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(statement.encode())

    def rename(self, location: RegistryLocation, name: str) -> None:
        own = sa.make_url(location.database).database
        self.disconnect(own)
        self.execute(f"ALTER DATABASE {own} RENAME TO {name}")

    def rename_back(self, name: str, location: RegistryLocation) -> None:
        self.disconnect(name)
        self.execute(f"ALTER DATABASE {name} RENAME TO {sa.make_url(location.database).database}")

    def disconnect(self, name: str | None) -> None:
        self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


@pytest.fixture
def server(postgresql_factory: RegistryFactory, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(served_registry, "_MOMENT", 0.0)  # the database is asked for every request
    return Server(postgresql_factory.server)


@pytest.fixture
def postgresql_location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryLocation]:
    for location in make_location(request, tmp_path, "postgresql"):
        with location.open() as registry:
            registry.panels.add(PANEL_A)
        yield location


def test_connections_that_a_server_ended_are_made_anew_for_the_next_request(
    server: Server, postgresql_location: RegistryLocation
) -> None:
    with serve_in_thread(postgresql_location) as url:
        client = Client(url)
        pin = client.pin
        for path in ("/v1/head", f"{pin}/panels", f"{pin}/log", "/healthz", "/v1/exports"):
            server.disconnect(sa.make_url(postgresql_location.database).database)
            assert client(path).status == 200, path


def test_no_answer_of_a_registry_is_sent_once_another_one_has_its_name(
    server: Server,
    postgresql_location: RegistryLocation,
    postgresql_factory: RegistryFactory,
    tmp_path: Path,
) -> None:
    other = postgresql_factory.make_empty("postgresql", tmp_path / "other")
    create_registry(other.database, other.store)
    with other.open() as registry:
        registry.panels.add(PANEL_B)
    with serve_in_thread(postgresql_location) as url:
        client = Client(url)
        kept = f"{client.pin}/panels"
        etag = client(kept).headers["etag"]
        assert client.get(kept)[0]["panel"] == PANEL_A
        server.rename(postgresql_location, "saved")
        assert client.refuse(kept) == (503, 8)
        assert client.refuse(kept, if_none_match=etag) == (503, 8)
        assert client.refuse("/healthz") == (503, 8)
        server.execute(f"CREATE DATABASE {sa.make_url(postgresql_location.database).database}")
        assert client.refuse(kept) == (500, 7)  # it holds no registry
        server.execute(f"DROP DATABASE {sa.make_url(postgresql_location.database).database} WITH (FORCE)")
        server.rename_back(str(sa.make_url(other.database).database), postgresql_location)
        assert client.refuse(kept) == (503, 8)  # the store is another registry's
        postgresql_location.store.rename(tmp_path / "former")
        other.store.rename(postgresql_location.store)
        assert client.refuse(kept) == (409, 5)
        assert client.refuse(kept, if_none_match=etag) == (409, 5)
        assert client.get(f"{client.pin}/panels")[0]["panel"] == PANEL_B
        server.rename(postgresql_location, str(sa.make_url(other.database).database))
        postgresql_location.store.rename(other.store)
        (tmp_path / "former").rename(postgresql_location.store)
        server.rename_back("saved", postgresql_location)
        assert client.get(kept)[0]["panel"] == PANEL_A


def test_an_older_copy_that_is_restored_answers_what_it_knows_and_never_what_it_lacks(
    server: Server,
    postgresql_location: RegistryLocation,
    postgresql_factory: RegistryFactory,
    tmp_path: Path,
) -> None:
    older = postgresql_factory.copy(postgresql_location, tmp_path / "older")
    with serve_in_thread(postgresql_location) as url:
        client = Client(url)
        first = client.pin
        with postgresql_location.open() as registry:
            registry.panels.add(PANEL_B)
        second = client.pin
        assert [len(client.get(f"{pin}/panels")) for pin in (first, second)] == [1, 2]
        server.rename(postgresql_location, "newer")
        server.rename_back(str(sa.make_url(older.database).database), postgresql_location)
        assert client.refuse(f"{second}/panels") == (503, 8)
        assert len(client.get(f"{first}/panels")) == 1
        assert "older copy" in client.get("/v1/head")["warnings"][0]
        (postgresql_location.store / "head.json").unlink()
        with postgresql_location.open() as registry:
            registry.tags.add("spring")
        assert client.refuse(f"{second}/panels") == (409, 5)
        assert len(client.get(f"{client.pin}/panels")) == 1
        server.rename(postgresql_location, str(sa.make_url(older.database).database))
        server.rename_back("newer", postgresql_location)
        assert [len(client.get(f"{pin}/panels")) for pin in (first, second)] == [1, 2]


def test_tables_that_are_exchanged_behind_open_connections_are_noticed(
    server: Server, postgresql_location: RegistryLocation
) -> None:
    with serve_in_thread(postgresql_location) as url:
        client = Client(url)
        kept = f"{client.pin}/panels"
        assert client.get(kept)[0]["panel"] == PANEL_A
        with psycopg.connect(postgresql_location.database, autocommit=True) as connection:
            connection.execute("ALTER SCHEMA public RENAME TO away")
            connection.execute("CREATE SCHEMA public")
            assert client.refuse(kept) == (500, 7)
            connection.execute("DROP SCHEMA public")
            connection.execute("ALTER SCHEMA away RENAME TO public")
            assert client.get(kept)[0]["panel"] == PANEL_A
