"""Files that nothing refers to: listed, and removed where no writer can need them."""

from __future__ import annotations

import hashlib
import os
import re
import time
from pathlib import Path

import pytest

from harnesses.tampering import tamper
from registry.api import Registry, collecting
from registry.api import verification as verification_module
from registry.api.backend import Backend
from registry.cli import reports
from registry.database.change import Change
from registry.errors import ClosedError, ConflictError, UnavailableError
from registry.lookup.revisions import AsOf
from registry.records import UnreferencedFile
from registry.store import ContentStore
from testing.panels import PANEL_A, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import find_object_path
from tests.cli import Calreg
from tests.heads import Copy, record, record_and_die
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

DAY = 24 * 3600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_panel_folder(tmp_path_factory.mktemp("arrays"))


@pytest.fixture
def filled(location: RegistryLocation, folder: Path) -> RegistryLocation:
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, folder, valid_from="beginning", kinds=["gain"])
    return location


def stray(location: RegistryLocation, name: str, age: float, content: bytes = b"left by a crash") -> Path:
    path = location.store / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return set_age(path, age)


def set_age(path: Path, age: float) -> Path:
    os.utime(path, (time.time() - age,) * 2)
    return path


def an_object(digit: str) -> str:
    return f"objects/{digit * 2}/{digit * 64}.npy"


def by_path(files: tuple[UnreferencedFile, ...]) -> dict[str, UnreferencedFile]:
    return {file.path: file for file in files}


