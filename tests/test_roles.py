"""Roles of PostgreSQL: a reader looks up and exports, a writer records as well, and neither can do anything else."""

from __future__ import annotations

import itertools
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from registry import read_status, verify_export
from registry.api import Registry, open_registry
from registry.cli import app
from registry.database import fact_batches
from registry.errors import NotFoundError, Remedy, RequestError, UnavailableError
from testing.panels import PANEL_A, PANEL_B, SOURCE, name_detector, write_panel_folder
from testing.registries import RegistryLocation
from testing.services import serve_in_thread
from tests.conftest import make_location
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

START, LATER = "2018-01-01T00:00:00Z", "2019-01-01T00:00:00Z"
PASSWORD = "not a secret"  # noqa: S105 - of roles that live as long as a test
_numbers = itertools.count(1)


@pytest.fixture
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryLocation]:
    yield from make_location(request, tmp_path, "postgresql")


@dataclass
class Roles:
    """Two roles that may log in, and the registry as each of them sees it."""

    location: RegistryLocation
    reader: str
    writer: str

    def url(self, role: str) -> str:
        url = sa.make_url(self.location.database).set(username=role, password=PASSWORD)
        return url.render_as_string(hide_password=False)

    def open(self, role: str) -> Registry:
        return open_registry(self.url(role), self.location.store)

    def engine(self, role: str) -> sa.Engine:
        return sa.create_engine(sa.make_url(self.url(role)).set(drivername="postgresql+psycopg"))


@pytest.fixture
def roles(location: RegistryLocation) -> Iterator[Roles]:
    number = f"{os.getpid()}_{next(_numbers)}"
    created = Roles(location, f"Reader {number}", f"writer_{number}")  # the first must be quoted
    names = [f'"{created.reader}"', f'"{created.writer}"']
    engine = location.engine()
    with engine.begin() as connection:
        for name in names:
            connection.execute(sa.text(f"CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}'"))
    yield created
    with engine.begin() as connection:
        for name in names:
            connection.execute(sa.text(f"DROP OWNED BY {name}"))
            connection.execute(sa.text(f"DROP ROLE {name}"))
    engine.dispose()


@pytest.fixture
def granted(roles: Roles, tmp_path: Path) -> Roles:
    """A registry with a panel, constants and a run, and both roles granted what is theirs."""
    with roles.location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "constants"), valid_from=START)
        registry.grant(readers=[roles.reader], writers=[roles.writer], apply=True)
    return roles


def _refuse(engine: sa.Engine, statement: str) -> str:
    with engine.connect() as connection, pytest.raises(sa.exc.DBAPIError) as raised:
        connection.execute(sa.text(statement))
    return str(raised.value.orig)


@pytest.mark.slow
def test_before_any_grant_a_role_can_read_nothing(roles: Roles) -> None:
    with pytest.raises(UnavailableError, match="permission denied"):
        roles.open(roles.reader)


@pytest.mark.slow
def test_a_write_that_a_reader_may_not_do_leaves_no_file_in_the_store(granted: Roles, tmp_path: Path) -> None:
    arrays, tree = write_panel_folder(tmp_path / "other", seed=7), tmp_path / "tree"
    write_panel_folder(tree / "module/M001", seed=8)
    (tree / f"{PANEL_A}-20190101000000").symlink_to("module/M001")
    before = sorted(granted.location.store.rglob("*"))
    with granted.open(granted.reader) as registry:
        with assert_refused(UnavailableError):
            registry.versions.add(PANEL_A, arrays, valid_from=LATER)
        with assert_refused(UnavailableError):
            registry.import_tree(tree)
    assert sorted(granted.location.store.rglob("*")) == before


@pytest.mark.slow
def test_a_reader_looks_up_and_exports_and_the_export_is_not_recorded(granted: Roles, tmp_path: Path) -> None:
    with granted.open(granted.reader) as registry:
        assert len(registry.validity(PANEL_A, at=LATER).versions) == 2
        created = registry.export(PANEL_A, tmp_path / "out", at=LATER)
        assert [Path(output.path).name for output in created.outputs] == [
            "pixel_gain.npy",
            "pixel_offset.npy",
        ]
        assert not created.recorded
        (note,) = created.notes
        assert note.startswith("the export is not recorded")
        assert "does not permit this: permission denied for table export" in note
        with pytest.raises(UnavailableError, match="permission denied"):
            registry.panels.add(PANEL_B)
    with granted.location.open() as registry:
        assert registry.log()[0].revision == 2


