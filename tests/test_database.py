"""Transactions: one revision or none, one writer at a time, readers that see one moment, and no secrets."""

import json
import multiprocessing
import os
import re
import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from registry import create_registry, instants, open_registry
from registry.api import Registry
from registry.authorship import build_signature, software_version
from registry.cli import app
from registry.database.forks import SQLiteConnection
from registry.database.transactions import Database
from registry.errors import (
    ConflictError,
    CorruptionError,
    NotFoundError,
    Remedy,
    RequestError,
    UnavailableError,
)
from registry.instants import Instant
from testing.panels import NEW_A, PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.refusals import assert_refused

SECRET = "s3kret-pw"  # noqa: S105 - the password that must not be seen again
WRITERS = 4
CHANGES = 10


def _everything(location: RegistryLocation) -> dict[str, list[Any]]:
    engine = location.engine()
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names()
        rows = {name: connection.execute(sa.text(f"SELECT * FROM {name}")).all() for name in names}
    engine.dispose()
    return rows


def test_a_refused_change_leaves_no_revision_and_no_row(
    location: RegistryLocation, registry: Registry
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    before = _everything(location)
    with pytest.raises(ConflictError, match=f"{PANEL_A} .*M068"):
        registry.panels.add(PANEL_A, alias="M088")
    with pytest.raises(ConflictError, match="M068"):  # after it recorded a panel in the same change
        registry.panels.add(NEW_A, alias="M088")
    assert _everything(location) == before
    assert registry.panels.add(PANEL_B).revision == 2


def test_every_connection_to_sqlite_asks_for_commits_that_wait_for_the_disk(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    execute = SQLiteConnection.execute

    def record(connection: SQLiteConnection, statement: str, *parameters: Any) -> sqlite3.Cursor:
        sent.append(statement)
        return execute(connection, statement, *parameters)

    monkeypatch.setattr(SQLiteConnection, "execute", record)
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
    assert {statement for statement in sent if "synchronous" in statement} == {"PRAGMA synchronous = FULL"}
    assert sent.count("PRAGMA synchronous = FULL") == sent.count("PRAGMA foreign_keys = ON")


def test_a_bug_in_the_middle_of_a_change_leaves_no_trace(
    location: RegistryLocation, registry: Registry
) -> None:
    before = _everything(location)

    def act(change: Any) -> None:
        from registry.registration.panels import add_panels

        add_panels(change, [PANEL_A])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        registry._backend.record_revision(act)
    assert _everything(location) == before
    assert registry.panels.add(PANEL_A).revision == 1


def test_a_dry_run_leaves_no_trace_and_takes_no_number(
    location: RegistryLocation, registry: Registry, tmp_path: Path
) -> None:
    folder = write_panel_folder(tmp_path / "arrays")
    registry.panels.add(PANEL_A)
    before, stored = _everything(location), sorted(location.store.rglob("*"))
    outcome = registry.versions.add(PANEL_A, folder, valid_from="20180101000000", dry_run=True)
    assert outcome.revision is None
    assert [version.kind for version in outcome.versions] == ["gain", "offset"]
    outcome = registry.panels.add(PANEL_B, alias="M088", dry_run=True)
    assert outcome.revision is None
    assert outcome.facts
    assert _everything(location) == before
    assert sorted(location.store.rglob("*")) == stored
    assert registry.panels.add(PANEL_B).revision == 2


def test_a_change_that_has_nothing_to_record_makes_no_revision(
    location: RegistryLocation, registry: Registry
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    before = _everything(location)
    assert registry.panels.add(PANEL_A, alias="M068").revision is None
    assert _everything(location) == before


def _write(location: RegistryLocation, writer: int) -> list[int | None]:
    with location.open() as registry:
        return [
            registry.runs.add(
                f"exp=xcsls{writer}:run={run}", begin="20180101000000", comment=str(writer)
            ).revision
            for run in range(1, CHANGES + 1)
        ]


def _refuse_gaps(location: RegistryLocation, numbers: list[list[int | None]]) -> None:
    """Assert that each writer's revisions follow each other, that all are there, and in order of time."""
    assert sorted(number or 0 for series in numbers for number in series) == list(
        range(1, WRITERS * CHANGES + 1)
    )
    for series in numbers:
        assert series == sorted(series, key=lambda number: number or 0)
    with location.open() as registry:
        log = registry.log()[::-1]
        assert [revision.revision for revision in log] == list(range(1, WRITERS * CHANGES + 1))
        instants_of = [revision.recorded_at for revision in log]
        assert instants_of == sorted(instants_of)
        assert len(registry.runs.list()) == WRITERS * CHANGES
        for run in registry.runs.list():
            assert log[run.recorded_in - 1].comment == run.experiment.removeprefix("xcsls")


@pytest.fixture(scope="module")
def processes() -> Iterator[Pool]:
    """As many processes as there are writers, all of them started."""
    with multiprocessing.get_context("spawn").Pool(WRITERS) as pool:
        pool.map(len, [""] * WRITERS, chunksize=1)
        yield pool


@pytest.mark.slow
def test_several_processes_write_gapless_revisions(location: RegistryLocation, processes: Pool) -> None:
    numbers = processes.starmap(_write, [(location, writer) for writer in range(WRITERS)], chunksize=1)
    _refuse_gaps(location, numbers)


def _init(location: RegistryLocation) -> str:
    return create_registry(location.database, location.store)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
def test_several_processes_that_run_init_at_once_create_one_registry(
    dialect: str, processes: Pool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'deep' / 'registry.sqlite'}"
    if dialect == "postgresql":
        url = request.getfixturevalue("empty_postgres")
    location = RegistryLocation(url, tmp_path / "store")
    created = processes.map(_init, [location] * 2 * WRITERS, chunksize=1)
    assert len(set(created)) == 1
    with location.open() as registry:
        assert registry.id == created[0]
        assert registry.differences() == []


@pytest.mark.slow
def test_several_threads_write_gapless_revisions(location: RegistryLocation) -> None:
    with ThreadPoolExecutor(WRITERS) as pool:
        numbers = list(pool.map(lambda writer: _write(location, writer), range(WRITERS)))
    _refuse_gaps(location, numbers)


def test_threads_share_one_open_registry(location: RegistryLocation, registry: Registry) -> None:
    def add(run: int) -> int | None:
        return registry.runs.add(f"exp=xcsls3716:run={run}").revision

    with ThreadPoolExecutor(WRITERS) as pool:
        numbers = list(pool.map(add, range(1, 13)))
    assert sorted(number or 0 for number in numbers) == list(range(1, 13))


def test_two_writers_of_the_same_thing_record_it_once(location: RegistryLocation) -> None:
    def add(_: int) -> int | None:
        with location.open() as registry:
            return registry.panels.add(PANEL_A, alias="M068").revision

    with ThreadPoolExecutor(WRITERS) as pool:
        numbers = list(pool.map(add, range(WRITERS)))
    assert sorted(numbers, key=lambda number: number or 0) == [None] * (WRITERS - 1) + [1]


def test_instants_of_revisions_never_run_backwards_when_the_clock_is_set_back(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = instants.now()
    for number, moment in enumerate((real, real - 3_600_000_000, real - 1, real + 5), start=1):
        monkeypatch.setattr(instants, "now", lambda moment=moment: Instant(moment))
        registry.runs.add(f"exp=xcsls3716:run={number}")
    assert [revision.recorded_at - real for revision in registry.log()[::-1]] == [0, 0, 0, 5]


def test_a_reader_sees_one_moment_whatever_writers_do(location: RegistryLocation, registry: Registry) -> None:
    count = sa.text("SELECT count(*), (SELECT max(number) FROM revision) FROM panel")
    registry.panels.add(PANEL_A)
    with registry._backend.database.read_transaction() as connection:
        first = connection.execute(count).one()
        with location.open() as other:
            assert other.panels.add(PANEL_B).revision == 2
        assert connection.execute(count).one() == first == (1, 1)
    with registry._backend.database.read_transaction() as connection:
        assert connection.execute(count).one() == (2, 2)


def test_a_reader_does_not_wait_for_a_writer(location: RegistryLocation, registry: Registry) -> None:
    database = registry._backend.database
    with database.write_transaction(build_signature()) as change:
        from registry.registration.panels import add_panels

        add_panels(change, [PANEL_A])
        with location.open() as other:
            assert other.panels.list() == []
    assert [panel.panel for panel in registry.panels.list()] == [PANEL_A]


@pytest.mark.parametrize("location", ["postgresql"], indirect=True)
def test_a_reader_on_postgresql_cannot_write(location: RegistryLocation, registry: Registry) -> None:
    before = _everything(location)
    statement = sa.text("INSERT INTO registry VALUES ('other', 1)")
    with (
        pytest.raises(UnavailableError, match="read-only transaction"),
        registry._backend.database.read_transaction() as connection,
    ):
        connection.execute(statement)
    assert _everything(location) == before
    assert registry.panels.add(PANEL_A).revision == 1, "a pooled connection of a reader may write again"


def test_a_revision_records_author_host_command_and_comment(
    location: RegistryLocation, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    import getpass
    import pwd
    import socket

    url = f"postgresql://lab:{SECRET}@db.example/calreg"
    words = ["/usr/bin/calreg", "--database", url, f"--database={url}", "panel", "add", PANEL_A]
    monkeypatch.setattr(sys, "argv", [*words, "--comment", "new sensor"])
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert getpass.getuser() == "somebody-else"
    registry.panels.add(PANEL_A, comment="new sensor")
    (revision,) = registry.log()
    assert revision.author == pwd.getpwuid(os.getuid()).pw_name
    assert revision.host == socket.gethostname()
    assert revision.comment == "new sensor"
    assert revision.software == software_version()
    assert revision.command == (
        "calreg --database 'postgresql://lab:***@db.example/calreg'"
        " '--database=postgresql://lab:***@db.example/calreg'"
        f" panel add {PANEL_A} --comment 'new sensor'"
    )
    if location.is_sqlite:
        assert revision.database_role is None
    else:
        engine = location.engine()
        with engine.connect() as connection:
            role = connection.execute(sa.text("SELECT current_user")).scalar_one()
        engine.dispose()
        assert revision.database_role == role


def _with_password(location: RegistryLocation, **changed: Any) -> str:
    url = sa.make_url(location.database).set(password=SECRET, **changed)
    return url.render_as_string(hide_password=False)


def _format_traceback(error: BaseException) -> str:
    """Return all that a traceback of this error prints, causes and contexts included."""
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize("location", ["postgresql"], indirect=True)
def test_a_password_reaches_no_log_no_revision_and_no_provenance(
    location: RegistryLocation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = _with_password(location)
    runner = CliRunner()
    output = []

    def calreg(*words: str) -> None:
        monkeypatch.setattr(sys, "argv", ["calreg", "--database", url, *words])
        result = runner.invoke(app, ["--database", url, "--store", str(location.store), *words])
        assert result.exit_code == 0, result.output
        output.append(result.output)

    folder = write_panel_folder(tmp_path / "arrays")
    calreg("init")
    calreg("panel", "add", PANEL_A)
    calreg(
        "version", "add", PANEL_A, str(folder), "--valid-from", "beginning", "--comment", "see the logbook"
    )
    calreg("export", PANEL_A, "--at", "20180101000000", "--output", str(tmp_path / "out"))
    calreg("log", "--json")
    calreg("verify", "--json")
    calreg("provenance", "show", str(tmp_path / "out" / "provenance.json"))
    revisions = json.loads(output[4])
    assert ["***" in revision["command"] for revision in revisions] == [True, True]
    for text in (*output, (tmp_path / "out" / "provenance.json").read_text(), repr(_everything(location))):
        assert SECRET not in text


@pytest.mark.parametrize("location", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"database": "nothing_here"}, 'database "nothing_here" does not exist'),
        ({"username": "nobody_here"}, 'role "nobody_here" does not exist'),
        ({"host": "127.0.0.1", "port": 1, "query": {}}, "port 1 failed"),
        ({"host": "/nowhere", "query": {}}, "No such file or directory"),
        ({"query": {"host": "127.0.0.1", "port": "1", "password": SECRET}}, "port 1 failed"),
        ({"query": {"sslmode": "wild"}}, "wild"),
    ],
    ids=["database", "role", "port", "socket", "password in the query", "sslmode"],
)
def test_a_server_that_refuses_is_unavailable_and_the_password_not_shown(
    location: RegistryLocation, changed: dict[str, Any], expected: str
) -> None:
    if os.environ.get("CALREG_TEST_POSTGRES") and "username" in changed:
        pytest.skip(
            "the server that CALREG_TEST_POSTGRES names may ask for passwords before it looks for roles"
        )
    url = _with_password(location, **changed)
    with pytest.raises(UnavailableError) as refusal:
        open_registry(url, location.store)
    assert expected in str(refusal.value)
    assert SECRET not in _format_traceback(refusal.value)
    result = CliRunner().invoke(app, ["--database", url, "panel", "list", "--json"], env=location.environment)
    assert result.exit_code == 8
    assert json.loads(result.stderr)["error"]["kind"] == "UnavailableError"
    assert SECRET not in result.output


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://lab:{}@host:port/calreg", "not a URL of a PostgreSQL database"),
        ("postgresql://lab:{}@[::1/calreg", "not a URL of a PostgreSQL database"),
        ("postgresql://lab:half@{}@host/calreg", "in a password it is written %40"),
        ("postgresql://lab:half@{}/x@host/calreg", "in a password it is written %40"),
        ("postgresql://lab:{}@127.0.0.1:1/calreg?colour=red", 'invalid connection option "colour"'),
        ("postgresql://lab:{}@127.0.0.1:1/calreg?connect_timeout=soon", "bad value for connect_timeout"),
        ("mysql://lab:{}@host/calreg", "not a database that calreg can use"),
    ],
)
def test_a_url_that_cannot_be_used_is_a_bad_request_and_the_password_not_shown(
    url: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=re.escape(expected)) as refusal:
        open_registry(url.format(SECRET), tmp_path)
    assert SECRET not in _format_traceback(refusal.value)


def test_a_missing_driver_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)  # what `import psycopg` meets where it is not installed
    url = f"postgresql://lab:{SECRET}@127.0.0.1:1/calreg"
    result = CliRunner().invoke(app, ["--database", url, "--store", str(tmp_path), "panel", "list"])
    assert result.exit_code == 8
    assert (
        result.stderr == "error: the PostgreSQL driver is not installed: pip install 'calreg[postgresql]'\n"
    )


