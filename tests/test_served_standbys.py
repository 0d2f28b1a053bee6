"""A hot standby behind a service: what its server records comes, what is cancelled may be asked again."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest

from registry.api.serving import open_to_serve
from registry.settings import Settings
from testing.clients import Client
from testing.panels import PANEL_A, PANEL_B
from testing.registries import PostgresServer, RegistryFactory, RegistryLocation
from testing.servers import Standby
from testing.services import serve_in_thread

pytestmark = [pytest.mark.slow, pytest.mark.small_panels]


@pytest.fixture
def primary(
    own_postgres_server: PostgresServer, postgresql_factory: RegistryFactory, standby: Standby
) -> Iterator[RegistryLocation]:
    """A registry of the server that the standby follows."""
    if postgresql_factory.server != own_postgres_server.url:
        pytest.skip("the standby follows the server that the tests start themselves")
    location = postgresql_factory.make("postgresql")
    with location.open() as registry:
        registry.panels.add(PANEL_A)
    standby.follow()
    yield location
    postgresql_factory.give_back(location)


def test_a_standby_is_served_and_shows_what_its_server_records(
    primary: RegistryLocation, standby: Standby
) -> None:
    followed = RegistryLocation(standby.find_url(primary.database), primary.store)
    with open_to_serve(Settings(followed.database, followed.store)) as registry:  # which cannot be written
        assert registry.head.number == 1
    with serve_in_thread(followed) as url, serve_in_thread(primary) as main:
        client = Client(url)
        assert client.get("/v1/head")["revision"] == 1
        with primary.open() as registry:
            registry.panels.add(PANEL_B)
        pin = Client(main).pin
        standby.follow()
        assert client.pin == pin
        assert len(client.get(f"{pin}/panels")) == 2
        assert "warnings" not in client.get("/v1/head")


def test_a_question_that_a_standby_cancels_may_be_asked_again(
    primary: RegistryLocation, standby: Standby
) -> None:
    followed = RegistryLocation(standby.find_url(primary.database), primary.store)
    with psycopg.connect(followed.database, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET max_standby_streaming_delay = 0")
        connection.execute("SELECT pg_reload_conf()")
    with serve_in_thread(followed) as url, psycopg.connect(primary.database) as writer:
        client = Client(url)
        path = f"{client.pin}/panels"
        writer.execute("LOCK TABLE panel IN ACCESS EXCLUSIVE MODE")  # on which the question waits
        _write_log(primary.database)
        standby.follow()
        answers: list[tuple[int, str | None]] = []

        def ask() -> None:
            response = client(path)
            answers.append((response.status, response.headers.get("retry-after")))

        thread = threading.Thread(target=ask)
        thread.start()
        _await_waiting(followed.database)
        writer.execute("LOCK TABLE seal, revision IN ACCESS EXCLUSIVE MODE")  # which the question has read
        _write_log(primary.database)
        thread.join(60)
        writer.rollback()
        assert answers == [(503, "2")]
        _write_log(primary.database)
        standby.follow()
        assert client.get(path)[0]["panel"] == PANEL_A


def _write_log(database: str) -> None:
    """Let a server send what its open transactions have logged: with the commit of another one."""
    with psycopg.connect(database) as connection:
        connection.execute("CREATE TABLE of_others (number integer)")
        connection.execute("DROP TABLE of_others")


def _await_waiting(database: str) -> None:
    """Wait until a statement waits for a lock."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND backend_type = 'client backend'"
    end = time.monotonic() + 30
    with psycopg.connect(database, autocommit=True) as connection:
        while not connection.execute(query).fetchone()[0]:  # type: ignore[index] - one row
            assert time.monotonic() < end
            time.sleep(0.02)