@pytest.mark.slow
def test_a_service_of_a_reader_counts_lists_draws_and_checks_deployed_files(
    granted: Roles, tmp_path: Path
) -> None:
    runs = [f"exp=xcs1:run={number}" for number in (1, 2)]
    with granted.location.open() as registry:
        registry.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1)
        for dataset, begin in zip(runs, (START, LATER), strict=True):
            registry.runs.add(dataset, begin=begin)
        for name in ("psana", "lcls2"):
            document = registry.export(
                runs[0], tmp_path / name, format=name, last_run=2, **name_detector(name)
            ).provenance
        registry.versions.add(
            PANEL_A, write_panel_folder(tmp_path / "later", 5), valid_from=LATER, kinds=["gain"]
        )
        expected = verify_export(document, granted.location.database, granted.location.store)
        listed = registry.runs.list(), registry.list_affected_runs(5)
    counts = read_status(granted.location.database, granted.location.store).counts
    served = RegistryLocation(granted.url(granted.reader), granted.location.store)
    with serve_in_thread(served) as url, open_registry(url) as remote:
        assert read_status(url).counts == counts
        assert (remote.runs.list(), remote.list_affected_runs(5)) == listed
        assert verify_export(document, url) == expected
        assert len(expected.serves_wrongly) == 1
        written = remote.export(runs[1], tmp_path / "psana", format="psana", types=["pixel_gain"])
        assert written.recorded is False
        pin = f"{remote.pin.number}-{remote.pin.seal[:16]}"
        with urllib.request.urlopen(f"{url}/v1/r/{pin}/plot/history/{PANEL_A}.svg") as picture:  # noqa: S310 - of the test
            assert picture.headers["content-type"] == "image/svg+xml"


@pytest.mark.slow
def test_a_reader_reads_stamps_in_the_registrys_zone_and_a_writer_may_change_it(granted: Roles) -> None:
    with granted.open(granted.writer) as registry:
        registry.set_timezone("America/Los_Angeles", comment="the beamline's")
        registry.set_timezone("Europe/Zurich", comment="moved")
    with granted.open(granted.reader) as registry:
        assert registry.timezone == "Europe/Zurich"
        assert str(registry.validity(PANEL_A, at="20190101000000").instant) == "2018-12-31T23:00:00Z"
        with assert_refused(UnavailableError):
            registry.set_timezone("UTC", comment="not mine to say")
    environment = {
        "CALREG_DATABASE": granted.url(granted.reader),
        "CALREG_STORE": str(granted.location.store),
    }
    result = CliRunner().invoke(app, ["database", "check"], env=environment)
    assert (result.exit_code, "Europe/Zurich" in result.stdout) == (0, True)


@pytest.mark.slow
def test_a_reader_can_change_nothing_by_sql(granted: Roles) -> None:
    engine = granted.engine(granted.reader)
    owner = granted.location.engine()
    for table in sa.inspect(owner).get_table_names():
        for statement in (
            f"INSERT INTO {table} SELECT * FROM {table}",
            f"UPDATE {table} SET {sa.inspect(owner).get_columns(table)[0]['name']} = NULL",
            f"DELETE FROM {table}",
            f"TRUNCATE {table} CASCADE",
            f"DROP TABLE {table}",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL",
        ):
            reason = _refuse(engine, statement)
            assert "permission denied" in reason or "must be owner" in reason, statement
    for statement in ("CREATE TABLE mine (id INTEGER)", "DROP FUNCTION calreg_refuse() CASCADE"):
        reason = _refuse(engine, statement)
        assert "permission denied" in reason or "must be owner" in reason, statement
    engine.dispose()
    owner.dispose()


@pytest.mark.slow
def test_a_writer_records_and_withdraws_and_the_log_names_its_role(granted: Roles, tmp_path: Path) -> None:
    with granted.open(granted.writer) as registry:
        registry.panels.add(PANEL_B, alias="M068")
        registry.versions.withdraw(1, comment="measured with the wrong tube")
        registry.runs.add("exp=xcsls3716:run=631", begin=LATER)
        registry.tags.add("summer")
        (gap,) = registry.versions.gap(PANEL_A, valid_from=START, kinds=["gain"], comment="no gain").versions
        assert gap.recorded_in == registry.log()[0].revision
        assert registry.log()[0].database_role == granted.writer
        assert registry.export(PANEL_A, tmp_path / "out", at=LATER, types=["pixel_offset"]).recorded