def test_a_password_is_not_in_the_repr_of_engines_and_databases(location: RegistryLocation) -> None:
    database = Database(location.database if location.is_sqlite else _with_password(location))
    assert SECRET not in database.name
    assert SECRET not in repr(database._engine)
    with (
        # A bug; but whatever a server names as an error is a refusal.
        pytest.raises(sa.exc.DBAPIError if location.is_sqlite else UnavailableError) as bug,
        database.read_transaction() as connection,
    ):
        connection.execute(sa.text("SELECT FROM WHERE"))
    assert SECRET not in _format_traceback(bug.value)
    database.close()


@pytest.mark.parametrize("location", ["postgresql"], indirect=True)
def test_a_server_that_goes_away_is_unavailable_and_found_again(
    location: RegistryLocation, registry: Registry
) -> None:
    engine = location.engine()
    end = sa.text(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with engine.connect() as connection:
        connection.execute(end)
    with assert_refused(UnavailableError):
        registry.panels.add(PANEL_A)
    engine.dispose()
    assert registry.panels.add(PANEL_A).revision == 1


def test_a_read_only_file_answers_and_refuses_to_be_written(sqlite_location: RegistryLocation) -> None:
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
    content = bytearray(sqlite_location.file.read_bytes())
    content[18] = 3  # "written by a newer SQLite": may be read, not written, whoever the user is
    sqlite_location.file.write_bytes(content)
    with sqlite_location.open() as registry:
        assert [panel.panel for panel in registry.panels.list()] == [PANEL_A]
        with pytest.raises(UnavailableError, match="attempt to write a readonly database"):
            registry.panels.add(PANEL_B)
    assert sqlite_location.file.read_bytes() == content


FULL_DISK = """
import resource, signal, sys
from registry import open_registry
from registry.errors import RegistryError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open_registry(sys.argv[1], sys.argv[2]) as registry:
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
    try:
        registry.runs.import_table(sys.argv[3])
    except RegistryError as error:
        print(error.code, error)
"""


@pytest.mark.slow
def test_a_full_disk_refuses_the_change_and_keeps_what_was_there(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    from registry.sample import write_dataset_table

    table = tmp_path / "datasets.txt"
    write_dataset_table(table)
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
    arguments = [sqlite_location.database, str(sqlite_location.store), str(table)]
    result = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *arguments], capture_output=True, text=True, check=False
    )
    assert result.stderr == ""
    assert result.stdout.startswith("8 the database sqlite:///")
    assert "cannot be used: " in result.stdout
    with sqlite_location.open() as registry:
        assert [revision.revision for revision in registry.log()] == [1]
        assert registry.runs.list() == []
        assert registry.differences() == []


