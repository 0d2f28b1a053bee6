"""URLs of PostgreSQL servers: several hosts, a schema by the search path, options of the driver, poolers."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.api import create_registry
from registry.api.backups import restore_registry
from registry.api.copies import copy_registry
from registry.api.database_check import check_database
from registry.database.engine import make_engine
from registry.errors import CorruptionError, RequestError, SchemaError, UnavailableError
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.programs import MissingProgramError
from testing.registries import PostgresServer, RegistryLocation
from testing.servers import Pooler, Standby
from tests.cli import Calreg
from tests.conftest import make_location
from tests.refusals import assert_refused
from tests.selection import keep_first

pytestmark = pytest.mark.small_panels

BEGIN = "2020-01-01T00:00:00Z"


@pytest.fixture
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryLocation]:
    yield from make_location(request, tmp_path, "postgresql")


def at(location: RegistryLocation, url: str) -> RegistryLocation:
    return RegistryLocation(url, location.store)


def split_place(location: RegistryLocation) -> tuple[str, str]:
    """Return the folder of the server's socket and the name of the database."""
    url = sa.make_url(location.database)
    return str(url.query["host"]), str(url.database)


@pytest.mark.slow
def test_a_list_of_hosts_finds_the_server_that_is_wanted(
    location: RegistryLocation, standby: Standby
) -> None:
    socket, name = split_place(location)
    standby.follow()
    hosts = [str(standby.folder), socket]
    encoded = ",".join(host.replace("/", "%2F") for host in hosts)
    for place in (f"{name}?host={','.join(hosts)}&", f"{name}?host={hosts[0]}&host={hosts[1]}&"):
        with at(
            location, f"postgresql://postgres@/{place}target_session_attrs=read-write"
        ).open() as registry:
            registry.tags.list()
            registry.panels.add(PANEL_A)
    with at(
        location, f"postgres://postgres@{encoded}/{name}?target_session_attrs=primary"
    ).open() as registry:
        registry.panels.add(PANEL_B)
    url = f"postgresql://postgres@{encoded.replace(',', ':5432,')}:5432/{name}?target_session_attrs=standby"
    with at(location, url).open() as registry, assert_refused(UnavailableError):
        registry.tags.add("summer")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
@pytest.mark.parametrize(
    ("hosts", "host", "port"),
    [
        ("h1:5432,h2:5433", "h1,h2", "5432,5433"),
        ("h1,h2", "h1,h2", ","),
        ("[::1]:1,[fe80::1]", "::1,fe80::1", "1,"),
        ("%2Frun%2Fpostgresql", "/run/postgresql", ""),
    ],
)
def test_hosts_are_read_as_libpq_reads_them(scheme: str, hosts: str, host: str, port: str) -> None:
    engine = make_engine(f"{scheme}://me:secret@{hosts}/calreg?target_session_attrs=any")
    taken: dict[str, object] = {}

    @sa.event.listens_for(engine, "do_connect")
    def take(_dialect: object, _record: object, _arguments: object, parameters: dict[str, object]) -> None:
        taken.update(parameters)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        engine.connect()
    expected = {"host": host, "port": port, "user": "me", "password": "secret", "dbname": "calreg"}
    assert {name: taken[name] for name in expected} == expected
    assert taken["target_session_attrs"] == "any"
    assert taken["client_encoding"] == "utf8"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://h1:x,h2/calreg",
        "postgresql://h1,h2%00/calreg",
        "postgresql://h/calreg?autocommit=1",
        "postgresql://h/calreg?row_factory=dict_row",
        "postgresql://h/calreg?cursor_factory=x",
        "postgresql://h/calreg?context=x",
        "postgresql://h/calreg?prepare_threshold=0",
        "postgresql://h/calreg?prepare_threshold=-1",
        "postgresql://h/calreg?prepare_threshold=many",
        "postgresql://h/calreg?pgbouncer=maybe",
        "postgresql://u:S3cret@h1,u2:S3cret@h2/calreg",
    ],
)
def test_a_url_that_means_nothing_is_refused_before_a_connection(url: str) -> None:
    with assert_refused(RequestError) as refusal:
        make_engine(url)
    assert "S3cret" not in str(refusal.value)


