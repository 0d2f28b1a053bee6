"""The schema is upgraded, downgraded and upgraded again; a database that is not a registry's is left unchanged."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from registry import schema
from registry.api import Registry, create_registry, upgrade_database
from registry.cli import app
from registry.cli.remedies import WORDS
from registry.database import migrations
from registry.database.engine import make_engine
from registry.errors import Remedy, SchemaError, UnavailableError
from testing.panels import PANEL_A
from testing.registries import RegistryLocation
from tests.refusals import assert_refused
from tests.test_schema import catalogue

VERBS = (["panel", "list"], ["database", "check"], ["database", "upgrade"], ["verify"], ["log"])

FAILING = '''
"""Do some of it, and fail."""
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "0013", "0012", None, None

def upgrade():
    op.add_column("run", sa.Column("weather", sa.Text()))
    op.create_table("extra", sa.Column("id", sa.Integer(), primary_key=True))
    op.execute("INSERT INTO extra VALUES (1)")
    op.execute("INSERT INTO extra VALUES (2, 'nowhere')")
'''


@pytest.fixture
def engine(location: RegistryLocation) -> Iterator[sa.Engine]:
    created = location.engine()
    yield created
    created.dispose()


@pytest.fixture
def ours(location: RegistryLocation) -> Iterator[sa.Engine]:
    """The engine with which the registry itself opens the database."""
    created = make_engine(location.database)
    yield created
    created.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> RegistryLocation:
    """A database that holds nothing: an empty file, or one just made on the server."""
    if request.param == "postgresql":
        return RegistryLocation(request.getfixturevalue("empty_postgres"), tmp_path / "store")
    (tmp_path / "empty.sqlite").touch()
    return RegistryLocation(f"sqlite:///{tmp_path / 'empty.sqlite'}", tmp_path / "store")


def _execute(location: RegistryLocation, *statements: str) -> None:
    engine = location.engine()
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))
    engine.dispose()


def _tables(engine: sa.Engine) -> set[str]:
    return set(sa.inspect(engine).get_table_names())


def _stamp(location: RegistryLocation, number: str) -> None:
    _execute(location, f"UPDATE alembic_version SET version_num = '{number}'")


def _assert_all_refuse(location: RegistryLocation, *values: str, code: int = 7, but: str = "") -> None:
    """Assert that every verb ends with this code and one sentence with these values, and no answer."""
    for verb in VERBS:
        if " ".join(verb) == but:
            continue
        result = CliRunner().invoke(app, verb, env=location.environment)
        assert result.exit_code == code, (verb, result.output)
        assert not result.stdout
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
        for value in values:
            assert value in result.stderr, verb


@pytest.mark.slow
def test_the_schema_goes_up_down_and_up_again(
    location: RegistryLocation, engine: sa.Engine, ours: sa.Engine
) -> None:
    first = catalogue(engine)
    migrations.downgrade(ours, "base")
    assert _tables(engine) <= {"alembic_version"}
    assert catalogue(engine) == {}
    with engine.connect() as connection:
        assert migrations.read_schema_revision(connection) is None
        if not location.is_sqlite:
            left = connection.execute(sa.text("SELECT proname FROM pg_proc WHERE proname LIKE 'calreg%'"))
            assert left.all() == []
    with migrations.upgrade_transaction(ours) as upgrade:
        assert (upgrade.before, upgrade.after) == (None, schema.REVISION)
    assert catalogue(engine) == first
    shutil.rmtree(location.store)
    create_registry(location.database, location.store)
    with location.open() as registry:
        assert registry.differences() == []
        assert registry.panels.add(PANEL_A).revision == 1


def _read_guards(engine: sa.Engine) -> list[object]:
    """Return the texts of all triggers and of their functions, in the order in which SQLite fires them."""
    queries = {
        "sqlite": ["SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid"],
        "postgresql": [
            (
                "SELECT proname, prosrc, proconfig, prosecdef, provolatile, proisstrict FROM pg_proc"
                " WHERE pronamespace = current_schema()::regnamespace ORDER BY proname"
            ),
            "SELECT pg_get_triggerdef(oid), tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY tgname, tgrelid",
        ],
    }[engine.dialect.name]
    with engine.connect() as connection:
        return [connection.execute(sa.text(query)).all() for query in queries]


@pytest.mark.slow
def test_the_guards_of_schema_0007_come_back_byte_for_byte(
    location: RegistryLocation, engine: sa.Engine, ours: sa.Engine
) -> None:
    """Migrations before 0008 replace parts of these texts."""
    newest = _read_guards(engine)
    migrations.downgrade(ours, "base")
    with migrations.upgrade_transaction(ours, "0007"):
        pass
    former = _read_guards(engine)
    with migrations.upgrade_transaction(ours):
        pass
    assert _read_guards(engine) == newest
    migrations.downgrade(ours, "0007")
    assert _read_guards(engine) == former
    migrations.downgrade(ours, "0001")


@pytest.mark.slow
def test_an_upgrade_replaces_guards_in_whatever_state_they_are(
    location: RegistryLocation, engine: sa.Engine, ours: sa.Engine
) -> None:
    newest = _read_guards(engine)
    migrations.downgrade(ours, "0007")
    _execute(
        location,
        *(
            [
                "DROP TRIGGER version_update",
                "CREATE TRIGGER version_update BEFORE UPDATE ON version BEGIN SELECT 1; END",
                "DROP TRIGGER run_insert",
            ]
            if location.is_sqlite
            else [
                "CREATE OR REPLACE FUNCTION calreg_refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
                "CREATE FUNCTION calreg_refuse(number integer) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
                "ALTER TABLE version DISABLE TRIGGER version_update",
                "ALTER TRIGGER run_insert ON run RENAME TO of_runs",
                "DROP TRIGGER run_delete ON run",
                "ALTER FUNCTION calreg_withdraw() RENAME TO calreg_draw",
            ]
        ),
    )
    assert upgrade_database(location.database) == ("0007", schema.REVISION)
    assert _read_guards(engine) == newest


@pytest.mark.slow
def test_a_registry_with_revisions_does_not_go_down(
    location: RegistryLocation, registry: Registry, engine: sa.Engine, ours: sa.Engine
) -> None:
    registry.panels.add(PANEL_A)
    first = catalogue(engine)
    with pytest.raises(RuntimeError, match="going below schema 0001 would lose them all"):
        migrations.downgrade(ours, "base")
    assert catalogue(engine) == first
    with location.open() as again:
        assert [panel.panel for panel in again.panels.list()] == [PANEL_A]
        assert again.differences() == []


def test_an_upgrade_of_an_up_to_date_schema_changes_nothing(
    location: RegistryLocation, registry: Registry, engine: sa.Engine
) -> None:
    registry.panels.add(PANEL_A)
    first, log = catalogue(engine), registry.log()
    for _ in range(2):
        assert upgrade_database(location.database) == (schema.REVISION, schema.REVISION)
    result = CliRunner().invoke(app, ["database", "upgrade"], env=location.environment)
    assert (result.exit_code, result.stdout) == (0, f"schema {schema.REVISION}, as before\n")
    assert catalogue(engine) == first
    assert registry.log() == log


def test_an_older_schema_is_refused_with_the_upgrade_to_run(location: RegistryLocation) -> None:
    _stamp(location, "0000")
    advice = WORDS[Remedy.UPGRADE_SCHEMA]
    _assert_all_refuse(location, "0000", schema.REVISION, str(advice), but="database upgrade")


def test_a_newer_schema_is_refused_with_the_software_to_install(
    location: RegistryLocation, engine: sa.Engine
) -> None:
    _stamp(location, "9999")
    first = catalogue(engine)
    _assert_all_refuse(location, "9999", schema.REVISION)
    with assert_refused(SchemaError, found="9999", wanted=schema.REVISION) as refusal:
        create_registry(location.database, location.store)
    assert "install the calreg that wrote it" in refusal.value.message
    assert catalogue(engine) == first


def test_an_unknown_schema_is_refused(location: RegistryLocation) -> None:
    _stamp(location, "ab12cd")
    _assert_all_refuse(location, "'ab12cd'")
    with assert_refused(SchemaError, found="ab12cd"):
        create_registry(location.database, location.store)


def test_a_database_with_other_tables_is_refused_and_left_unchanged(empty: RegistryLocation) -> None:
    _execute(empty, "CREATE TABLE customers (id INTEGER)", "INSERT INTO customers VALUES (7)")
    _assert_all_refuse(empty, "customers")
    with assert_refused(SchemaError, tables=["customers"]):
        create_registry(empty.database, empty.store)
    engine = empty.engine()
    assert _tables(engine) == {"customers"}
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT id FROM customers")).scalars().all() == [7]
    engine.dispose()
    assert not empty.store.exists()


def test_a_database_with_other_tables_and_migrations_is_refused(empty: RegistryLocation) -> None:
    _execute(
        empty,
        "CREATE TABLE alembic_version (version_num VARCHAR(32))",
        "INSERT INTO alembic_version VALUES ('0001')",
        "CREATE TABLE customers (id INTEGER)",
    )
    _assert_all_refuse(empty, "alembic_version, customers")


@pytest.mark.slow
def test_an_empty_database_is_refused_with_the_init_to_run(empty: RegistryLocation) -> None:
    _assert_all_refuse(empty, "no registry", str(WORDS[Remedy.CREATE_REGISTRY]))
    engine = empty.engine()
    assert _tables(engine) == set()
    engine.dispose()
    create_registry(empty.database, empty.store)
    with empty.open() as registry:
        assert registry.differences() == []


def test_tables_without_a_registry_in_them_are_refused_and_init_completes_them(
    empty: RegistryLocation,
) -> None:
    ours = make_engine(empty.database)
    with migrations.upgrade_transaction(ours):
        pass
    ours.dispose()
    _assert_all_refuse(empty, "no registry", str(WORDS[Remedy.CREATE_REGISTRY]), but="database upgrade")
    created = create_registry(empty.database, empty.store)
    with empty.open() as registry:
        assert registry.id == created


def test_a_file_that_is_not_a_database_is_refused_and_left_unchanged(tmp_path: Path) -> None:
    file = tmp_path / "notes.sqlite"
    content = b"pedestals taken on Tuesday\n" * 400
    file.write_bytes(content)
    location = RegistryLocation(f"sqlite:///{file}", tmp_path / "store")
    _assert_all_refuse(location, f"sqlite:///{file} is not a SQLite database")
    with pytest.raises(SchemaError):
        create_registry(location.database, location.store)
    assert file.read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["notes.sqlite"]


def test_a_missing_file_is_refused_with_the_init_to_run_and_not_made(tmp_path: Path) -> None:
    location = RegistryLocation(f"sqlite:///{tmp_path / 'none.sqlite'}", tmp_path / "store")
    advice = str(WORDS[Remedy.GIVE_DATABASE])
    _assert_all_refuse(location, str(tmp_path / "none.sqlite"), advice, code=8)
    with assert_refused(UnavailableError, remedy=Remedy.GIVE_DATABASE):
        upgrade_database(location.database)
    assert not list(tmp_path.iterdir())


def _with_a_failing_migration(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    copy = folder / "migrations"
    shutil.copytree(migrations.migrations_folder(), copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "versions" / "0013_failing.py").write_text(FAILING)
    monkeypatch.setattr(migrations, "migrations_folder", lambda: copy)


def test_an_upgrade_that_fails_half_way_leaves_the_database_as_it_was(
    location: RegistryLocation,
    registry: Registry,
    engine: sa.Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    first, log = catalogue(engine), registry.log()
    _with_a_failing_migration(monkeypatch, tmp_path)
    with pytest.raises((sa.exc.DBAPIError, UnavailableError)):
        upgrade_database(location.database)
    assert catalogue(engine) == first
    with location.open() as again:
        assert again.log() == log
        assert again.differences() == []
        assert again.panels.add(PANEL_A.replace("b0", "b1")).revision == 2


@pytest.mark.slow
def test_a_first_schema_that_fails_half_way_leaves_nothing(
    empty: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_a_failing_migration(monkeypatch, tmp_path)
    with pytest.raises((sa.exc.DBAPIError, UnavailableError)):
        create_registry(empty.database, empty.store)
    engine = empty.engine()
    assert _tables(engine) == set()
    engine.dispose()
    assert not empty.store.exists()
    with pytest.raises(sa.exc.DBAPIError, match="nowhere"):
        create_registry(f"sqlite:///{tmp_path / 'new.sqlite'}", empty.store)
    assert not list(tmp_path.glob("new.sqlite*"))


@pytest.mark.slow
def test_a_registry_of_schema_0001_is_upgraded_and_downgraded_again(
    location: RegistryLocation, registry: Registry, engine: sa.Engine, ours: sa.Engine
) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.versions.gap(PANEL_A, valid_from="beginning", kinds=["gain"], comment="not measured yet")
    newest, held, log = catalogue(engine), registry.versions.list(), registry.log()
    migrations.downgrade(ours, "0001")
    assert "ix_version_start" in repr(catalogue(engine))
    assert "conversion" not in repr(catalogue(engine))
    _assert_all_refuse(location, "0001", str(WORDS[Remedy.UPGRADE_SCHEMA]), but="database upgrade")
    assert upgrade_database(location.database) == ("0001", schema.REVISION)
    assert catalogue(engine) == newest
    with location.open() as again:
        assert (again.versions.list(), again.log(), again.differences()) == (held, log, [])


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("UPDATE version SET conversion = '{}'", "1 versions that say from what they were converted"),
        (f"UPDATE panel SET identifier = '{'7' * 65}'", "1 panels with Ids of more than 64 characters"),
    ],
)
def test_going_below_0002_is_refused_where_it_would_lose_something(
    location: RegistryLocation,
    registry: Registry,
    engine: sa.Engine,
    ours: sa.Engine,
    statement: str,
    problem: str,
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.gap(PANEL_A, valid_from="beginning", kinds=["gain"], comment="not measured yet")
    migrations.downgrade(ours, "0004")  # which needs its guards as they are
    table = statement.split()[1]
    off = f"DROP TRIGGER {table}_update" + ("" if location.is_sqlite else f" ON {table}")
    _execute(location, off, statement)
    before = catalogue(engine)
    with pytest.raises(RuntimeError, match=f"{problem}; going below schema 0002 would lose them"):
        migrations.downgrade(ours, "0001")
    assert catalogue(engine) == before


def _record_deployment(engine: sa.Engine, first_run: int | None, last_run: int | None) -> None:
    text = dict.fromkeys(
        ("author", "host", "command", "software", "detector_id", "provenance_path"), "as it was recorded"
    )
    values = {"id": 1, "revision": 1, "recorded_at": 0, "instant": 0, "provenance_sha256": "0" * 64}
    with engine.begin() as connection:
        connection.execute(
            schema.export.insert(), {**text, **values, "first_run": first_run, "last_run": last_run}
        )


def test_going_below_0007_is_refused_where_it_would_lose_for_which_runs_files_are_deployed(
    registry: Registry, engine: sa.Engine, ours: sa.Engine
) -> None:
    registry.panels.add(PANEL_A)
    migrations.downgrade(ours, "0007")
    _record_deployment(engine, 3, None)
    before = catalogue(engine)
    with pytest.raises(RuntimeError, match=r"1 exports with the runs .*; going below schema 0007 would lose"):
        migrations.downgrade(ours, "0006")
    assert catalogue(engine) == before


@pytest.mark.parametrize("runs", [(None, 3), (4, 3)])
def test_a_deployment_without_a_first_run_or_ending_before_it_is_refused_by_the_database(
    registry: Registry, engine: sa.Engine, runs: tuple[int | None, int | None]
) -> None:
    registry.panels.add(PANEL_A)
    with pytest.raises(sa.exc.IntegrityError, match="ck_export_deployed_runs"):
        _record_deployment(engine, *runs)
