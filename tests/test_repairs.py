"""A store is repaired from a copy: only bytes that are what was recorded take the place of damaged ones."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sa

from registry.api import Registry, create_registry
from registry.api.copies import copy_registry
from registry.api.forks import fork_registry
from registry.database.guards.installation import disable_guards
from registry.errors import (
    CorruptionError,
    DeniedError,
    NotFoundError,
    Remedy,
    RequestError,
    UnavailableError,
)
from registry.records import FileUse, MendedFile, Repair
from registry.store import ContentStore
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import find_object_path
from tests.cli import Calreg
from tests.conftest import act_as_ordinary_user
from tests.refusals import assert_refused
from tests.selection import repeat_first
from tests.test_interruptions import NEVER, interrupt

pytestmark = pytest.mark.small_panels


def fill(location: RegistryLocation, folder: Path) -> None:
    """Record two panels with three files each, and make a backup in the folder `backup`."""
    with location.open() as registry:
        for seed, panel in enumerate((PANEL_A, PANEL_B)):
            registry.panels.add(panel)
            arrays = write_panel_folder(folder / f"made-{seed}", seed=seed, kinds=["gain"])
            registry.versions.add(panel, arrays, valid_from="beginning", kinds=["gain"])
        registry.backup(folder / "backup")


@pytest.fixture
def small(sqlite_location: RegistryLocation, tmp_path: Path) -> Iterator[Registry]:
    fill(sqlite_location, tmp_path)
    with sqlite_location.open() as registry:
        yield registry


def find_object(store: Path, registry: Registry, version: int, gain_range: int) -> Path:
    _, files = registry.versions.show(version)
    return find_object_path(ContentStore(store), files[gain_range].sha256)


def damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"\0" * path.stat().st_size)


def list_contents(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


def summarise(repair: Repair) -> tuple[list[tuple[str, str]], list[tuple[str, str, str | None]]]:
    """Return what was mended, and what was not, by the ends of the names."""
    mended = [(file.sha256, file.was) for file in repair.mended]
    return mended, [(file.sha256, file.damage, file.copy_damage) for file in repair.unmended]


def test_damaged_and_missing_files_are_mended_from_a_backup(
    location: RegistryLocation, tmp_path: Path
) -> None:
    fill(location, tmp_path)
    whole = list_contents(location.store)
    with location.open() as registry:
        damaged, missing = (find_object(location.store, registry, version, 2) for version in (1, 2))
        damage(damaged)
        missing.unlink()
        planned = registry.repair(tmp_path / "backup", dry_run=True)
        assert not missing.exists()
        done = registry.repair(tmp_path / "backup")
        assert summarise(planned) == summarise(done)
        assert sorted(file.was for file in done.mended) == ["damaged", "missing"]
        assert (planned.dry_run, done.dry_run, done.unmended, done.problems) == (True, False, (), ())
        assert (
            MendedFile(damaged.stem, str(damaged), "damaged", (FileUse("gain", 2, PANEL_A, 1),))
            in done.mended
        )
        assert registry.verify().problems == ()
        assert registry.repair(tmp_path / "backup").mended == ()
    assert list_contents(location.store) == whole
    assert damaged.stat().st_mode & 0o777 == 0o444


@pytest.mark.slow
@pytest.mark.parametrize("sort", ["copy", "fork", "snapshot", "folder", "other"])
def test_any_copy_with_the_layout_of_a_store_serves(
    small: Registry, sqlite_location: RegistryLocation, tmp_path: Path, sort: str
) -> None:
    new = RegistryLocation(f"sqlite:///{tmp_path / 'new.sqlite'}", tmp_path / "copied")
    place = sqlite_location.database, sqlite_location.store
    if sort == "copy":
        copy_registry(new.database, new.store, *place)
    elif sort == "fork":
        fork_registry(new.database, new.store, *place, comment="why")
    elif sort == "snapshot":
        small.snapshot(new.file, store=new.store)
    elif sort == "folder":
        shutil.copytree(sqlite_location.store / "objects", new.store / "objects")
    else:
        create_registry(new.database, new.store)
        with new.open() as other:
            other.panels.add(PANEL_A)
            other.versions.add(PANEL_A, tmp_path / "made-0", valid_from="beginning", kinds=["gain"])
    path = find_object(sqlite_location.store, small, 1, 0)
    damage(path)
    done = small.repair(new.store)
    assert summarise(done) == ([(path.stem, "damaged")], [])
    assert any("belongs to registry" in note for note in done.notes) is (sort in {"fork", "other"})
    assert small.verify().problems == ()


def test_a_damaged_file_of_the_copy_replaces_nothing_and_a_file_that_it_lacks_is_named(
    small: Registry, sqlite_location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, lacking, sound = (find_object(sqlite_location.store, small, 1, number) for number in range(3))
    backup = ContentStore(tmp_path / "backup")
    for path in (both, sound):
        damage(path)
    lacking.unlink()
    damage(find_object_path(backup, both.stem))
    find_object_path(backup, lacking.stem).unlink()
    before = both.read_bytes(), both.stat().st_ino
    calreg = Calreg(sqlite_location, monkeypatch)
    planned = calreg("repair", "--from", str(Path(backup.place)), "--dry-run", "--json")
    done = calreg("repair", "--from", str(Path(backup.place)), "--json")
    assert (planned.code, done.code) == (6, 6)
    assert [file["sha256"] for file in done.json["mended"]] == [sound.stem]
    assert {file["sha256"]: (file["damage"], file["copy_damage"]) for file in done.json["unmended"]} == {
        both.stem: ("damaged", "damaged"),
        lacking.stem: ("missing", "missing"),
    }
    assert all(f"of panel {PANEL_A}, version 1" in file["problem"] for file in done.json["unmended"])
    assert (both.read_bytes(), both.stat().st_ino) == before
    assert not lacking.exists()
    quiet = calreg("repair", "--from", str(Path(backup.place)), "-q")
    assert (quiet.code, quiet.stdout) == (6, "")
    assert both.stem in quiet.stderr


@pytest.mark.slow
def test_what_nothing_refers_to_is_neither_mended_nor_brought(
    small: Registry, sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    stray, other = "ab" * 32, "cd" * 32
    objects, backup = ContentStore(sqlite_location.store), ContentStore(tmp_path / "backup")
    for store, sha256 in ((objects, stray), (backup, stray), (backup, other)):
        find_object_path(store, sha256).parent.mkdir(exist_ok=True)
        find_object_path(store, sha256).write_bytes(Path(store.place).name.encode())
    assert summarise(small.repair(Path(backup.place))) == ([], [])
    assert find_object_path(objects, stray).read_bytes() == b"store"
    assert not objects.has_object(other)


@pytest.mark.parametrize("column", repeat_first(["size", "maximum", "blake3"]))
def test_a_file_of_which_only_the_database_is_wrong_is_named_and_left(
    location: RegistryLocation, tmp_path: Path, column: str
) -> None:
    fill(location, tmp_path)
    with location.open() as registry:
        path = find_object(location.store, registry, 1, 0)
        gone = find_object(location.store, registry, 2, 0)
        gone.unlink()
        value = f"'{'00' * 32}'" if column == "blake3" else f"{column} + 1"
        engine = location.engine()
        with engine.begin() as connection, disable_guards(connection):
            connection.execute(
                sa.text(f"UPDATE blob SET {column} = {value} WHERE sha256 IN ('{path.stem}', '{gone.stem}')")
            )
        engine.dispose()
        before = path.stat().st_ino
        done = registry.repair(tmp_path / "backup")
        expected = [
            (path.stem, "recorded wrongly", None),
            (gone.stem, "missing", "recorded wrongly"),
        ]
        assert summarise(done) == ([], sorted(expected))
        assert {problem.revision for problem in done.problems} == {2, 4}
        assert (path.stat().st_ino, gone.exists(), done.head) == (before, False, None)


@pytest.mark.slow
def test_what_is_not_a_copy_is_refused(
    small: Registry, sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    own = sqlite_location.store
    (tmp_path / "linked").symlink_to(own)
    (tmp_path / "empty").mkdir()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    for source in (own, tmp_path / "linked", tmp_path / "empty", own.parent, sqlite_location.file):
        with assert_refused(RequestError, path=str(source)):
            small.repair(source)
    for source in (tmp_path / "nowhere", tmp_path / "circle"):
        with assert_refused(NotFoundError, path=str(source)):
            small.repair(source)


@pytest.mark.slow
def test_a_copy_that_may_not_be_read_is_unavailable(open_folder: Path) -> None:
    location = RegistryLocation.in_folder(open_folder / "own")
    location.folder.mkdir()
    create_registry(location.database, location.store)
    (open_folder / "private" / "objects").mkdir(parents=True)
    (open_folder / "private").chmod(0o700)
    with location.open() as registry, act_as_ordinary_user():
        if os.geteuid() == 0:
            pytest.skip("this system does not let root act as another user")
        with assert_refused(DeniedError, "private"):
            registry.repair(open_folder / "private")


@pytest.mark.slow
def test_a_store_that_cannot_be_written_is_refused_and_keeps_its_files(
    small: Registry, sqlite_location: RegistryLocation, tmp_path: Path, tmpfs: Callable[[str], Path]
) -> None:
    disk = tmpfs("size=1m")
    small.snapshot(disk / "taken.sqlite")
    location = RegistryLocation(f"sqlite:///{disk / 'taken.sqlite'}", disk / "store")
    damaged = find_object(location.store, small, 1, 0)
    damage(damaged)
    with suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    with location.open() as snapshot, assert_refused(UnavailableError, "No space left on device"):
        snapshot.repair(tmp_path / "backup")
    assert list(disk.rglob(".*")) == []
    (disk / "filler").unlink()
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with location.open() as snapshot:
        with assert_refused(UnavailableError, "Read-only"):
            snapshot.repair(tmp_path / "backup")
        assert len(snapshot.repair(tmp_path / "backup", dry_run=True).mended) == 1
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    with location.open() as snapshot:
        assert len(snapshot.repair(tmp_path / "backup").mended) == 1  # no row is written: it stays a snapshot
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with location.open() as snapshot:
        assert snapshot.repair(tmp_path / "backup").mended == ()


@pytest.mark.slow
def test_a_killed_repair_is_completed_and_leaves_nothing_behind(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    fill(sqlite_location, tmp_path)
    whole = list_contents(sqlite_location.store)
    paths = sorted((sqlite_location.store / "objects").rglob("*.npy"))
    arguments = ["repair", "--from", str(tmp_path / "backup")]

    def break_all() -> None:
        for path in paths[:3]:
            damage(path)
        for path in paths[3:]:
            path.unlink()

    break_all()
    calls = interrupt(sqlite_location, arguments, NEVER, "_claim_store").calls
    left = 0
    for call in (calls // 3, calls // 2, calls - 1):
        break_all()
        ended = interrupt(sqlite_location, arguments, call, "_claim_store", signal.SIGKILL)
        left += len(list(sqlite_location.store.rglob(".arriving-*")))
        assert ended.code in {-signal.SIGKILL, 0}
        assert interrupt(sqlite_location, arguments, NEVER, "_claim_store").code == 0
        assert list_contents(sqlite_location.store) == whole, call
    assert left


@pytest.mark.slow
def test_a_lost_folder_of_objects_is_brought_back_with_the_modes_of_the_group(
    small: Registry, sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    shutil.rmtree(sqlite_location.store / "objects")
    (sqlite_location.store / "objects").mkdir(mode=0o770)
    (sqlite_location.store / "objects").chmod(0o2770)
    assert len(small.repair(tmp_path / "backup").mended) == 6
    assert small.verify().problems == ()
    modes = {path.stat().st_mode & 0o7777 for path in (sqlite_location.store / "objects").iterdir()}
    assert modes == {0o2770}
    shutil.rmtree(sqlite_location.store / "objects")
    assert len(small.repair(tmp_path / "backup").mended) == 6


def test_refusals_and_verifications_that_name_damage_advise_the_repair(
    small: Registry, sqlite_location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(find_object(sqlite_location.store, small, 1, 0))
    with assert_refused(CorruptionError, remedy=Remedy.REPAIR_STORE):
        small.export(PANEL_A, tmp_path / "out", at="2018-01-01T00:00:00Z", types=["pixel_gain"])
    verified = Calreg(sqlite_location, monkeypatch)("verify")
    assert verified.code == 6
    assert "calreg repair --from" in verified.stderr
    (problem,) = small.verify().problems
    assert problem.damage == "damaged"


def test_a_folder_in_the_place_of_a_file_is_named_and_a_broken_link_replaced(
    small: Registry, sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    folder, link = (find_object(sqlite_location.store, small, 1, number) for number in range(2))
    for path in (folder, link):
        path.unlink()
    folder.mkdir()
    link.symlink_to(tmp_path / "nowhere")
    assert summarise(small.repair(tmp_path / "backup")) == (
        [(link.stem, "damaged")],
        [(folder.stem, "damaged", None)],
    )
    assert not link.is_symlink()