def in_schema(location: RegistryLocation, path: str, store: Path) -> RegistryLocation:
    url = sa.make_url(location.database).update_query_dict({"options": f"-csearch_path={path}"})
    return RegistryLocation(url.render_as_string(hide_password=False), store)


def execute(location: RegistryLocation, *statements: str) -> None:
    engine = location.engine()
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("path", keep_first(['"Odd\\ Name"', "lab", "lab,public", '"Lab",public']))
def test_a_registry_in_another_schema_is_apart_from_that_in_public(
    location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    name = path.partition(",")[0].strip('"').replace("\\", "")
    execute(location, f'CREATE SCHEMA "{name}"')
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.backup(tmp_path / "backup")
    other = in_schema(location, path, tmp_path / "other")
    with assert_refused(SchemaError):
        other.open()
    create_registry(other.database, other.store)
    with other.open() as registry:
        assert registry.log() == []
        registry.panels.add(PANEL_B)
        folder = write_panel_folder(tmp_path / "constants")
        registry.versions.add(PANEL_B, folder, valid_from="beginning")
        assert registry.verify().problems == ()
    check = Calreg(other, monkeypatch).run("database", "check", "--json").json
    assert (check["differences"], check["schema"]) == ([], name)
    assert (
        f"the registry is in the schema {name} " in Calreg(other, monkeypatch).run("database", "check").stdout
    )
    quoted = name if name == "lab" else f'"{name}"'
    assert f"{quoted}.revision" in read_function(location, name)
    with location.open() as registry:
        assert [panel.panel for panel in registry.panels.list()] == [PANEL_A]
        assert registry.verify().problems == ()
    execute(location, f'DROP SCHEMA "{name}" CASCADE', f'CREATE SCHEMA "{name}"')
    restore_registry(tmp_path / "backup", other.database, tmp_path / "restored")
    with RegistryLocation(other.database, tmp_path / "restored").open() as registry:
        assert registry.verify().problems == ()


def read_function(location: RegistryLocation, schema: str) -> str:
    query = (
        "SELECT prosrc FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace"
        " WHERE proname = 'calreg_insert_tag' AND nspname = :schema"
    )
    engine = location.engine()
    with engine.connect() as connection:
        text = connection.execute(sa.text(query), {"schema": schema}).scalar_one()
    engine.dispose()
    return str(text)


@pytest.mark.slow
def test_transactions_of_a_pooler_record_and_read_in_threads_and_forks(
    location: RegistryLocation, pooler: Pooler
) -> None:
    through = at(location, pooler.find_url(location.database))

    def work(number: int) -> None:
        with through.open() as registry:
            for step in range(7):  # a statement is prepared when it is sent for the sixth time
                registry.tags.add(f"t{number}-{step}")
                registry.log()

    with through.open() as registry:
        registry.panels.add(PANEL_A)
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(work, range(4)))
        child = os.fork()
        if child == 0:
            registry.tags.add("child")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert registry.tags.add("parent").revision == 31
        assert registry.verify().problems == ()


@pytest.mark.slow
def test_a_registry_is_made_copied_and_restored_through_a_pooler(
    location: RegistryLocation, pooler: Pooler, empty_postgres: str, tmp_path: Path
) -> None:
    through = at(location, pooler.find_url(location.database))
    with through.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "constants"), valid_from="beginning")
        assert registry.export(PANEL_A, tmp_path / "out", at=BEGIN).recorded
        registry.backup(tmp_path / "backup")
    target = pooler.find_url(empty_postgres)
    copy_registry(target, tmp_path / "new", through.database, through.store)
    with RegistryLocation(target, tmp_path / "new").open() as registry:
        assert registry.verify().problems == ()


@pytest.mark.slow
def test_a_search_path_that_a_pooler_refuses_or_ignores_is_not_taken_for_another(
    location: RegistryLocation, pooler: Pooler, own_postgres_server: PostgresServer
) -> None:
    execute(location, "CREATE SCHEMA lab")
    with assert_refused(UnavailableError, "options"):
        at(location, pooler.find_url(location.database, options="-csearch_path=lab")).open()
    with Pooler(own_postgres_server, "transaction", "ignore_startup_parameters = options") as careless:
        with assert_refused(UnavailableError, "lab", "public"):
            at(location, careless.find_url(location.database, options="-c search_path=lab")).open()
        with at(location, careless.find_url(location.database, options="-c work_mem=4MB")).open() as registry:
            registry.panels.add(PANEL_A)


