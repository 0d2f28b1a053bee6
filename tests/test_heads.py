"""The head of a store: a database that lacks it writes nothing, and a writer that was killed blocks nobody."""

from __future__ import annotations

import errno
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from registry.api import create_registry
from registry.database.store_heads import HeadKeeper
from registry.errors import (
    ConflictError,
    CorruptionError,
    Remedy,
    RequestError,
    SchemaError,
    UnavailableError,
)
from registry.heads import Head, HeadFile, StoreHead, parse_head
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation
from tests.conftest import act_as_ordinary_user, make_location
from tests.heads import PANELS, Copy, head_of, read_chain, read_state, record, record_and_die
from tests.refusals import assert_refused
from tests.selection import repeat_first

OTHER_SEAL = "ab" * 32

PLACES = ("before the announcement", "while the head is written", "before the commit", "after the commit")


# The protocol.


def test_a_new_store_has_the_head_of_its_database(location: RegistryLocation) -> None:
    state = read_state(location)
    assert (state.committed.number, state.coming) == (0, None)
    assert (location.store / "head.json").stat().st_mode & 0o777 == 0o644
    record(location, 0)
    assert read_state(location) == StoreHead(head_of(location))


def test_a_time_zone_that_is_recorded_at_the_creation_is_in_the_head(tmp_path: Path) -> None:
    location = RegistryLocation.in_folder(tmp_path)
    create_registry(location.database, location.store, timezone="Europe/Zurich")
    assert read_state(location) == StoreHead(head_of(location))
    create_registry(location.database, location.store, timezone="UTC", comment="moved")
    assert read_state(location) == StoreHead(head_of(location))
    assert head_of(location).number == 2


def test_the_first_writer_gives_a_store_its_head(location: RegistryLocation) -> None:
    record(location, 0)
    (location.store / "head.json").unlink()
    record(location, 1)
    assert read_state(location) == StoreHead(head_of(location))


def test_creating_a_registry_again_gives_a_store_its_head(location: RegistryLocation) -> None:
    record(location, 0)
    (location.store / "head.json").unlink()
    create_registry(location.database, location.store)
    assert read_state(location) == StoreHead(head_of(location))


@pytest.mark.parametrize("place", repeat_first(PLACES, 2))
def test_a_writer_that_is_killed_blocks_nobody(location: RegistryLocation, place: str) -> None:
    record(location, 0)
    record_and_die(location, 1, place)
    was_committed = place == "after the commit"
    assert len(read_chain(location)) == 1 + was_committed
    record(location, 2, 3)
    assert read_state(location) == StoreHead(head_of(location))
    assert head_of(location).number == 3 + was_committed
    with location.open() as registry:
        assert registry.verify().problems == ()


@pytest.mark.parametrize("place", repeat_first(PLACES))
def test_the_first_writer_is_killed_in_a_store_without_a_head(location: RegistryLocation, place: str) -> None:
    (location.store / "head.json").unlink()
    record_and_die(location, 1, place)
    record(location, 2)
    assert read_state(location) == StoreHead(head_of(location))


def test_two_writers_in_turn_are_killed(location: RegistryLocation) -> None:
    for panel, (first, second) in enumerate(
        [PLACES[1:3], PLACES[2:4], PLACES[3:1:-1], (PLACES[3], PLACES[3])]
    ):
        record_and_die(location, 2 * panel, first)
        record_and_die(location, 2 * panel + 1, second)
    record(location, 9)
    assert read_state(location) == StoreHead(head_of(location))


