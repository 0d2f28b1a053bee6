"""A database that becomes another one under a running service: no answer of the former is sent for the present one."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry import schema, transport
from registry.api import create_registry, open_registry
from registry.api.copies import copy_registry
from registry.api.readings import READINGS
from registry.errors import CorruptionError, Remedy, UnavailableError
from registry.instants import now
from registry.service import served_registry
from registry.service.application import build_application
from registry.service.options import Options
from testing.clients import Client
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation
from testing.services import make_state, serve_application, serve_in_thread, wait_for_a_look
from tests.refusals import assert_refused
from tests.test_late_seals import record_unsealed

pytestmark = pytest.mark.small_panels


def _replace(target: RegistryLocation, source: RegistryLocation) -> None:
    """Put the file of one database in the place of another one, as a restoration does."""
    assert target.file is not None
    assert source.file is not None
    arriving = target.file.with_name("arriving")
    shutil.copy(source.file, arriving)
    for suffix in ("-wal", "-shm"):
        target.file.with_name(f"{target.file.name}{suffix}").unlink(missing_ok=True)
    arriving.rename(target.file)
    wait_for_a_look()


def _add_panel(location: RegistryLocation, panel: str) -> None:
    with location.open() as registry:
        registry.panels.add(panel)


@pytest.fixture
def copied(sqlite_location: RegistryLocation, tmp_path: Path) -> RegistryLocation:
    """A copy of the registry with its first revision, made before it has others."""
    _add_panel(sqlite_location, PANEL_A)
    return RegistryFactory(tmp_path / "copies").copy(sqlite_location, tmp_path / "copied")


def test_no_answer_of_a_registry_is_sent_once_its_file_is_another_registrys(
    sqlite_location: RegistryLocation, sqlite_factory: RegistryFactory, tmp_path: Path
) -> None:
    other = sqlite_factory.make_empty("sqlite", tmp_path / "other")
    create_registry(other.database, other.store)
    _add_panel(sqlite_location, PANEL_A)
    _add_panel(other, PANEL_B)
    with serve_in_thread(sqlite_location) as url:
        client = Client(url)
        kept = f"{client.pin}/panels"
        assert [client.get(kept)[0]["panel"] for _ in range(2)] == [PANEL_A] * 2
        etag = client(kept).headers["etag"]
        own = sqlite_location.file
        assert own is not None
        saved = own.rename(own.with_name("saved"))
        wait_for_a_look()
        wait_for_a_look()
        assert client.refuse(kept) == (503, 8)
        assert client.refuse(kept, if_none_match=etag) == (503, 8)
        assert client.refuse("/healthz") == (503, 8)
        _replace(sqlite_location, other)
        assert client.refuse(kept) == (503, 8)  # the store is another registry's
        assert client.refuse("/v1/head") == (503, 8)
        shutil.rmtree(sqlite_location.store)
        shutil.copytree(other.store, sqlite_location.store)
        own.touch()  # else the refusal is repeated for a second
        wait_for_a_look()
        wait_for_a_look()
        assert client.refuse(kept) == (409, 5)
        assert client.refuse(kept, if_none_match=etag) == (409, 5)
        assert client.get(f"{client.pin}/panels")[0]["panel"] == PANEL_B
        assert saved.exists()


def test_an_older_copy_that_is_restored_answers_what_it_knows_and_says_what_it_lacks(
    sqlite_location: RegistryLocation, copied: RegistryLocation
) -> None:
    with serve_in_thread(sqlite_location) as url:
        client = Client(url)
        first = client.pin
        _add_panel(sqlite_location, PANEL_B)
        second = client.pin
        assert len(client.get(f"{second}/panels")) == 2
        _replace(sqlite_location, copied)
        assert client.refuse(f"{second}/panels") == (503, 8)
        assert len(client.get(f"{first}/panels")) == 1
        head = client.get("/v1/head")
        assert head["revision"] == 1
        assert "older copy" in head["warnings"][0]
        _add_panel_beside_lost_head(sqlite_location)
        assert client.refuse(f"{second}/panels") == (409, 5)


def _add_panel_beside_lost_head(location: RegistryLocation) -> None:
    (location.store / "head.json").unlink()
    _add_panel(location, "1-1-1")


def test_a_file_with_the_same_name_size_and_place_is_asked_anew(
    sqlite_location: RegistryLocation, copied: RegistryLocation
) -> None:
    assert sqlite_location.file is not None
    assert copied.file is not None
    with serve_in_thread(sqlite_location) as url:
        client = Client(url)
        first = client.pin
        assert len(client.get(f"{first}/panels")) == 1
        _add_panel(copied, PANEL_B)
        with copied.engine().begin() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        content = copied.file.read_bytes()
        with sqlite_location.file.open("r+b") as file:  # the same inode
            file.write(content)
            file.truncate()
        wait_for_a_look()
        assert client.get("/v1/head")["revision"] == 2
        assert len(client.get(f"{client.pin}/panels")) == 2


def test_a_registry_that_moved_says_so_as_the_local_command_does(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    with (
        serve_in_thread(sqlite_location) as url,
        serve_in_thread(sqlite_location, Options(public=True)) as shown,
    ):
        client = Client(url)
        assert "closed" not in client.get("/v1/head")
        target = f"sqlite:///{tmp_path / 'moved' / 'registry.sqlite'}"
        copy_registry(target, None, sqlite_location.database, sqlite_location.store)
        closed = client.get("/v1/head")["closed"]
        assert (closed["reason"], "moved" in closed["place"]) == ("departure", True)
        with open_registry(url) as remote, sqlite_location.open() as local:
            assert str(remote.closure) == str(local.closure)
        with open_registry(shown) as remote:
            assert str(tmp_path) not in str(remote.closure)
            assert remote.closure is not None


def test_an_export_through_a_service_warns_of_a_stale_copy_as_a_local_one(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    write_panel_folder(tmp_path / "files", 1)
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, tmp_path / "files", valid_from="2018-01-01T00:00:00Z")
    stale = RegistryFactory(tmp_path / "copies").copy(sqlite_location, tmp_path / "stale")
    _add_panel(sqlite_location, PANEL_B)
    served = RegistryLocation(stale.database, sqlite_location.store)
    with serve_in_thread(served) as url, open_registry(url) as remote, served.open() as local:
        exports = [
            opened.export(PANEL_A, tmp_path / name, at="2018-02-01T00:00:00Z")
            for name, opened in (("remote", remote), ("local", local))
        ]
        assert exports[0].warnings == exports[1].warnings
        assert "older copy" in exports[0].warnings[0]
        as_of = remote.export(PANEL_A, tmp_path / "as-of", at="2018-02-01T00:00:00Z", as_of=2)
        assert as_of.warnings == ()


def test_a_server_that_lags_behind_another_one_never_answers_for_it(
    sqlite_location: RegistryLocation, copied: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "_ATTEMPTS", 1)
    _add_panel(sqlite_location, PANEL_B)
    states = [make_state(place) for place in (sqlite_location, copied)]
    servers = [build_application(state) for state in states]

    async def balance(scope: object, receive: object, send: object) -> None:
        await servers[0](scope, receive, send)  # type: ignore[arg-type] - as the application of a balancer

    with serve_application(balance) as url, open_registry(url) as remote:
        assert remote.head.number == 2
        servers.reverse()
        for ask in (
            remote.panels.list,
            lambda: remote.show(PANEL_A),
            lambda: remote.list_affected_runs(since=1),
            lambda: remote.panels.list(as_of=now()),
            lambda: remote.panels.list(as_of="spring"),
            remote.exports.list,
        ):
            with pytest.raises(UnavailableError, match="ends with revision 1") as refusal:
                ask()
            assert refusal.value.code == 8
        servers.reverse()
        assert len(remote.panels.list()) == 2
    for state in states:
        state.close()


def test_every_question_of_a_newer_revision_is_refused_as_not_known_yet(
    sqlite_location: RegistryLocation,
) -> None:
    with serve_in_thread(sqlite_location) as url:
        client = Client(url)
        newer = "999-0123456789abcdef"
        for reading in READINGS:
            names = {name: f"{{{name}}}" for name in reading.path_names}
            path = reading.path
            for name in names:
                number = next(p.sort.name == "NUMBER" for p in reading.parameters if p.name == name)
                path = path.replace(f"{{{name}}}", "1" if number else "M068")
            start = f"/v1/{path}?as_of={newer}" if reading.is_live else f"/v1/r/{newer}/{path}?"
            status, code = client.refuse(start)
            assert (status, code) in {(503, 8), (400, 2)}, path


KILL_WRITER = """
import os, signal
from registry import open_registry
with open_registry() as registry:
    registry.panels.add("{panel}")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_log_of_a_writer_that_was_killed_is_read(sqlite_location: RegistryLocation) -> None:
    script = KILL_WRITER.format(panel=PANEL_A)
    environment = {**os.environ, **sqlite_location.environment}
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    assert sqlite_location.file is not None
    assert sqlite_location.file.with_name("registry.sqlite-wal").stat().st_size > 0
    with serve_in_thread(sqlite_location) as url:
        client = Client(url)
        assert client.get("/v1/head")["revision"] == 1
        assert client.get(f"{client.pin}/panels")[0]["panel"] == PANEL_A


