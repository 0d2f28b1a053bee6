"""``calreg serve``: the real server, in processes of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa
import urllib3

from registry.api import open_registry
from registry.api.serving import open_to_serve
from registry.errors import RequestError
from registry.settings import Settings
from testing.clients import Client
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation
from testing.services import run_server, wait_for_a_look
from tests.cli import Calreg
from tests.conftest import make_location
from tests.test_late_seals import record_unsealed

PANEL = "170505-149520170815-3d00b0"
pytestmark = [pytest.mark.slow, pytest.mark.small_panels]


def test_a_server_answers_several_clients_and_ends_when_it_is_interrupted(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    write_panel_folder(tmp_path / "files", 1)
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL, alias="M068")
        registry.versions.add(PANEL, tmp_path / "files", valid_from="2018-01-01T00:00:00Z")
        head = registry.head
        with run_server(sqlite_location, "--workers", "2") as (url, process):

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


def _list_workers(process: subprocess.Popen[str]) -> set[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    names = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in listed}
    return {pid for pid, name in names.items() if b"resource_tracker" not in name}


def _await(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)


def _is_well(client: Client) -> bool:
    try:
        return client("/healthz").status == 200
    except urllib3.exceptions.HTTPError:  # nobody listens
        return False


def _is_gone(group: int) -> bool:
    """Tell whether no process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_worker_that_is_killed_is_replaced_and_counts_go_on(sqlite_location: RegistryLocation) -> None:
    with run_server(sqlite_location, "--workers", "2") as (url, process):
        client = Client(url)
        for _ in range(20):
            client.get("/v1/head")
        workers = _list_workers(process)
        assert len(workers) == 2
        killed = min(workers)
        os.kill(killed, signal.SIGKILL)
        _await(lambda: len(_list_workers(process) - {killed}) == 2)
        _await(lambda: _is_well(client))  # the other one may have been about to begin, too
        assert 'calreg_requests_total{kind="head",status="200"} 20' in client("/metrics").data.decode()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_server_leaves_no_process_however_it_ends(sqlite_location: RegistryLocation, number: int) -> None:
    with run_server(sqlite_location, "--workers", "2") as (url, process):
        port = int(url.rpartition(":")[2])
        waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        began = time.monotonic()
        process.send_signal(number)
        code = process.wait(30)
        _await(lambda: _is_gone(process.pid))
        assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
        assert time.monotonic() - began < 15
        for client in waiting:
            client.close()


def test_a_server_whose_workers_end_at_once_ends_with_one_sentence(sqlite_location: RegistryLocation) -> None:
    with run_server(sqlite_location) as (_, process):
        while process.poll() is None:
            for worker in _list_workers(process):
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
            time.sleep(0.1)
        assert process.returncode == 8
    assert "error: the workers of the service end as soon as they begin" in "".join(vars(process)["lines"])


def test_a_server_starts_again_when_its_database_is_back(sqlite_location: RegistryLocation) -> None:
    file = sqlite_location.file
    assert file is not None
    with run_server(sqlite_location) as (url, process):
        client = Client(url)
        away = file.rename(file.with_name("away"))
        wait_for_a_look()
        assert client.refuse("/healthz") == (503, 8)
        (worker,) = _list_workers(process)
        os.kill(worker, signal.SIGKILL)
        _await(lambda: bool(_list_workers(process) - {worker}))

        def refuses() -> bool:
            with suppress(urllib3.exceptions.HTTPError):
                return client("/healthz").status == 503
            return False

        _await(refuses)
        away.rename(file)
        assert client.get("/healthz") == {"status": "ok"}


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("--port", "99999"), 2),
        (("--workers", "0"), 2),
        (("--host", "nowhere.invalid"), 2),
        (("--host", "192.0.2.1"), 2),
        (("--host", "a" * 300), 2),
        (("--host", "a..b"), 2),
        (("--host", "\udcff"), 2),
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


def test_a_registry_whose_newest_revision_has_no_seal_is_not_served(
    sqlite_location: RegistryLocation, sqlite_calreg: Calreg
) -> None:
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL)
    record_unsealed(sqlite_location, 2)
    result = sqlite_calreg("serve")
    assert (result.code, result.stdout) == (6, "")
    assert "revision 2 has no seal" in result.stderr
    assert "calreg database seal 2" in result.stderr


def test_a_service_is_no_database_to_serve(sqlite_calreg: Calreg) -> None:
    for url in ("https://calib.example.org", "HTTP://ana:secret@calib.example.org/"):
        result = sqlite_calreg("--database", url, "serve")
        assert (result.code, result.stdout) == (2, "")
        assert "that of a service" in result.stderr
        assert "secret" not in result.stderr


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
            with run_server(served) as (address, _), open_registry(address) as registry:
                assert registry.head.number == 0
        finally:
            with engine.begin() as connection:
                connection.execute(sa.text(f"DROP OWNED BY {reader}"))
                connection.execute(sa.text(f"DROP ROLE {reader}"))
            engine.dispose()


def test_a_worker_loads_neither_numpy_nor_what_draws_nor_migrates(sqlite_location: RegistryLocation) -> None:
    script = (
        "import sys; from registry.service.worker import build_service;"
        " import registry.service.openapi as document; document.build_document();"
        " print(sorted({'numpy', 'matplotlib', 'alembic', 'typer', 'rich', 'h5py', 'psycopg'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **sqlite_location.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