def test_a_commit_that_fails_is_resolved_by_the_next_writer(
    location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(location, 0)
    before = head_of(location)
    with location.open() as registry:
        with monkeypatch.context() as patch:
            patch.setattr(sa.Connection, "commit", _refuse_commit)
            with assert_refused(UnavailableError):
                registry.panels.add(PANELS[1])
        state = read_state(location)
        assert state.committed == before == head_of(location)
        assert state.coming is not None
        assert state.coming.number == 2
        registry.panels.add(PANELS[2])
    assert read_state(location) == StoreHead(head_of(location))


def _refuse_commit(_: object) -> None:
    raise UnavailableError("the disk is full")


def test_exports_dry_runs_and_readers_do_not_write_the_head(
    location: RegistryLocation, small_panels: None, tmp_path: Path
) -> None:
    with location.open() as registry:
        registry.panels.add(PANELS[0])
        registry.versions.add(PANELS[0], write_panel_folder(tmp_path / "M044"), valid_from="beginning")
        before = _stat(location)
        registry.panels.add(PANELS[1], dry_run=True)
        assert registry.export(PANELS[0], tmp_path / "out", at="20200101000000").recorded
        registry.panels.add(PANELS[0])  # nothing new
        registry.verify(collect=True)
        registry.log()
        registry.backup(tmp_path / "backup")
        registry.snapshot(tmp_path / "snapshot.sqlite")
        assert _stat(location) == before
        assert not (tmp_path / "backup" / "head.json").exists()


def _stat(location: RegistryLocation) -> tuple[bytes, int, int]:
    file = location.store / "head.json"
    return file.read_bytes(), file.stat().st_mtime_ns, file.stat().st_ino


def test_threads_and_processes_record_at_the_same_time(location: RegistryLocation) -> None:
    children = []
    for first in (0, 3):
        pid = os.fork()
        if pid == 0:
            try:
                record(location, first, first + 1, first + 2)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(pid)
    threads = [threading.Thread(target=record, args=(location, panel)) for panel in (6, 7, 8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0, 0]
    assert head_of(location).number == 9
    assert read_state(location) == StoreHead(head_of(location))


def test_a_process_that_is_forked_during_a_write_does_not_keep_the_lock(
    sqlite_location: RegistryLocation,
) -> None:
    heads = HeadFile(sqlite_location.store)
    reader, writer = os.pipe()
    with heads.lock():
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
    record(sqlite_location, 0)
    os.close(writer)
    os.waitpid(pid, 0)
    os.close(reader)


def test_a_writer_waits_for_another_only_so_long(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.storage.folder_locks._PATIENCE_SECONDS", 0)
    heads = HeadFile(sqlite_location.store)
    with heads.lock(), assert_refused(UnavailableError, str(sqlite_location.store)):
        record(sqlite_location, 0)
    assert read_chain(sqlite_location) == {}


# Two databases beside one store.


def assert_foreign(location: RegistryLocation, store: Head, *, panel: int = 9) -> None:
    """Check that a database is refused beside its store, with both heads, and that nothing was recorded."""
    chain, state = read_chain(location), read_state(location)
    own = str(head_of(location))
    with assert_refused(
        ConflictError, store, own, remedy=Remedy.USE_LIVE_DATABASE, store=str(store), database=own
    ):
        record(location, panel)
    assert read_chain(location) == chain
    assert read_state(location) == state


def test_an_older_copy_beside_the_live_store_is_refused(
    location: RegistryLocation, copy_database: Copy, small_panels: None, tmp_path: Path
) -> None:
    record(location, 0)
    copy = copy_database(location)
    record(location, 1)
    assert_foreign(copy, head_of(location))
    with copy.open() as registry:
        with assert_refused(ConflictError, remedy=Remedy.USE_LIVE_DATABASE):
            registry.versions.add(PANELS[0], write_panel_folder(tmp_path / "M044"), valid_from="beginning")
        with assert_refused(ConflictError, remedy=Remedy.USE_LIVE_DATABASE):
            registry.panels.add(PANELS[2], dry_run=True)
    with location.open() as registry:  # the files that the copy stored are harmless
        registry.panels.add(PANELS[3])
        assert registry.verify().problems == ()
        assert (
            registry.versions.add(
                PANELS[0], write_panel_folder(tmp_path / "M044"), valid_from="beginning"
            ).revision
            == 4
        )


def test_of_two_databases_at_one_head_the_first_to_write_is_the_live_one(
    location: RegistryLocation, copy_database: Copy
) -> None:
    record(location, 0)
    copy = copy_database(location)
    record(copy, 1)
    assert_foreign(location, head_of(copy))
    record(copy, 2)
    assert_foreign(location, head_of(copy))


def test_a_database_with_other_revisions_is_refused(location: RegistryLocation, copy_database: Copy) -> None:
    record(location, 0)
    copy = copy_database(location)
    record(location, 1)
    HeadFile(location.store).write(StoreHead(Head(1, read_chain(location)[1])))
    record(copy, 2, 3)
    assert_foreign(location, head_of(copy))


def test_a_copy_one_behind_writes_where_nobody_can_tell_what_was_committed(
    location: RegistryLocation, copy_database: Copy
) -> None:
    record(location, 0)
    copy = copy_database(location)
    record_and_die(location, 1, "after the commit")
    record(copy, 2)
    assert_foreign(location, head_of(copy))


def test_a_copy_two_behind_is_refused_while_a_revision_is_coming(
    location: RegistryLocation, copy_database: Copy
) -> None:
    record(location, 0)
    copy = copy_database(location)
    record(location, 1)
    committed = head_of(location)
    record_and_die(location, 2, "after the commit")
    assert_foreign(copy, committed)
    record(location, 3)


def test_a_revision_that_came_to_nothing_does_not_block_others_after_it(
    location: RegistryLocation, copy_database: Copy
) -> None:
    record(location, 0)
    copy = copy_database(location)
    state = StoreHead(head_of(location), Head(2, OTHER_SEAL))
    (location.store / "head.json").unlink()
    record(copy, 1)
    HeadFile(location.store).write(state)
    assert_foreign(copy, Head(2, OTHER_SEAL))
    record(location, 2)


def test_two_databases_write_at_the_same_moment(location: RegistryLocation, copy_database: Copy) -> None:
    record(location, 0)
    copies = [location, copy_database(location)]
    refused: list[ConflictError] = []
    barrier = threading.Barrier(2)

    def write(place: RegistryLocation) -> None:
        with place.open() as registry:
            barrier.wait()
            try:
                registry.panels.add(PANELS[1])
            except ConflictError as error:
                refused.append(error)

    threads = [threading.Thread(target=write, args=(place,)) for place in copies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert sorted(len(read_chain(place)) for place in copies) == [1, 2]


def test_a_writer_sees_what_another_database_announces_while_it_writes(
    location: RegistryLocation, copy_database: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(location, 0)
    copy = copy_database(location)
    original = HeadKeeper.refuse_foreign
    came = []

    def let_another_write(keeper: HeadKeeper, history: Any) -> None:
        original(keeper, history)
        if not came:
            came.append(True)
            record(copy, 2)

    monkeypatch.setattr(HeadKeeper, "refuse_foreign", let_another_write)
    with location.open() as registry, assert_refused(ConflictError, remedy=Remedy.USE_LIVE_DATABASE):
        registry.panels.add(PANELS[1])
    assert len(read_chain(location)) == 1
    assert read_state(location) == StoreHead(head_of(copy))


# The file.


DAMAGED = {
    "cut": b'{"committed":{"number":1,',
    "text": b"no head\n",
    "binary": bytes(range(256)),
    "nothing committed": b'{"format":1,"coming":null}',
    "short seal": b'{"format":1,"committed":{"number":1,"seal":"ab"},"coming":null}',
    "negative": b'{"format":1,"committed":{"number":-1,"seal":"%s"}}' % OTHER_SEAL.encode(),
    "huge": b'{"format":1,"committed":{"number":99999999999,"seal":"%s"}}' % OTHER_SEAL.encode(),
    "list": b"[" * 5000,
}


@pytest.mark.parametrize("content", [b"", bytes(512)], ids=["empty", "zeros"])
def test_a_head_that_a_power_cut_emptied_counts_as_missing(
    sqlite_location: RegistryLocation, content: bytes
) -> None:
    record(sqlite_location, 0)
    (sqlite_location.store / "head.json").write_bytes(content)
    record(sqlite_location, 1)
    assert read_state(sqlite_location) == StoreHead(head_of(sqlite_location))


@pytest.mark.parametrize("content", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_head_is_refused_and_what_the_refusal_advises_works(
    sqlite_location: RegistryLocation, content: bytes
) -> None:
    record(sqlite_location, 0)
    file = sqlite_location.store / "head.json"
    file.write_bytes(content)
    with assert_refused(CorruptionError, str(file), "remove", path=str(file)):
        record(sqlite_location, 1)
    assert len(read_chain(sqlite_location)) == 1
    file.unlink()
    record(sqlite_location, 1)
    assert read_state(sqlite_location) == StoreHead(head_of(sqlite_location))


def test_a_head_of_newer_software_is_refused(sqlite_location: RegistryLocation) -> None:
    file = sqlite_location.store / "head.json"
    file.write_text(json.dumps({"format": 2, "heads": []}))
    with assert_refused(SchemaError, str(file), "2", format=2):
        record(sqlite_location, 0)
    assert read_chain(sqlite_location) == {}


def _make_folder(file: Path) -> None:
    file.mkdir()


def _make_dangling_link(file: Path) -> None:
    file.symlink_to("nowhere")


def _make_circle(file: Path) -> None:
    file.symlink_to(file.name)


@pytest.mark.parametrize("make", [_make_folder, os.mkfifo, _make_dangling_link, _make_circle])
def test_what_is_not_a_file_is_refused_as_a_head(
    sqlite_location: RegistryLocation, make: Callable[[Path], None]
) -> None:
    file = sqlite_location.store / "head.json"
    file.unlink()
    make(file)
    with assert_refused(CorruptionError, str(file)):
        record(sqlite_location, 0)
    assert read_chain(sqlite_location) == {}


def test_a_link_to_a_head_stays_a_link(sqlite_location: RegistryLocation, tmp_path: Path) -> None:
    file = sqlite_location.store / "head.json"
    shutil.move(file, tmp_path / "kept.json")
    file.symlink_to(tmp_path / "kept.json")
    record(sqlite_location, 0)
    assert file.is_symlink()
    assert read_state(sqlite_location) == StoreHead(head_of(sqlite_location))


def test_the_head_of_a_shared_store_is_readable_whatever_the_umask(sqlite_location: RegistryLocation) -> None:
    former = os.umask(0o077)
    try:
        record(sqlite_location, 0)
    finally:
        os.umask(former)
    assert (sqlite_location.store / "head.json").stat().st_mode & 0o777 == 0o644


def test_a_disk_that_is_full_when_the_head_is_written_records_nothing(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(sqlite_location, 0)
    before = sorted(path.name for path in sqlite_location.store.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _fill_disk)
        with assert_refused(UnavailableError, "head.json"):
            record(sqlite_location, 1)
    assert len(read_chain(sqlite_location)) == 1
    assert sorted(path.name for path in sqlite_location.store.iterdir()) == before
    record(sqlite_location, 1)


def _fill_disk(file: Path, target: Path) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))


def test_a_disk_that_is_full_after_the_commit_is_noted(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = HeadKeeper.confirm

    def confirm_on_a_full_disk(keeper: HeadKeeper, history: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", _fill_disk)
            original(keeper, history)

    with sqlite_location.open() as registry:
        with monkeypatch.context() as patch:
            patch.setattr(HeadKeeper, "confirm", confirm_on_a_full_disk)
            outcome = registry.panels.add(PANELS[0])
        assert outcome.revision == 1
        assert any("head.json" in note for note in outcome.notes)
        assert read_state(sqlite_location).coming == head_of(sqlite_location)
        registry.panels.add(PANELS[1])
    assert read_state(sqlite_location) == StoreHead(head_of(sqlite_location))


# A store that this user may not write.


@pytest.fixture
def shared(request: pytest.FixtureRequest, open_folder: Path) -> Iterator[RegistryLocation]:
    """A registry whose database an ordinary user may write, but not its store."""
    for location in make_location(request, open_folder, "sqlite"):
        assert location.file is not None
        record(location, 0)
        open_folder.chmod(0o777)
        for file in open_folder.glob("registry.sqlite*"):
            file.chmod(0o666)
        yield location


def test_who_may_not_write_the_store_records_with_a_note(shared: RegistryLocation) -> None:
    before = _stat(shared)
    with act_as_ordinary_user(), shared.open() as registry:
        for panel, revision in ((1, 2), (2, 3)):
            outcome = registry.panels.add(PANELS[panel])
            assert outcome.revision == revision
            assert any("head.json" in note for note in outcome.notes)
    assert _stat(shared) == before
    record(shared, 3)
    assert read_state(shared) == StoreHead(head_of(shared))


def test_who_may_not_write_the_store_goes_on_after_a_commit_that_was_not_confirmed(
    shared: RegistryLocation,
) -> None:
    record_and_die(shared, 1, "after the commit")
    with act_as_ordinary_user():
        record(shared, 2)
    record(shared, 3)
    assert read_state(shared) == StoreHead(head_of(shared))


def test_who_may_not_write_the_store_is_refused_while_a_writers_end_is_unknown(
    shared: RegistryLocation,
) -> None:
    record_and_die(shared, 1, "before the commit")
    with act_as_ordinary_user(), assert_refused(UnavailableError, "head.json", "revision 2"):
        record(shared, 2)
    assert len(read_chain(shared)) == 1
    record(shared, 2)
    with act_as_ordinary_user():
        record(shared, 3)


def test_a_read_only_store_takes_facts_without_files(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with sqlite_location.open() as registry, monkeypatch.context() as patch:
        patch.setattr("registry.storage.folder.atomic_write", refuse)
        outcome = registry.panels.add(PANELS[0])
    assert outcome.revision == 1
    assert any("head.json" in note for note in outcome.notes)


# Quoted heads.


@pytest.mark.parametrize(
    "text", ["", "1", "1:", f"1:{'a' * 15}", f"1:{'a' * 65}", f"-1:{OTHER_SEAL}", f"1:{'g' * 64}"]
)
def test_what_is_not_a_head_is_refused(text: str) -> None:
    with assert_refused(RequestError):
        parse_head(text)


def test_a_head_is_read_as_it_is_written() -> None:
    head = Head(12, OTHER_SEAL)
    assert parse_head(str(head)) == head
    assert parse_head(str(head).upper()) == head
