"""Backups and moves keep the head of the store: a backup that is behind it is refused, unless its loss is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry import copy_registry, restore_registry
from registry.errors import ConflictError, CorruptionError, NotFoundError, Remedy, RequestError
from registry.heads import Head, HeadFile, StoreHead
from testing.panels import PANEL_A, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.heads import PANELS, Copy, head_of, list_broken_seals, read_chain, read_state, record
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]


@pytest.fixture
def backup(location: RegistryLocation, tmp_path: Path) -> Path:
    """A backup of two revisions; the registry has a third one by now."""
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "files"), valid_from="beginning")
        registry.backup(tmp_path / "backup")
    record(location, 1)
    return tmp_path / "backup"


@pytest.fixture
def again(request: pytest.FixtureRequest, location: RegistryLocation, tmp_path: Path) -> RegistryLocation:
    """An empty database beside the store."""
    if location.is_sqlite:
        return RegistryLocation(f"sqlite:///{tmp_path / 'again.sqlite'}", location.store)
    return RegistryLocation(request.getfixturevalue("empty_postgres"), location.store)


def is_made(location: RegistryLocation) -> bool:
    """Tell whether a database has tables."""
    if location.file is not None:
        return location.file.exists()
    engine = location.engine()
    with engine.connect() as connection:
        names = engine.dialect.get_table_names(connection)
    engine.dispose()
    return bool(names)


def test_a_backup_behind_the_store_is_refused_before_anything_is_written(
    location: RegistryLocation, backup: Path, again: RegistryLocation
) -> None:
    state = read_state(location)
    for file in location.store.rglob("*.npy"):
        file.unlink()
    with assert_refused(
        ConflictError,
        state.committed,
        remedy=Remedy.RESTORE_WITHOUT_HEAD,
        store=str(state.committed),
        database=str(Head(2, read_chain(location)[2])),
    ):
        restore_registry(backup, again.database, again.store)
    assert not is_made(again)
    assert list(location.store.rglob("*.npy")) == []
    assert read_state(location) == state


@pytest.mark.on_both_databases
def test_a_backup_goes_on_without_the_lost_head(
    location: RegistryLocation, backup: Path, again: RegistryLocation
) -> None:
    lost = head_of(location)
    done = restore_registry(backup, again.database, again.store, lost_head=str(lost), comment="fire")
    assert done.revision == 3
    assert str(lost) in done.notes[-1]
    assert list_broken_seals(again) == []
    assert read_state(again) == StoreHead(head_of(again))
    with again.open() as registry:
        assert registry.log()[0].comment == "fire"
        registry.panels.add(PANELS[2])
        assert registry.verify().problems == ()
    with location.open() as registry, assert_refused(ConflictError, head_of(again)):
        registry.panels.add(PANELS[3])


def test_the_loss_has_a_comment_also_where_none_is_given(
    location: RegistryLocation, backup: Path, again: RegistryLocation
) -> None:
    restore_registry(backup, again.database, again.store, lost_head=str(head_of(location)))
    with again.open() as registry:
        assert str(backup) in str(registry.log()[0].comment)


def test_only_the_head_of_the_store_is_lost(
    location: RegistryLocation, backup: Path, again: RegistryLocation
) -> None:
    chain, state = read_chain(location), read_state(location)
    for wrong in (Head(2, chain[2]), Head(3, "ab" * 32), Head(0, "ab" * 32)):
        with assert_refused(ConflictError, state.committed):
            restore_registry(backup, again.database, again.store, lost_head=str(wrong))
    for text in ("", "3", str(state.committed)[:40]):
        with assert_refused(RequestError):
            restore_registry(backup, again.database, again.store, lost_head=text)
    assert not is_made(again)
    assert read_state(location) == state


def test_a_backup_that_has_the_head_is_restored(
    location: RegistryLocation, backup: Path, again: RegistryLocation
) -> None:
    with location.open() as registry:
        registry.backup(backup)
    head = head_of(location)
    with assert_refused(ConflictError, head):
        restore_registry(backup, again.database, again.store, lost_head=str(head))
    assert restore_registry(backup, again.database, again.store).revision == 3
    assert read_state(again) == StoreHead(head)
    record(again, 2)


def test_a_backup_ahead_of_the_store_is_restored_and_the_store_follows(
    location: RegistryLocation, backup: Path, again: RegistryLocation
) -> None:
    HeadFile(location.store).write(StoreHead(Head(1, read_chain(location)[1])))
    restore_registry(backup, again.database, again.store)
    assert read_state(again) == StoreHead(head_of(again)) == StoreHead(Head(2, read_chain(location)[2]))


def test_a_backup_into_a_new_store_makes_its_head(
    location: RegistryLocation, backup: Path, again: RegistryLocation, tmp_path: Path
) -> None:
    place = RegistryLocation(again.database, tmp_path / "new-store")
    with assert_refused(ConflictError):
        restore_registry(backup, place.database, place.store, lost_head=str(head_of(location)))
    assert not place.store.exists()
    restore_registry(backup, place.database, place.store)
    assert read_state(place) == StoreHead(head_of(place))


def test_a_damaged_head_is_refused_before_anything_is_written(
    location: RegistryLocation, backup: Path, again: RegistryLocation
) -> None:
    (location.store / "head.json").write_text("{")
    with assert_refused(CorruptionError, "head.json"):
        restore_registry(backup, again.database, again.store)
    assert not is_made(again)


def test_a_restored_copy_that_was_written_on_has_another_history(
    location: RegistryLocation, backup: Path, again: RegistryLocation, tmp_path: Path
) -> None:
    place = RegistryLocation(again.database, tmp_path / "new-store")
    restore_registry(backup, place.database, place.store)
    record(place, 2)
    shared, ours, theirs = Head(2, read_chain(place)[2]), head_of(location), head_of(place)
    assert (ours.number, theirs.number) == (3, 3)
    with place.open() as registry:
        assert registry.versions.list(as_of=str(shared))
        with assert_refused(ConflictError):
            registry.versions.list(as_of=str(ours))
        assert registry.versions.list(as_of=str(theirs))
    with location.open() as registry:
        with assert_refused(ConflictError):
            registry.versions.list(as_of=str(theirs))
        with assert_refused(NotFoundError):
            registry.versions.list(as_of=str(Head(9, theirs.seal)))


def test_the_command_line_restores_behind_the_head(
    location: RegistryLocation, backup: Path, again: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(again, monkeypatch)
    lost = str(head_of(location))
    refused = calreg.assert_refused(5, "restore", str(backup))
    assert refused["store"] == lost
    assert f"--lost-head {lost}" in calreg("restore", str(backup)).stderr
    calreg.assert_refused(2, "restore", str(backup), "--lost-head", lost[:30])
    result = calreg.run("restore", str(backup), "--lost-head", lost, "--comment", "fire", "--json")
    assert result.json["revision"] == 3
    assert lost in calreg.run("log").stdout


# Backups.


def test_an_older_copy_does_not_replace_a_newer_backup(
    location: RegistryLocation, backup: Path, copy_database: Copy
) -> None:
    copy = copy_database(location)
    record(location, 2)
    with location.open() as registry:
        registry.backup(backup)
    kept = {file: file.read_bytes() for file in backup.iterdir() if file.is_file()}
    with copy.open() as registry, assert_refused(ConflictError, head_of(location), head_of(copy)):
        registry.backup(backup)
    assert {file: file.read_bytes() for file in backup.iterdir() if file.is_file()} == kept
    with copy.open() as registry:
        registry.backup(backup.parent / "another")
    record(location, 3)
    with location.open() as registry:
        assert registry.backup(backup).revision == 5


# Moves.


def test_a_move_takes_the_head_to_a_new_store(
    location: RegistryLocation, backup: Path, again: RegistryLocation, tmp_path: Path
) -> None:
    before = read_state(location)
    place = RegistryLocation(again.database, tmp_path / "new-store")
    copy_registry(place.database, place.store, location.database, location.store)
    assert read_state(place) == before == read_state(location)
    record(place, 2)
    assert read_state(place) == StoreHead(head_of(place))
    assert read_state(location) == before


def test_a_move_beside_the_same_store_keeps_its_head(
    location: RegistryLocation, backup: Path, again: RegistryLocation
) -> None:
    copy_registry(again.database, None, location.database, location.store)
    record(again, 2)
    assert read_state(again) == StoreHead(head_of(again))


@pytest.mark.sqlite_suffices
@pytest.mark.on_both_databases
def test_an_older_copy_is_not_moved(
    location: RegistryLocation, copy_database: Copy, again: RegistryLocation, tmp_path: Path
) -> None:
    record(location, 0)
    copy = copy_database(location)
    record(location, 1)
    for store in (None, tmp_path / "new-store"):
        with assert_refused(ConflictError, head_of(location), head_of(copy), remedy=Remedy.USE_LIVE_DATABASE):
            copy_registry(again.database, store, copy.database, copy.store)
    assert not is_made(again)
    assert not (tmp_path / "new-store").exists()
    with copy.open() as registry:
        assert registry.closure is None


@pytest.mark.on_both_databases
def test_a_move_to_a_store_with_another_head_is_refused(
    location: RegistryLocation, backup: Path, again: RegistryLocation, tmp_path: Path
) -> None:
    elsewhere = RegistryLocation.in_folder(tmp_path / "elsewhere")
    restore_registry(backup, elsewhere.database, elsewhere.store)
    record(elsewhere, 2)
    with assert_refused(ConflictError, head_of(elsewhere)):
        copy_registry(again.database, elsewhere.store, location.database, location.store)
    assert not is_made(again)
    with location.open() as registry:
        assert registry.closure is None
