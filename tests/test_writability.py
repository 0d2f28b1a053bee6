"""Servers that take no writes or cannot hold every text: read from, and refused before anything is made or stored."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.api import create_registry
from registry.api.backups import restore_registry
from registry.api.copies import copy_registry
from registry.api.forks import fork_registry
from registry.database import migrations
from registry.errors import CorruptionError, RequestError, SchemaError, UnavailableError
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation
from testing.servers import Standby
from tests.cli import Calreg
from tests.conftest import make_location
from tests.refusals import assert_refused
from tests.selection import keep_first

pytestmark = [pytest.mark.small_panels, pytest.mark.slow]

BEGIN = "2020-01-01T00:00:00Z"
_numbers = itertools.count(1)


@pytest.fixture
def location(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RegistryLocation]:
    """A registry on PostgreSQL with one panel and its constants."""
    for created in make_location(request, tmp_path, "postgresql"):
        with created.open() as registry:
            registry.panels.add(PANEL_A)
            registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "first"), valid_from="beginning")
        write_panel_folder(tmp_path / "second", 1)
        yield created
        monkeypatch.undo()  # before the database is emptied


def with_options(location: RegistryLocation, **query: str) -> RegistryLocation:
    url = sa.make_url(location.database).update_query_dict(query)
    return RegistryLocation(url.render_as_string(hide_password=False), location.store)


def alter_database(location: RegistryLocation, setting: str) -> None:
    name = sa.make_url(location.database).database
    engine = location.engine().execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {name} {setting}"))
    engine.dispose()


def set_by_role(location: RegistryLocation, _monkeypatch: pytest.MonkeyPatch) -> RegistryLocation:
    """Return the location as a role that may write sees it, but for the setting."""
    role = f"frozen_{next(_numbers)}"
    engine = location.engine()
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(sa.text(f"ALTER ROLE {role} SET default_transaction_read_only = on"))
    engine.dispose()
    with location.open() as registry:
        registry.grant(writers=[role], apply=True)
    url = sa.make_url(location.database).set(username=role)
    return RegistryLocation(url.render_as_string(hide_password=False), location.store)


def set_by_database(location: RegistryLocation, _monkeypatch: pytest.MonkeyPatch) -> RegistryLocation:
    alter_database(location, "SET default_transaction_read_only = on")
    return location


def set_by_environment(location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> RegistryLocation:
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    return location


def set_by_url(location: RegistryLocation, _monkeypatch: pytest.MonkeyPatch) -> RegistryLocation:
    return with_options(location, options="-c default_transaction_read_only=on")


def list_files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def assert_reads_and_refuses_writes(location: RegistryLocation, calreg: Calreg, folder: Path) -> None:
    """Assert that what reads works, that what writes is refused with 8, and that no refusal leaves a file."""
    export = calreg.run("export", PANEL_A, "--at", BEGIN, "--output", str(folder / "out"), "--json").json
    assert export["recorded"] is False
    assert "takes no writes" in export["notes"][0]
    assert {path.name for path in (folder / "out").iterdir()} == {
        "pixel_gain.npy", "pixel_offset.npy", "provenance.json",
    }  # fmt: skip
    calreg.run("validity", PANEL_A)
    calreg.run("log")
    calreg.run("backup", str(folder / "backup"))
    calreg.run("snapshot", str(folder / "snapshot.sqlite"), "--to-store", str(folder / "snapshot"))
    calreg.run("verify")
    before = list_files(folder)
    version = ("version", "add", PANEL_A, str(folder / "second"), "--valid-from", BEGIN)
    for command in (
        ("tag", "add", "summer"),
        ("panel", "add", PANEL_B),
        version,
        (*version, "--dry-run"),
        ("init",),
        ("init", "--timezone", "Europe/Zurich"),
        ("database", "upgrade"),
        ("database", "check", "--mend-guards"),
        ("database", "grant", "--reader", "postgres", "--apply"),
        ("verify", "--collect"),
        ("copy", "--to", f"sqlite:///{folder / 'copy.sqlite'}", "--to-store", str(folder / "copy")),
    ):
        error = calreg.assert_refused(8, *command)
        assert "takes no writes" in error["message"], command
        assert list_files(folder) == before
    with location.open() as registry:
        assert registry.head.number == 2


@pytest.mark.parametrize(
    "setting", keep_first([set_by_role, set_by_database, set_by_environment, set_by_url])
)
def test_a_database_whose_transactions_are_read_only_is_read_and_takes_no_writes(
    location: RegistryLocation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    setting: Callable[[RegistryLocation, pytest.MonkeyPatch], RegistryLocation],
) -> None:
    frozen = setting(location, monkeypatch)
    assert_reads_and_refuses_writes(frozen, Calreg(frozen, monkeypatch), tmp_path)


def test_one_registry_that_has_read_does_not_write_to_a_read_only_database(
    location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    with location.open() as registry:
        for _ in range(3):
            registry.log()
            with assert_refused(UnavailableError):
                registry.tags.add("summer")


def test_a_hot_standby_is_read_and_takes_no_writes(
    location: RegistryLocation, standby: Standby, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    standby.follow()
    behind = RegistryLocation(standby.find_url(location.database), location.store)
    assert_reads_and_refuses_writes(behind, Calreg(behind, monkeypatch), tmp_path)


def test_nothing_is_copied_restored_or_forked_to_a_standby(
    location: RegistryLocation, standby: Standby, postgresql_factory: RegistryFactory, tmp_path: Path
) -> None:
    empty = postgresql_factory.make_empty("postgresql", tmp_path / "none")
    standby.follow()
    target, store = standby.find_url(empty.database), tmp_path / "target"
    with location.open() as registry:
        registry.backup(tmp_path / "backup")
    with assert_refused(UnavailableError):
        copy_registry(target, store, location.database, location.store)
    with assert_refused(UnavailableError):
        fork_registry(target, store, location.database, location.store, comment="for a trial")
    with assert_refused(UnavailableError):
        restore_registry(tmp_path / "backup", target, store)
    with assert_refused(UnavailableError):
        create_registry(target, store)
    assert not store.exists()
    with location.open() as registry:
        assert registry.closure is None
    postgresql_factory.drop_database(empty.database)


def test_files_of_a_role_that_may_not_record_are_not_stored(
    location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = location.engine()
    role = f"onlooker_{next(_numbers)}"
    with engine.begin() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
    engine.dispose()
    with location.open() as registry:
        registry.grant(readers=[role], apply=True)
    url = sa.make_url(location.database).set(username=role).render_as_string(hide_password=False)
    calreg = Calreg(RegistryLocation(url, location.store), monkeypatch)
    before = list_files(tmp_path)
    error = calreg.assert_refused(
        8, "version", "add", PANEL_A, str(tmp_path / "second"), "--valid-from", BEGIN
    )
    assert role in error["message"]
    calreg.assert_refused(8, "copy", "--to", f"sqlite:///{tmp_path / 'c'}", "--to-store", str(tmp_path / "d"))
    assert list_files(tmp_path) == before


@pytest.fixture
def make_encoded(location: RegistryLocation) -> Iterator[Callable[[str], str]]:
    """Return a function that makes an empty database in an encoding, and returns its URL."""
    engine = location.engine().execution_options(isolation_level="AUTOCOMMIT")
    names: list[str] = []

    def make(encoding: str) -> str:
        names.append(f"encoded_{sa.make_url(location.database).database}_{next(_numbers)}")
        with engine.connect() as connection:
            connection.execute(
                sa.text(
                    f"CREATE DATABASE {names[-1]} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'"
                )
            )
        return sa.make_url(location.database).set(database=names[-1]).render_as_string(hide_password=False)

    yield make
    with engine.connect() as connection:
        for name in names:
            connection.execute(sa.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.mark.parametrize("encoding", keep_first(["SQL_ASCII", "LATIN1", "EUC_JP"]))
def test_no_registry_is_made_in_a_database_that_cannot_hold_every_text(
    location: RegistryLocation, make_encoded: Callable[[str], str], tmp_path: Path, encoding: str
) -> None:
    target, store = make_encoded(encoding), tmp_path / "target"
    with location.open() as registry:
        registry.backup(tmp_path / "backup")
    with assert_refused(UnavailableError, encoding, encoding=encoding):
        create_registry(target, store)
    with assert_refused(UnavailableError, encoding=encoding):
        copy_registry(target, store, location.database, location.store)
    with assert_refused(UnavailableError, encoding=encoding):
        restore_registry(tmp_path / "backup", target, store)
    assert not store.exists()


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_registry_in_another_encoding_keeps_what_it_can_hold_and_says_what_it_cannot(
    make_encoded: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    url, store = make_encoded(encoding), tmp_path / "target"
    with monkeypatch.context() as former:
        former.setattr(migrations, "refuse_other_encoding", lambda _: None)
        create_registry(url, store)
    old = RegistryLocation(url, store)
    calreg = Calreg(old, monkeypatch)
    calreg.run("panel", "add", PANEL_A)
    calreg.run("tag", "add", "summer", "--comment", "größer")
    assert "größer" in calreg.run("log").stdout
    calreg.run("init")
    if encoding == "LATIN1":
        calreg.assert_refused(2, "tag", "add", "autumn", "--comment", "校")
        with old.open() as registry:
            registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "third", 3), valid_from="beginning")
            export = registry.export(PANEL_A, tmp_path / "校", at=BEGIN)
        assert export.recorded is False
    else:
        calreg.run("tag", "add", "autumn", "--comment", "校")


def test_bytes_that_are_not_text_are_damage_of_the_database(
    make_encoded: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    url = make_encoded("SQL_ASCII")
    with monkeypatch.context() as former:
        former.setattr(migrations, "refuse_other_encoding", lambda _: None)
        create_registry(url, tmp_path / "target")
    old = RegistryLocation(url, tmp_path / "target")
    with old.open() as registry:
        registry.panels.add(PANEL_A)
    with psycopg.connect(url, autocommit=True, client_encoding="sql_ascii") as connection:
        connection.execute("ALTER TABLE revision DISABLE TRIGGER ALL")
        connection.execute(b"UPDATE revision SET comment = 'gr\xf6\xdfer'")
    with old.open() as registry:
        with assert_refused(CorruptionError):
            registry.log()
        with assert_refused(CorruptionError, table="revision"):
            registry.backup(tmp_path / "backup")


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_the_encoding_of_the_environment_and_of_the_url_changes_no_text(
    location: RegistryLocation, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    for name, opened in (("a", location), ("b", with_options(location, client_encoding=encoding))):
        with opened.open() as registry:
            registry.tags.add(name, comment="größer, 校正")
            assert registry.log()[0].comment == "größer, 校正"


def test_a_text_with_a_nul_is_refused(location: RegistryLocation) -> None:
    with location.open() as registry, assert_refused(RequestError):
        registry.tags.add("summer", comment="a\0b")


def test_a_search_path_without_a_schema_is_named(
    location: RegistryLocation, empty_postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = with_options(location, options="-csearch_path=lab")
    for command in (("log",), ("tag", "add", "summer"), ("init",), ("verify",), ("database", "check")):
        error = Calreg(nowhere, monkeypatch).assert_refused(7, *command)
        assert "lab" in error["message"], command
    empty = with_options(RegistryLocation(empty_postgres, tmp_path / "target"), options="-csearch_path=lab")
    with assert_refused(SchemaError, "lab", search_path="lab"):
        create_registry(empty.database, empty.store)
    assert not empty.store.exists()