@pytest.mark.slow
def test_a_writer_cannot_edit_or_delete_by_sql_nor_disable_a_trigger(granted: Roles) -> None:
    engine = granted.engine(granted.writer)
    for statement in (
        "UPDATE version SET valid_from = 0",
        "UPDATE revision SET author = 'nobody'",
        "UPDATE version SET withdrawn_in = 1",
        "DELETE FROM version",
        "TRUNCATE version CASCADE",
        "DROP TRIGGER version_update ON version",
        "ALTER TABLE version DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "DROP TABLE export_input",
        "INSERT INTO registry VALUES ('another', 0)",
        "UPDATE alembic_version SET version_num = '0001'",
    ):
        reason = _refuse(engine, statement)
        assert any(words in reason for words in ("permission denied", "must be owner", "append-only")), reason
    engine.dispose()


@pytest.mark.slow
def test_a_writer_that_is_granted_reading_only_stops_writing(granted: Roles) -> None:
    with granted.location.open() as registry:
        registry.grant(readers=[granted.writer], apply=True)
    with granted.open(granted.writer) as registry, pytest.raises(UnavailableError, match="permission denied"):
        registry.tags.add("autumn")


@pytest.mark.slow
def test_without_apply_the_sql_is_printed_and_nothing_changes(roles: Roles) -> None:
    arguments = ["database", "grant", "--reader", roles.reader, "--writer", roles.writer]
    result = CliRunner().invoke(app, arguments, env=roles.location.environment)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert all(line.startswith(("GRANT ", "REVOKE ")) and line.endswith(";") for line in lines)
    assert any(f'GRANT SELECT ON ALL TABLES IN SCHEMA "public" TO "{roles.reader}"' in line for line in lines)
    assert not any("INSERT" in line and roles.reader in line for line in lines)
    with pytest.raises(UnavailableError, match="permission denied"):
        roles.open(roles.reader)
    result = CliRunner().invoke(app, [*arguments, "--apply", "--json"], env=roles.location.environment)
    assert result.exit_code == 0, result.output
    assert '"applied": true' in result.stdout
    with roles.open(roles.reader) as registry:
        assert registry.panels.list() == []


@pytest.mark.slow
def test_a_role_that_does_not_own_the_tables_cannot_grant(granted: Roles) -> None:
    with (
        granted.open(granted.writer) as registry,
        pytest.raises(UnavailableError, match="which alone can grant"),
    ):
        registry.grant(writers=[granted.reader], apply=True)


@pytest.mark.slow
def test_a_role_that_is_not_there_is_named_with_those_that_are(roles: Roles) -> None:
    with roles.location.open() as registry:
        with assert_refused(NotFoundError, roles=["nobody"]) as refusal:
            registry.grant(readers=["nobody"], apply=True)
        assert roles.writer in refusal.value.values["known"]
        with assert_refused(RequestError, role=roles.reader):
            registry.grant(readers=[roles.reader], writers=[roles.reader])
        with assert_refused(RequestError, remedy=Remedy.GIVE_ROLES):
            registry.grant()


@pytest.mark.slow
def test_a_role_that_may_do_everything_anyway_is_refused_and_keeps_its_rights(roles: Roles) -> None:
    engine = roles.location.engine()
    with engine.begin() as connection:
        owner = connection.execute(sa.text("SELECT current_user")).scalar_one()
        connection.execute(sa.text(f'GRANT "{owner}" TO {roles.writer}'))
    with roles.location.open() as registry:
        for role in (owner, roles.writer):
            with assert_refused(RequestError, role=role):
                registry.grant(readers=[role], apply=True)
        registry.panels.add(PANEL_A)
    engine.dispose()


def test_sqlite_has_no_roles(sqlite_location: RegistryLocation) -> None:
    result = CliRunner().invoke(app, ["database", "grant", "--reader", "me"], env=sqlite_location.environment)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: SQLite has no roles")


@pytest.mark.slow
@pytest.mark.usefixtures("small_panels")
def test_a_writer_imports_many_links_with_the_guards_that_only_the_owner_can_lift(
    granted: Roles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fact_batches, "_FEW", 2)
    write_panel_folder(tmp_path / "tree" / "M068", 1)
    for day in range(1, 5):
        (tmp_path / "tree" / f"{PANEL_B}-2020010{day}000000").symlink_to("M068")
    with granted.open(granted.writer) as registry:
        assert len(registry.import_tree(tmp_path / "tree").versions) == 8
    with granted.location.open() as registry:
        assert registry._backend.database.find_differences() == []
        assert registry.verify().problems == ()