def test_a_database_that_newer_software_upgrades_answers_nothing_any_more(
    location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_registry, "_MOMENT", 0.0)
    _add_panel(location, PANEL_A)
    with serve_in_thread(location) as url:
        client = Client(url)
        kept = f"{client.pin}/panels"
        etag = client(kept).headers["etag"]
        assert len(client.get(kept)) == 1
        for version in ("9999", "0001", "of-others"):
            _set_schema(location, version)
            for path in (
                kept,
                "/v1/head",
                "/v1/exports",
                "/healthz",
                "/v1/history",
                f"{_find_pin(kept)}/log",
            ):
                assert client.refuse(path) == (500, 7), version
            assert client.refuse(kept, if_none_match=etag) == (500, 7)
        _set_schema(location, schema.REVISION)
        assert len(client.get(kept)) == 1


def _find_pin(path: str) -> str:
    return path.rpartition("/")[0]


def _set_schema(location: RegistryLocation, version: str) -> None:
    engine = location.engine()
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :version"), {"version": version})
    engine.dispose()


def test_a_revision_without_a_seal_is_refused_by_name_and_earlier_pins_are_answered(
    location: RegistryLocation,
) -> None:
    _add_panel(location, PANEL_A)
    with serve_in_thread(location) as url:
        client = Client(url)
        kept = f"{client.pin}/panels"
        record_unsealed(location, 2)
        with assert_refused(CorruptionError, 2, remedy=Remedy.SEAL_REVISION, revision=2), open_registry(url):
            pass
        assert client.refuse("/healthz") == (500, 6)
        assert len(client.get(kept)) == 1
        with location.open() as registry:
            registry.seal_revision(2, comment="of a tool that was killed")
        assert client.get("/v1/head")["revision"] == 2