def test_a_damaged_page_is_corruption(sqlite_location: RegistryLocation) -> None:
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
    engine = sqlite_location.engine()
    with engine.connect() as connection:
        size = connection.execute(sa.text("PRAGMA page_size")).scalar_one()
        page = connection.execute(
            sa.text("SELECT rootpage FROM sqlite_master WHERE name = 'panel'")
        ).scalar_one()
    engine.dispose()
    content = bytearray(sqlite_location.file.read_bytes())
    content[(page - 1) * size : page * size] = b"\xff" * size
    sqlite_location.file.write_bytes(content)
    with sqlite_location.open() as registry:
        with pytest.raises(CorruptionError, match="malformed"):
            registry.panels.list()
        with pytest.raises(CorruptionError, match="malformed"):
            registry.panels.add(PANEL_B)
    result = CliRunner().invoke(app, ["panel", "list"], env=sqlite_location.environment)
    assert (result.exit_code, result.stdout) == (6, "")


def test_a_missing_directory_is_unavailable_and_not_made(tmp_path: Path) -> None:
    missing = tmp_path / "not" / "here"
    with assert_refused(UnavailableError, remedy=Remedy.GIVE_DATABASE):
        open_registry(f"sqlite:///{missing / 'r.sqlite'}")
    assert not (tmp_path / "not").exists()


def test_a_folder_in_place_of_the_file_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="unable to open database file"):
        open_registry(f"sqlite:///{tmp_path}")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a b.sqlite", "50%25 #1.sqlite", "ünï.sqlite", "semi;colon'quote.sqlite"])
def test_a_file_may_have_any_name(name: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / name}"
    created = create_registry(url)
    with open_registry(url) as registry:
        assert registry.id == created
        with pytest.raises(NotFoundError):
            registry.panels.find(PANEL_A)
    assert (tmp_path / name).is_file()