@pytest.mark.slow
@pytest.mark.parametrize("way", keep_first(["pooler", "options", "database"]))
@pytest.mark.parametrize("setting", ["quote_all_identifiers=on", "extra_float_digits=-10"])
def test_no_setting_of_a_server_changes_what_is_read_copied_or_compared(
    location: RegistryLocation, request: pytest.FixtureRequest, tmp_path: Path, way: str, setting: str
) -> None:
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "constants"), valid_from="beginning")
    url = location.database
    if way == "options":
        url = sa.make_url(url).update_query_dict({"options": f"-c {setting}"}).render_as_string(False)
    else:
        execute(location, f"ALTER DATABASE {sa.make_url(url).database} SET {setting}")
    if way == "pooler":
        url = request.getfixturevalue("pooler").find_url(url)
    with at(location, url).open() as registry:
        assert registry.verify().problems == ()
        registry.backup(tmp_path / "backup")
    copy = RegistryLocation(f"sqlite:///{tmp_path}/copy.sqlite", tmp_path / "store")
    restore_registry(tmp_path / "backup", copy.database, copy.store)
    with copy.open() as registry:
        assert registry.verify().problems == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [("log",), ("tag", "add", "summer"), ("init",), ("validity", PANEL_A), ("verify",)]
)
def test_a_pooler_of_statements_is_refused(
    location: RegistryLocation,
    own_postgres_server: PostgresServer,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
) -> None:
    try:
        statements = Pooler(own_postgres_server, "statement")
    except MissingProgramError as error:
        pytest.skip(str(error))
    with statements:
        through = at(location, statements.find_url(location.database))
        error = Calreg(through, monkeypatch).assert_refused(8, *command)
    assert "statement pooling" in error["message"]


@pytest.mark.slow
@pytest.mark.parametrize("option", [{"pgbouncer": "true"}, {"prepare_threshold": "none"}])
def test_no_statement_is_prepared_where_the_url_says_so(
    location: RegistryLocation, option: dict[str, str]
) -> None:
    url = sa.make_url(location.database).update_query_dict(option).render_as_string(hide_password=False)
    engine = make_engine(url)
    with engine.connect() as connection:
        for _ in range(8):
            connection.execute(sa.text("SELECT 1"))
        assert connection.execute(sa.text("SELECT count(*) FROM pg_prepared_statements")).scalar_one() == 0
    engine.dispose()


@pytest.mark.slow
def test_rows_of_a_dump_are_refused_by_a_registry_that_is_there(
    location: RegistryLocation, own_postgres_server: PostgresServer, empty_postgres: str, tmp_path: Path
) -> None:
    import subprocess

    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.tags.add("summer")
    programs = Path(own_postgres_server.wheel.bin_path)
    dump = tmp_path / "dump"

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([programs / program, *arguments], capture_output=True, text=True, check=False)

    assert run("pg_dump", "-Fc", "-f", str(dump), "-d", location.database).returncode == 0
    target = RegistryLocation(empty_postgres, tmp_path / "target")
    create_registry(target.database, target.store)
    with target.open() as registry:
        own = registry.id
    for option in ((), ("--disable-triggers",)):
        refused = run("pg_restore", "--data-only", *option, "-1", "-d", target.database, str(dump))
        assert refused.returncode != 0
        with target.open() as registry:
            assert (registry.id, registry.log()) == (own, [])
            assert registry.verify().problems == ()
        assert check_database(target.database) == []
    # A superuser who goes on after an error has the rows of both: no verb takes it for a registry.
    run("pg_restore", "--data-only", "--disable-triggers", "-d", target.database, str(dump))
    with assert_refused(CorruptionError):
        target.open()
    execute(target, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    assert run("pg_restore", "-1", "--no-owner", "-d", target.database, str(dump)).returncode in (0, 1)
    shutil.rmtree(target.store)
    shutil.copytree(location.store, target.store)
    with target.open() as registry:
        assert registry.verify().problems == ()
        assert registry.panels.add(PANEL_B).revision == 3