def list_objects(location: RegistryLocation) -> set[Path]:
    return set((location.store / "objects").glob("*/*"))


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_files_that_nothing_refers_to_are_listed_with_size_and_age(filled: RegistryLocation) -> None:
    old = stray(filled, an_object("0"), 3 * DAY)
    young = stray(filled, "objects/00/.arriving-abc", 60)
    marker = stray(filled, ".arriving-marker", 2 * DAY)
    recorded = next(path for path in list_objects(filled) if path not in (old, young))
    astray = stray(filled, f"objects/00/{recorded.name}", 2 * DAY)
    with filled.open() as registry:
        verification = registry.verify()
    assert verification.problems == ()
    assert [re.findall(r"\d+", note) for note in verification.notes] == [["4", "2"]]  # there, and removable
    files = by_path(verification.unreferenced)
    assert set(files) == {str(path) for path in (old, young, marker, astray)}
    assert (files[str(old)].size, files[str(old)].kept, files[str(old)].removed) == (15, None, False)
    assert abs(files[str(old)].age - 3 * DAY) < 3600
    assert (files[str(young)].kept, files[str(marker)].kept) == ("younger than a day", None)
    assert files[str(astray)].kept == "not a name that the store gives"
    assert all(path.exists() for path in (old, young, marker, astray))


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_collection_removes_and_names_files_older_than_a_day_and_leaves_the_rest(
    filled: RegistryLocation,
) -> None:
    kept = list_objects(filled)
    for path in kept:
        set_age(path, 1000 * DAY)  # however old: it is referred to
    old = [stray(filled, an_object("0"), DAY + 60), stray(filled, "objects/00/.arriving-abc", 9 * DAY)]
    young = [stray(filled, an_object("1"), DAY - 60), stray(filled, "objects/11/.arriving-abc", 0)]
    foreign = [stray(filled, "objects/README", 9 * DAY), stray(filled, "objects/11/.nfs0001", 9 * DAY)]
    link = filled.store / an_object("2")
    link.parent.mkdir()
    link.symlink_to(foreign[0])
    with filled.open() as registry:
        before = registry.log()
        verification = registry.verify(collect=True)
        assert registry.log() == before  # it makes no revision
        assert registry.verify().problems == ()
    files = by_path(verification.unreferenced)
    assert {path for path, file in files.items() if file.removed} == {str(path) for path in old}
    assert {files[str(path)].kept for path in young} == {"younger than a day"}
    assert {files[str(path)].kept for path in (*foreign, link)} == {"not a name that the store gives"}
    assert [re.findall(r"\d+", note) for note in verification.notes] == [["7", "2"]]
    assert list_objects(filled) == kept | {young[0], young[1], foreign[1], link}
    assert foreign[0].exists()


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_registry_with_problems_keeps_every_file(filled: RegistryLocation) -> None:
    lost = next(iter(list_objects(filled)))
    lost.unlink()
    old = stray(filled, an_object("0"), 9 * DAY)
    with filled.open() as registry:
        verification = registry.verify(collect=True)
    assert len(verification.problems) == 1
    assert [file.removed for file in verification.unreferenced] == [False]
    assert old.exists()


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_storing_an_unreferenced_file_again_resets_its_age(filled: RegistryLocation, folder: Path) -> None:
    source, content = folder / "g0_offset.npy", ContentStore(filled.store)
    sha256 = _checksum(source)
    assert content.add_object(source, sha256)
    set_age(find_object_path(content, sha256), 9 * DAY)
    assert content.add_object(source, sha256) is False
    with filled.open() as registry:
        (file,) = registry.verify(collect=True).unreferenced
    assert (file.path, file.kept) == (str(find_object_path(content, sha256)), "younger than a day")


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before the lock", "in put"])
def test_a_writer_stores_again_the_files_that_a_collection_removed_meanwhile(
    filled: RegistryLocation, folder: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer finds an old file that nothing refers to; a collection that looked before removes it."""
    with filled.open() as registry:
        backend = registry._backend
        files = [folder / f"g{number}_offset.npy" for number in range(3)]
        sums = [_checksum(path) for path in files]
        for path, sha256 in zip(files, sums, strict=True):
            backend.store.add_object(path, sha256)
        writing = type(backend.database).write_transaction

        def turn(*arguments: object, **options: object) -> object:
            for sha256 in sums:
                find_object_path(backend.store, sha256).unlink()
            return writing(*arguments, **options)  # type: ignore[arg-type]

        if moment == "in put":
            monkeypatch.setattr(os, "utime", lambda path: path.unlink())
        else:
            monkeypatch.setattr(type(backend.database), "write_transaction", turn)
        assert registry.versions.add(PANEL_A, folder, valid_from="20200101000000", kinds=["offset"]).revision
        monkeypatch.undo()
        assert registry.verify().problems == ()


@pytest.mark.slow
def test_a_collection_reads_the_rows_again_under_the_writers_lock(
    filled: RegistryLocation, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the listing and the lock a writer records an old file, and finds another."""
    recorded, found_again = folder / "g0_offset.npy", _checksum(folder / "g0_gain.npy")
    with filled.open() as registry, filled.open() as other:
        content = registry._backend.store
        for number in range(3):
            path = folder / f"g{number}_offset.npy"
            content.add_object(path, _checksum(path))
            set_age(find_object_path(content, _checksum(path)), 9 * DAY)
        touched = stray(filled, an_object("0"), 9 * DAY)
        writing = type(registry._backend.database).write_transaction

        def turn(database: object, *arguments: object, **options: object) -> object:
            monkeypatch.undo()
            other.versions.add(PANEL_A, folder, valid_from="20200101000000", kinds=["offset"])
            set_age(find_object_path(content, _checksum(recorded)), 9 * DAY)  # its age does not save it
            set_age(touched, 0)
            return writing(database, *arguments, **options)  # type: ignore[arg-type]

        monkeypatch.setattr(type(registry._backend.database), "write_transaction", turn)
        verification = registry.verify(collect=True)
        assert [(file.path, file.kept) for file in verification.unreferenced] == [
            (str(touched), "younger than a day")
        ]
        assert content.has_object(found_again)
        assert registry.verify().problems == ()


@pytest.mark.slow
def test_the_lock_is_held_while_files_are_removed(
    filled: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray(filled, an_object("0"), 9 * DAY)
    removed, events = ContentStore.remove_file, list[str]()
    writing = Change.__init__

    def remove(content: ContentStore, path: Path) -> None:
        events.append("removed")
        removed(content, path)

    def begin(change: Change, *arguments: object) -> None:
        writing(change, *arguments)  # type: ignore[arg-type]
        assert change.connection.in_transaction()
        events.append("locked")

    monkeypatch.setattr(ContentStore, "remove_file", remove)
    monkeypatch.setattr(Change, "__init__", begin)
    with filled.open() as registry:
        registry.verify(collect=True)
    # First to refuse a database that may not be the newest, before all is read.
    assert events == ["locked", "locked", "removed"]


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_file_that_cannot_be_removed_is_kept_and_says_why(
    filled: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = stray(filled, an_object("0"), 9 * DAY)

    def refuse(content: ContentStore, key: str) -> None:
        raise UnavailableError(f"{key}: Operation not permitted")

    monkeypatch.setattr(ContentStore, "remove_file", refuse)
    with filled.open() as registry:
        (file,) = registry.verify(collect=True).unreferenced
    assert (file.removed, file.kept) == (False, f"{old.relative_to(filled.store)}: Operation not permitted")


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_verify_prints_unreferenced_files_and_collect_names_what_it_removed(
    filled: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = stray(filled, an_object("0"), 3 * DAY + 60)
    young = stray(filled, an_object("1"), 2 * 3600 + 60)
    calreg = Calreg(filled, monkeypatch)
    listed = calreg.run("verify")
    head = listed.stdout.splitlines()[1]
    assert listed.stdout == (
        f"4 checked, 0 problems\n{head}\n"
        "bytes  age                           file to which nothing refers\n"
        f"15     3 days  --collect removes it  {old}\n"
        f"15     2 h     younger than a day    {young}\n"
    )
    assert re.findall(r"\d+", listed.stderr) == ["2", "1"]
    assert [file["removed"] for file in calreg.run("verify", "--json").json["unreferenced"]] == [False] * 2
    collected = calreg.run("verify", "--collect")
    assert collected.stdout == (
        f"4 checked, 0 problems\n{head}\n"
        "bytes  age                         file to which nothing refers\n"
        f"15     3 days  removed             {old}\n"
        f"15     2 h     younger than a day  {young}\n"
    )
    assert re.findall(r"\d+", collected.stderr) == ["2", "1"]
    (left,) = calreg.run("verify", "--collect", "--json").json["unreferenced"]
    assert (left["path"], left["size"], left["kept"], left["removed"]) == (
        str(young),
        15,
        "younger than a day",
        False,
    )


def test_of_thousands_of_unreferenced_files_only_the_first_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = [UnreferencedFile(f"/store/{number}", 10, 30) for number in range(5000)]
    reports._print_unreferenced(files)
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 1 + 20 + 1
    assert shown[-1] == "... and 4980 more; --json lists all"


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_files_stored_and_recorded_meanwhile_are_not_listed(
    filled: RegistryLocation, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the store and the look at the rows, and after it, a writer registers."""
    with filled.open() as registry, filled.open() as other:
        view, kinds = type(registry._backend).read_transaction, ["gain", "offset"]

        def meanwhile(backend: Backend, as_of: AsOf = None) -> object:
            monkeypatch.undo()
            other.versions.add(PANEL_A, folder, valid_from="20200101000000", kinds=kinds)
            return view(backend, as_of)

        monkeypatch.setattr(type(registry._backend), "read_transaction", meanwhile)
        assert registry.verify().unreferenced == ()


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_snapshot_collects_nothing_from_the_store_that_it_shares(
    filled: RegistryLocation, tmp_path: Path
) -> None:
    old = stray(filled, an_object("0"), 9 * DAY)
    with filled.open() as registry:
        registry.snapshot(tmp_path / "snapshot.sqlite", store=filled.store)
    snapshot = RegistryLocation(f"sqlite:///{tmp_path / 'snapshot.sqlite'}", filled.store)
    with snapshot.open() as registry, pytest.raises(ClosedError):
        registry.verify(collect=True)
    assert old.exists()


def list_old_files(location: RegistryLocation) -> set[Path]:
    """Return all files of the store, dated back so that nothing but a reference keeps them."""
    return {
        set_age(path, 9 * DAY) for path in [stray(location, an_object("0"), 9 * DAY), *list_objects(location)]
    }


def assert_nothing_collected(location: RegistryLocation, monkeypatch: pytest.MonkeyPatch) -> None:
    old = list_old_files(location)
    with location.open() as registry, assert_refused(ConflictError):
        registry.verify(collect=True)
    Calreg(location, monkeypatch).assert_refused(5, "verify", "--collect")
    assert list_objects(location) == old


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_an_older_copy_beside_the_live_store_collects_nothing(
    filled: RegistryLocation, folder: Path, copy_database: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_database(filled)
    with filled.open() as registry:
        registry.versions.add(PANEL_A, folder, valid_from="20200101000000", kinds=["offset"])
    assert_nothing_collected(copy, monkeypatch)
    with filled.open() as registry:
        assert registry.verify().problems == ()
        verification = registry.verify(collect=True)
    assert sum(file.removed for file in verification.unreferenced) == 1
    with copy.open() as registry:
        (problem,) = registry.verify().problems
    assert problem.path == str(filled.store / "head.json")


@pytest.mark.slow
def test_a_database_that_becomes_stale_while_it_verifies_collects_nothing(
    filled: RegistryLocation, folder: Path, copy_database: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = copy_database(filled)
    old = stray(filled, an_object("0"), 9 * DAY)
    removing = collecting.remove_unreferenced_files

    def write_first(backend: Backend, files: list[UnreferencedFile]) -> object:
        with filled.open() as registry:
            registry.versions.add(PANEL_A, folder, valid_from="20200101000000", kinds=["offset"])
        return removing(backend, files)

    monkeypatch.setattr(verification_module, "remove_unreferenced_files", write_first)
    with copy.open() as registry, assert_refused(ConflictError):
        registry.verify(collect=True)
    assert old.exists()


@pytest.mark.slow
def test_nothing_is_collected_while_the_end_of_a_writer_is_not_known(
    filled: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    record_and_die(filled, 3, "before the commit")
    assert_nothing_collected(filled, monkeypatch)
    record(filled, 4)
    assert Calreg(filled, monkeypatch).run("verify", "--collect").code == 0
    # One that has committed is in the history: its end is known.
    record_and_die(filled, 5, "after the commit")
    old = stray(filled, an_object("0"), 9 * DAY)
    assert Calreg(filled, monkeypatch).run("verify", "--collect").code == 0
    assert not old.exists()


@pytest.mark.slow
@pytest.mark.parametrize("content", [None, b"{"])
def test_nothing_is_collected_from_a_store_whose_head_is_not_known(
    filled: RegistryLocation, content: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, head = list_old_files(filled), filled.store / "head.json"
    head.unlink() if content is None else head.write_bytes(content)
    with filled.open() as registry:
        verification = registry.verify()
    assert (len(verification.problems), len(verification.notes)) == ((0, 2) if content is None else (1, 1))
    Calreg(filled, monkeypatch).assert_refused(5 if content is None else 6, "verify", "--collect")
    assert list_objects(filled) == old


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_nothing_is_collected_where_a_seal_is_broken(
    filled: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = list_old_files(filled)
    tamper(filled, ("UPDATE version SET comment = 'as good as new'",))
    result = Calreg(filled, monkeypatch)("verify", "--collect", "--json")
    assert result.code == 6
    assert [problem["revision"] for problem in result.json["problems"]] == [2]
    assert list_objects(filled) == old


def test_a_sound_registry_has_nothing_to_collect(registry: Registry) -> None:
    verification = registry.verify(collect=True)
    assert (verification.unreferenced, verification.notes) == ((), ())
