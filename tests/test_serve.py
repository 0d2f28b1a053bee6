"""``calreg serve``: the real server, in processes of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
import urllib3

from registry.api import open_registry
from registry.api.serving import open_to_serve
from registry.errors import RequestError
from registry.settings import Settings
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.conftest import make_location

PANEL = "170505-149520170815-3d00b0"
ODD_STARTS = (b"GET /v1/head HTTP/1.1\r\nhost: x\r\nx-slow: ", b"", b"\0\xff\r\n\r\n", b"GET ")
pytestmark = [pytest.mark.slow, pytest.mark.small_panels]


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _run_server(location: RegistryLocation, *options: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a server; yield its URL, and the process when it answers."""
    port = _find_port()
    command = [sys.executable, "-m", "registry", "serve", "--port", str(port), *options]
    environment = {**os.environ, **location.environment}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            _await_answer(url, process)
            yield url, process
        finally:
            process.terminate()


def _await_answer(url: str, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        try:
            if urllib3.request("GET", f"{url}/healthz", retries=False).status == 200:
                return
        except urllib3.exceptions.HTTPError:
            time.sleep(0.05)
    pytest.fail(f"the server did not answer: {process.stdout and process.stdout.read()}")


def test_a_server_answers_several_clients_and_ends_when_it_is_interrupted(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    write_panel_folder(tmp_path / "files", 1)
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL, alias="M068")
        registry.versions.add(PANEL, tmp_path / "files", valid_from="2018-01-01T00:00:00Z")
        head = registry.head
        with _run_server(sqlite_location, "--workers", "2") as (url, process):

            def ask(_number: int) -> object:
                with open_registry(url) as remote:
                    return remote.head, remote.constants(PANEL, at="2018-02-01T00:00:00Z")["pixel_gain"].sum()

            with ThreadPoolExecutor(8) as pool:
                answers = set(pool.map(ask, range(16)))
            expected = registry.constants(PANEL, at="2018-02-01T00:00:00Z")["pixel_gain"].sum()
            assert answers == {(head, expected)}
            registry.tags.add("spring")  # a served registry is written as ever
            assert json.loads(urllib3.request("GET", f"{url}/v1/head").data)["revision"] == head.number + 1
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0


def test_a_slow_or_odd_client_keeps_nobody_waiting(sqlite_location: RegistryLocation) -> None:
    with _run_server(sqlite_location) as (url, _):
        port = int(url.rpartition(":")[2])
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(200)]
        for number, client in enumerate(clients):
            client.sendall(ODD_STARTS[number % len(ODD_STARTS)])
        try:
            with open_registry(url) as registry:
                assert registry.head.number == 0
                assert registry.panels.list() == []
        finally:
            for client in clients:
                client.close()


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--port", "99999"), 2),
        (("--workers", "0"), 2),
        (("--host", "nowhere.invalid"), 2),
        (("--token-file", "nowhere"), 3),
    ],
)
def test_a_server_that_cannot_be_is_refused(
    sqlite_calreg: Calreg, options: tuple[str, ...], code: int
) -> None:
    result = sqlite_calreg("serve", *options)
    assert (result.code, result.stdout) == (code, "")
    assert result.stderr.startswith("error: ")


def test_a_port_that_is_taken_is_refused(sqlite_calreg: Calreg) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = sqlite_calreg("serve", "--port", str(taken.getsockname()[1]))
    assert result.code == 8
    assert "in use" in result.stderr


def test_a_role_that_may_write_serves_nothing_and_a_reader_does(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    for location in make_location(request, tmp_path, "postgresql"):
        with pytest.raises(RequestError, match="may write"):
            open_to_serve(Settings(location.database, location.store))
        reader = f"service_{os.getpid()}"
        engine = location.engine()
        with engine.begin() as connection:
            connection.execute(sa.text(f"CREATE ROLE {reader} LOGIN PASSWORD 'of a test'"))
        try:
            with location.open() as registry:
                registry.grant(readers=[reader], apply=True)
            url = sa.make_url(location.database).set(username=reader, password="of a test")  # noqa: S106 - of a test
            database = url.render_as_string(hide_password=False)
            served = RegistryLocation(database, location.store)
            with _run_server(served) as (address, _), open_registry(address) as registry:
                assert registry.head.number == 0
        finally:
            with engine.begin() as connection:
                connection.execute(sa.text(f"DROP OWNED BY {reader}"))
                connection.execute(sa.text(f"DROP ROLE {reader}"))
            engine.dispose()
