"""A fork is a registry of its own: it has the ancestor's revisions, files and seals, and another Id."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry import fork_registry, replay, verify_export
from registry.api import forks, open_registry
from registry.database.change import Change
from registry.errors import (
    ConflictError,
    CorruptionError,
    Remedy,
    RequestError,
    SchemaError,
    UnavailableError,
)
from registry.heads import StoreHead
from registry.store import ContentStore
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import list_object_paths
from tests.cli import Calreg
from tests.copies import read_facts
from tests.heads import KILLED, Copy, head_of, list_broken_seals, read_chain, read_state, record
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

AT = "2018-06-01T00:00:00Z"
COMMENT = "for the other beamline"


@pytest.fixture
def filled(sample: RegistryLocation) -> RegistryLocation:
    """A registry with a row of every sort."""
    return sample


@pytest.fixture
def target(request: pytest.FixtureRequest, location: RegistryLocation, tmp_path: Path) -> RegistryLocation:
    """A place for a fork, on the same database."""
    folder = tmp_path / "fork"
    if location.is_sqlite:
        return RegistryLocation.in_folder(folder)
    return RegistryLocation(request.getfixturevalue("empty_postgres"), folder / "store")


def fork(source: RegistryLocation, target: RegistryLocation, **options: Any) -> str:
    """Fork a registry, check that nothing of it has changed, and return the Id of the fork."""
    before, head = read_facts(source.database), read_state(source)
    done = fork_registry(
        target.database, target.store, source.database, source.store, comment=COMMENT, **options
    )
    assert read_facts(source.database) == before
    assert read_state(source) == head
    assert done.revision == head_of(target).number
    return done.registry


def check_sound(location: RegistryLocation) -> None:
    assert list_broken_seals(location) == []
    with location.open() as registry:
        assert registry.verify().problems == ()
    assert read_state(location) == StoreHead(head_of(location))


def test_a_fork_goes_on_with_an_id_of_its_own(filled: RegistryLocation, target: RegistryLocation) -> None:
    ancestor = head_of(filled)
    with filled.open() as registry:
        old_id = registry.id
    new_id = fork(filled, target)
    assert new_id != old_id
    assert ContentStore(target.store).read_owner() == new_id
    check_sound(target)
    chain = read_chain(target)
    assert {number: chain[number] for number in read_chain(filled)} == read_chain(filled)
    with target.open() as registry:
        assert registry.id == new_id
        (first, *_) = registry.log()
        assert (first.revision, first.comment) == (ancestor.number + 1, COMMENT)
        assert list(first.changes) == [
            f"+ registry {new_id} continues registry {old_id} from revision {ancestor}"
        ]
        assert registry.versions.list()
        assert registry.export(PANEL_A, target.folder / "out", at=AT).recorded
        registry.tags.add("own")
    record(filled, 5)
    check_sound(target)
    check_sound(filled)
    assert head_of(target) != head_of(filled)


def test_stores_and_databases_of_a_fork_and_its_ancestor_do_not_go_together(
    filled: RegistryLocation, target: RegistryLocation
) -> None:
    new_id = fork(filled, target)
    for place in (
        RegistryLocation(filled.database, target.store),
        RegistryLocation(target.database, filled.store),
    ):
        with assert_refused(ConflictError, new_id):
            place.open()


@pytest.mark.sqlite_suffices
def test_an_empty_registry_is_forked(location: RegistryLocation, target: RegistryLocation) -> None:
    fork(location, target)
    assert head_of(target).number == 1
    check_sound(target)


@pytest.mark.sqlite_suffices
def test_an_older_copy_beside_the_live_store_is_forked(
    filled: RegistryLocation, copy_database: Copy, target: RegistryLocation
) -> None:
    copy = copy_database(filled)
    record(filled, 5)
    before = head_of(copy)
    fork(copy, target)
    assert head_of(target).number == before.number + 1
    check_sound(target)
    with target.open() as registry:
        registry.panels.add(PANEL_B)


@pytest.mark.sqlite_suffices
def test_a_registry_that_moved_is_forked(
    filled: RegistryLocation, target: RegistryLocation, tmp_path: Path
) -> None:
    from registry import copy_registry

    moved = RegistryLocation.in_folder(tmp_path / "moved")
    copy_registry(moved.database, moved.store, filled.database, filled.store)
    fork(filled, target)
    check_sound(target)
    with target.open() as registry:
        assert registry.closure is None
        registry.tags.add("own")


@pytest.mark.sqlite_suffices
def test_a_snapshot_is_forked_and_goes_on(
    filled: RegistryLocation, target: RegistryLocation, tmp_path: Path
) -> None:
    with filled.open() as registry:
        registry.set_timezone("Europe/Zurich", comment="local times after all")
        for number in range(3):
            registry.export(PANEL_A, tmp_path / f"later-{number}", at=AT)
        registry.tags.add("published", as_of=8)
        registry.snapshot(tmp_path / "snapshot.sqlite", as_of="published", store=tmp_path / "snapshot-store")
    snapshot = RegistryLocation(f"sqlite:///{tmp_path / 'snapshot.sqlite'}", tmp_path / "snapshot-store")
    fork_registry(target.database, target.store, snapshot.database, snapshot.store, comment=COMMENT)
    check_sound(target)
    with target.open() as registry:
        assert registry.timezone == "Europe/Zurich"
        assert [tag.revision for tag in registry.tags.list() if tag.tag == "published"] == [8]
        kept = len(registry.exports.list())
        assert registry.export(PANEL_A, target.folder / "out", at=AT).recorded
        assert len(registry.exports.list()) == kept + 1
        registry.tags.add("own")
    check_sound(target)
    engine = target.engine()
    with engine.connect() as connection:
        numbers = connection.execute(
            sa.text("SELECT max(id), (SELECT max(export) FROM export_seal) FROM export")
        )
        newest, sealed = numbers.one()
    engine.dispose()
    assert newest == sealed


@pytest.mark.sqlite_suffices
def test_a_fork_is_forked(filled: RegistryLocation, target: RegistryLocation, tmp_path: Path) -> None:
    first = fork(filled, target)
    again = RegistryLocation.in_folder(tmp_path / "again")
    second = fork(target, again)
    check_sound(again)
    with again.open() as registry:
        assert registry.id == second
        assert f"continues registry {first}" in registry.log()[0].changes[0]


@pytest.mark.exhaustive
@pytest.mark.sqlite_suffices
def test_a_fork_is_backed_up_restored_moved_and_kept_as_a_snapshot(
    filled: RegistryLocation, target: RegistryLocation, tmp_path: Path
) -> None:
    from registry import copy_registry, restore_registry

    new_id = fork(filled, target)
    with target.open() as registry:
        registry.backup(tmp_path / "backup")
        registry.snapshot(tmp_path / "snapshot.sqlite", store=tmp_path / "photo-store")
    restored = RegistryLocation.in_folder(tmp_path / "restored")
    assert restore_registry(tmp_path / "backup", restored.database, restored.store).registry == new_id
    check_sound(restored)
    moved = RegistryLocation.in_folder(tmp_path / "moved")
    assert copy_registry(moved.database, moved.store, restored.database, restored.store).registry == new_id
    check_sound(moved)
    with open_registry(f"sqlite:///{tmp_path / 'snapshot.sqlite'}", tmp_path / "photo-store") as snapshot:
        assert snapshot.id == new_id


# Documents of the ancestor.


@pytest.mark.sqlite_suffices
def test_a_document_from_before_the_fork_is_verified_and_replayed_by_it(
    filled: RegistryLocation, target: RegistryLocation, tmp_path: Path
) -> None:
    with filled.open() as registry:
        before = registry.export(PANEL_A, tmp_path / "before", at=AT).provenance
        old_id = registry.id
    new_id = fork(filled, target)
    place = (target.database, target.store)
    verification = verify_export(before, *place)
    assert verification.problems == ()
    assert any(old_id in note and new_id in note for note in verification.notes)
    assert replay(before, tmp_path / "again", *place).outputs
    with filled.open() as registry:
        registry.panels.add("170505-149520170815-3d00b9")
        later = registry.export(PANEL_A, tmp_path / "later", at=AT).provenance
    for refused in (verify_export, lambda *arguments: replay(arguments[0], tmp_path / "x", *arguments[1:])):
        with assert_refused(ConflictError, old_id, new_id):
            refused(later, *place)
    with target.open() as registry:
        own = registry.export(PANEL_A, tmp_path / "own", at=AT, as_of=8).provenance
    assert verify_export(own, *place).problems == ()
    with assert_refused(ConflictError, old_id, new_id):
        verify_export(own, filled.database, filled.store)


# Refusals.


@pytest.mark.sqlite_suffices
def test_occupied_targets_are_refused(
    filled: RegistryLocation, target: RegistryLocation, tmp_path: Path, copy_database: Copy
) -> None:
    other = copy_database(filled).database
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    for database, store in (
        (target.database, filled.store),
        (target.database, filled.store / "objects" / "fork"),
        (target.database, full),
        (filled.database, target.store),
        (other, target.store),
    ):
        with assert_refused(ConflictError):
            fork_registry(database, store, filled.database, filled.store, comment=COMMENT)
    assert not target.store.exists()
    assert sorted(full.iterdir()) == [full / "notes.txt"]
    registry_id = fork(filled, target)
    assert fork(filled, target) == registry_id
    with target.open() as forked:
        forked.tags.add("later")
    with assert_refused(ConflictError):
        fork(filled, target)


@pytest.mark.sqlite_suffices
def test_a_fork_needs_a_comment(filled: RegistryLocation, target: RegistryLocation) -> None:
    with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
        fork_registry(target.database, target.store, filled.database, filled.store, comment=" ")
    assert not target.store.exists()


@pytest.mark.sqlite_suffices
def test_a_registry_without_its_files_is_not_forked(
    filled: RegistryLocation, target: RegistryLocation
) -> None:
    lost = next(iter(list_object_paths(ContentStore(filled.store))))
    lost.unlink()
    with assert_refused(CorruptionError, lost.stem):
        fork(filled, target)
    assert ContentStore(target.store).read_owner() is None
    with pytest.raises((UnavailableError, SchemaError)):
        target.open()


# Interruptions.


def _die(*_: object, **__: object) -> None:
    os._exit(KILLED)


PLACES: dict[str, tuple[Any, str]] = {
    "before the files": (forks, "copy_objects"),
    "before the rows": (forks, "copy_rows"),
    "before the revision": (Change, "seal"),
    "before the head": (forks, "_finish"),
    "before the owner": (ContentStore, "create"),
}


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(
            place,
            marks=pytest.mark.exhaustive
            if holder not in (Change, ContentStore)
            else pytest.mark.sqlite_suffices
            if holder is ContentStore
            else (),
        )
        for place, (holder, _) in PLACES.items()
    ],
)
def test_a_fork_that_is_killed_is_completed_by_the_same_command(
    filled: RegistryLocation, target: RegistryLocation, place: str
) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            setattr(*PLACES[place], _die)
            fork(filled, target)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == KILLED
    with pytest.raises((UnavailableError, SchemaError)):
        target.open()
    new_id = fork(filled, target)
    check_sound(target)
    with target.open() as registry:
        assert registry.id == new_id
        registry.tags.add("own")


def test_the_ancestor_goes_on_while_a_fork_is_unfinished(
    filled: RegistryLocation, target: RegistryLocation
) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            setattr(*PLACES["before the head"], _die)
            fork(filled, target)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == KILLED
    with filled.open() as registry:
        registry.versions.add(PANEL_B, write_panel_folder(filled.folder / "new", 9), valid_from="beginning")
    fork(filled, target)
    check_sound(target)


# The command line.


@pytest.mark.sqlite_suffices
def test_the_command_line_forks(
    filled: RegistryLocation, target: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(filled, monkeypatch)
    place = ("--to", target.database, "--to-store", str(target.store))
    assert calreg("fork", *place).code == 2
    calreg.assert_refused(2, "fork", *place, "--comment", "")
    result = calreg.run("fork", *place, "--comment", COMMENT, "--json").json
    with target.open() as registry:
        assert (result["registry"], result["revision"]) == (registry.id, head_of(target).number)
    assert calreg.run("fork", *place, "--comment", COMMENT, "--json").json["rows"] == {}
    calreg.assert_refused(5, "fork", *place, "--comment", "another reason")
    assert f"registry {result['registry']} continues" in Calreg(target, monkeypatch).run("log").stdout
