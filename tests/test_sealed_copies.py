"""Copies of a registry quote the seal of their newest revision: backups, restored and moved registries, snapshots."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from registry.api import Registry, open_registry
from registry.api.backups import compute_sha256, restore_registry
from registry.api.copies import copy_registry
from registry.database import migrations
from registry.database.engine import make_engine
from registry.errors import CorruptionError, DocumentError, RegistryError, Remedy
from testing.panels import NEW_A, PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.refusals import assert_refused
from tests.selection import keep_first
from tests.test_quoted_heads import OTHER, remove_seals

if TYPE_CHECKING:
    from tests.cli import Calreg

pytestmark = pytest.mark.small_panels


@pytest.fixture
def filled(registry: Registry, tmp_path: Path) -> Registry:
    """Three revisions, and a recorded export as of the second."""
    fill(registry, tmp_path)
    return registry


@pytest.fixture
def small(sqlite_location: RegistryLocation, tmp_path: Path) -> Iterator[Registry]:
    """The same on SQLite: the database of a backup is a file in any case."""
    with sqlite_location.open() as registry:
        fill(registry, tmp_path)
        yield registry


def fill(registry: Registry, folder: Path) -> None:
    registry.panels.add(PANEL_A, comment="delivered")
    registry.versions.add(PANEL_A, write_panel_folder(folder / "one"), valid_from="beginning")
    registry.export(PANEL_A, folder / "out", at="2020-01-01T00:00:00Z")
    registry.panels.add(PANEL_B, comment="delivered too")


@pytest.fixture(params=keep_first(["sqlite", "postgresql"]))
def again(request: pytest.FixtureRequest, tmp_path: Path) -> RegistryLocation:
    """An empty place for a copy, on either database."""
    if request.param == "sqlite":
        return RegistryLocation.in_folder(tmp_path / "again")
    return RegistryLocation(request.getfixturevalue("empty_postgres"), tmp_path / "again" / "store")


def read_values(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "backup.json").read_bytes())
    return values


def describe(folder: Path, **changes: Any) -> None:
    """Write the description of the backup again: the present checksum of its database, and these changes."""
    values = read_values(folder)
    file = folder / values["database"]
    values |= {"sha256": compute_sha256(file), "size": file.stat().st_size, **changes}
    (folder / "backup.json").write_text(json.dumps(values))


def rewrite(folder: Path, *statements: str) -> None:
    """Change the database of a backup behind its guards, which stay."""
    file = folder / read_values(folder)["database"]
    file.chmod(0o644)
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            connection.execute(statement)
        for _, text in guards:
            connection.execute(text)


def assert_nothing_restored(
    folder: Path, again: RegistryLocation, error: type[RegistryError]
) -> RegistryError:
    """Restore a backup that is refused; return the error. No table is left behind."""
    with pytest.raises(error) as caught:
        restore_registry(folder, again.database, again.store)
    assert type(caught.value) is error
    if again.is_sqlite:
        assert again.file is not None
        assert not again.file.exists()
    else:
        engine = again.engine()
        assert sa.inspect(engine).get_table_names() == []
        engine.dispose()
    return caught.value


@pytest.mark.slow
def test_every_copy_quotes_the_head_of_its_newest_revision(
    filled: Registry, location: RegistryLocation, again: RegistryLocation, tmp_path: Path
) -> None:
    head, second = filled.head, filled.find_head(2)
    backup = filled.backup(tmp_path / "backup")
    assert (backup.revision, backup.seal) == (head.number, head.seal)
    values = read_values(tmp_path / "backup")
    assert (values["revision"], values["seal"]) == (head.number, head.seal)
    snapshot = filled.snapshot(tmp_path / "snapshot" / "r.sqlite", as_of=second)
    assert (snapshot.revision, snapshot.seal) == (2, second.seal)
    with open_registry(snapshot.database, snapshot.store) as opened:
        assert opened.head == second
    restored = restore_registry(tmp_path / "backup", again.database, again.store)
    assert (restored.revision, restored.seal) == (head.number, head.seal)
    with again.open() as opened:
        assert opened.head == head
        assert opened.find_head(2) == second
    filled.close()
    moved = copy_registry(f"sqlite:///{tmp_path / 'm.sqlite'}", None, location.database, location.store)
    assert (moved.revision, moved.seal) == (head.number, head.seal)


@pytest.mark.sqlite_suffices
def test_the_copy_of_an_empty_registry_quotes_revision_0(registry: Registry, tmp_path: Path) -> None:
    backup = registry.backup(tmp_path / "backup")
    assert (backup.revision, backup.seal) == (0, registry.head.seal)
    again = RegistryLocation.in_folder(tmp_path / "again")
    assert restore_registry(tmp_path / "backup", again.database, again.store).seal == registry.head.seal


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_the_command_line_shows_the_seal_of_a_copy(filled: Registry, calreg: Calreg, tmp_path: Path) -> None:
    seal = filled.head.seal
    backup = str(tmp_path / "backup")
    again = ("--database", f"sqlite:///{tmp_path / 'b.sqlite'}", "--store", str(tmp_path / "b"))
    for verb in (("backup", backup), ("snapshot", str(tmp_path / "s.sqlite")), (*again, "restore", backup)):
        assert seal in calreg.run(*verb).stdout
    assert calreg.run("backup", backup, "--json").json["seal"] == seal
    assert seal in calreg.run("copy", "--to", f"sqlite:///{tmp_path / 'm.sqlite'}").stdout


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_no_copy_is_made_of_a_registry_whose_newest_revision_has_no_seal(
    filled: Registry, location: RegistryLocation, calreg: Calreg, tmp_path: Path
) -> None:
    filled.backup(tmp_path / "backup")
    former = read_values(tmp_path / "backup")
    remove_seals(location, 3)
    unsealed: dict[str, Any] = {"remedy": Remedy.SEAL_REVISION, "revision": 3}
    with assert_refused(CorruptionError, 3, **unsealed):
        filled.backup(tmp_path / "backup")
    assert read_values(tmp_path / "backup") == former
    assert (tmp_path / "backup" / former["database"]).exists()
    with assert_refused(CorruptionError, 3, **unsealed):
        filled.snapshot(tmp_path / "s.sqlite")
    target = tmp_path / "moved.sqlite"
    with assert_refused(CorruptionError, 3, **unsealed):
        copy_registry(f"sqlite:///{target}", None, location.database, location.store)
    assert not target.exists()
    assert not (tmp_path / "s.sqlite").exists()
    with location.open() as opened:
        assert opened.closure is None, "the registry stays open"
    assert "database seal 3" in calreg.assert_refused(6, "backup", str(tmp_path / "more"))["message"]
    assert filled.snapshot(tmp_path / "s.sqlite", as_of=2).revision == 2


BEHIND_THE_GUARDS = {
    "UPDATE revision SET comment = 'never delivered' WHERE number = 1": 1,
    "UPDATE version SET valid_from = 1 WHERE id = 1": 2,
    "UPDATE panel SET recorded_in = 2 WHERE id = 2": 2,
    "UPDATE export SET author = 'somebody'": 3,
    "UPDATE registry SET created_at = created_at + 1": 0,
    "UPDATE seal SET digest = '" + OTHER + "' WHERE revision = 3": 3,
    "UPDATE seal SET text = text || 'x' WHERE revision = 3": 3,
    "DELETE FROM seal WHERE revision = 3": 3,
    "DELETE FROM seal WHERE revision = 2": 2,
}


@pytest.mark.slow
@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("count", keep_first([4, None]))
def test_a_backup_whose_history_was_changed_is_refused_with_the_revision(
    small: Registry, again: RegistryLocation, tmp_path: Path, count: int | None
) -> None:
    folder = tmp_path / "backup"
    small.backup(folder)
    file = folder / read_values(folder)["database"]
    sound = file.read_bytes()
    for statement, revision in islice(BEHIND_THE_GUARDS.items(), count):
        rewrite(folder, statement)
        describe(folder)
        error = assert_nothing_restored(folder, again, CorruptionError)
        assert error.values["revision"] == revision, statement
        file.write_bytes(sound)
    describe(folder)
    assert restore_registry(folder, again.database, again.store).seal == small.head.seal


@pytest.mark.slow
@pytest.mark.sqlite_suffices
def test_a_backup_whose_tail_was_cut_off_is_refused(
    small: Registry, again: RegistryLocation, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    small.backup(folder)
    rewrite(
        folder,
        "DELETE FROM seal WHERE revision = 3",
        "DELETE FROM panel WHERE recorded_in = 3",
        "DELETE FROM revision WHERE number = 3",
    )
    describe(folder)
    error = assert_nothing_restored(folder, again, CorruptionError)
    assert (error.values["revision"], error.values["quoted"]) == (2, str(small.head))


@pytest.mark.slow
@pytest.mark.sqlite_suffices
def test_a_backup_that_quotes_another_head_is_refused(
    small: Registry, again: RegistryLocation, sqlite_calreg: Calreg, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    small.backup(folder)
    seal = small.head.seal
    for changes in ({"seal": OTHER}, {"revision": 2}, {"revision": 2, "seal": small.find_head(2).seal}):
        describe(folder, **changes)
        error = assert_nothing_restored(folder, again, CorruptionError)
        assert error.values["seal"] == seal
        describe(folder, revision=3, seal=seal)
    describe(folder, seal=OTHER)
    place = ("--database", again.database, "--store", str(again.store))
    assert sqlite_calreg.assert_refused(6, *place, "restore", str(folder))["quoted"] == f"3:{OTHER}"
    for wrong in (None, "xyz", OTHER[:-1], OTHER.upper(), 5):
        describe(folder, seal=wrong)
        assert_nothing_restored(folder, again, DocumentError)
    values = read_values(folder)
    del values["seal"]
    (folder / "backup.json").write_text(json.dumps(values))
    assert_nothing_restored(folder, again, DocumentError)


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_backup_from_before_there_were_seals_is_restored_and_sealed(
    sqlite_location: RegistryLocation, again: RegistryLocation, tmp_path: Path
) -> None:
    folder = tmp_path / "backup"
    with sqlite_location.open() as registry:
        for panel in (PANEL_A, PANEL_B, NEW_A):
            registry.panels.add(panel)
        registry.backup(folder)
    file = folder / read_values(folder)["database"]
    file.chmod(0o644)
    engine = make_engine(f"sqlite:///{file}")
    migrations.downgrade(engine, "0007")
    engine.dispose()
    values = read_values(folder)
    del values["seal"]
    (folder / "backup.json").write_text(json.dumps(values))
    describe(folder, schema="0007", revision=2)
    assert assert_nothing_restored(folder, again, CorruptionError).values["revision"] == 3
    describe(folder, revision=3, seal=OTHER)
    assert_nothing_restored(folder, again, DocumentError)
    describe(folder, seal=None)
    restored = restore_registry(folder, again.database, again.store)
    with again.open() as opened:
        assert (opened.head.number, opened.head.seal) == (3, restored.seal)
        assert opened.verify().problems == ()
