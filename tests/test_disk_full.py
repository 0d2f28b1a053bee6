"""A full disk, a folder that may not be written, a file that may not be read: exit code 8, nothing partial."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.api import create_registry
from testing.panels import PANEL_A, PANEL_B, SHORT_NAME, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.conftest import act_as_ordinary_user

BEGIN = "2020-01-01T00:00:00Z"
ADD = ("version", "add", PANEL_A)
FORMATS = ("npy", "psana", "lcls2", "hdf5")


@pytest.fixture
def filled(sqlite_location: RegistryLocation, small_panels: None, tmp_path: Path) -> RegistryLocation:
    fill(sqlite_location, tmp_path)
    return sqlite_location


def fill(location: RegistryLocation, folder: Path) -> None:
    """Record one panel and its constants: two revisions."""
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(folder / "first"), valid_from="beginning")
    write_panel_folder(folder / "second", 1)


class Disk:
    """A small file system, of which all but some room can be filled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, room: int = 0) -> None:
        with (self.folder / "filler").open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    pass
            file.truncate(max(file.tell() - room, 0))

    def free(self) -> None:
        (self.folder / "filler").unlink()

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir() if path.name != "filler")


@pytest.fixture
def disk(tmpfs: Callable[[str], Path]) -> Disk:
    return Disk(tmpfs("size=2m"))


def assert_sound(location: RegistryLocation, revisions: int = 2) -> None:
    with location.open() as registry:
        result = registry.verify()
        assert (result.problems, result.unreferenced) == ((), ())
        assert len(registry.log()) == revisions


def is_full(error: dict[str, object]) -> bool:
    return "No space left on device" in str(error["message"]) or "disk is full" in str(error["message"])


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
def test_an_export_onto_a_full_disk_leaves_nothing_there(
    filled: RegistryLocation, disk: Disk, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    calreg = Calreg(filled, monkeypatch)
    beside: tuple[str, ...] = ()
    if form in {"psana", "lcls2"}:
        beside = ("--source", "XcsEndstation.0:Jungfrau.0", "--first-run", "1")
    if form == "lcls2":
        beside = (*beside, "--experiment", "xcs1", "--short-name", SHORT_NAME)
    command = (
        "export",
        PANEL_A,
        "--at",
        BEGIN,
        "--format",
        form,
        *beside,
        "--output",
        str(disk.folder / "out"),
    )
    for room in (0, 8192):  # for no folder, for one and a file beside it
        disk.fill(room)
        assert is_full(calreg.assert_refused(8, *command))
        assert disk.names() == []
        disk.free()
    calreg.run(*command)


@pytest.fixture
def store_there(disk: Disk, small_panels: None, tmp_path: Path) -> RegistryLocation:
    """A registry whose store alone is on the small disk."""
    location = RegistryLocation(f"sqlite:///{tmp_path}/registry.sqlite", disk.folder / "store")
    create_registry(location.database, location.store)
    fill(location, tmp_path)
    return location


@pytest.fixture
def database_there(disk: Disk, small_panels: None, tmp_path: Path) -> RegistryLocation:
    """A registry whose database alone is on the small disk."""
    location = RegistryLocation(f"sqlite:///{disk.folder}/registry.sqlite", tmp_path / "store")
    create_registry(location.database, location.store)
    fill(location, tmp_path)
    return location


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 8192])
def test_a_registration_into_a_store_on_a_full_disk_is_not_recorded(
    store_there: RegistryLocation, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    calreg = Calreg(store_there, monkeypatch)
    command = (*ADD, str(tmp_path / "second"), "--valid-from", BEGIN)
    disk.fill(room)
    assert is_full(calreg.assert_refused(8, *command))
    disk.free()
    with store_there.open() as registry:
        result = registry.verify()
        assert result.problems == ()
        assert all(
            Path(file.path).suffix == ".npy" for file in result.unreferenced
        )  # whole, as far as they got
        assert len(registry.log()) == 2
    calreg.run(*command)
    assert_sound(store_there, 3)


@pytest.mark.slow
def test_a_registration_into_a_database_on_a_full_disk_is_not_recorded(
    database_there: RegistryLocation, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(database_there, monkeypatch)
    # What is asked for needs more pages than a log has of its own.
    table = tmp_path / "datasets.txt"
    from registry.sample import write_dataset_table

    write_dataset_table(table)
    disk.fill()
    error = calreg.assert_refused(8, "run", "import", str(table))
    assert "cannot be used: " in error["message"]
    disk.free()
    assert_sound(database_there)
    calreg.run("run", "import", str(table))
    with database_there.open() as registry:
        assert registry.verify().problems == ()


@pytest.mark.slow
def test_an_export_from_a_database_on_a_full_disk_is_written_with_a_note_that_it_is_not_recorded(
    database_there: RegistryLocation, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(database_there, monkeypatch)
    disk.fill(room=36_864)  # to read, SQLite needs room beside the file
    done = calreg.run("export", PANEL_A, "--at", BEGIN, "--output", str(tmp_path / "out"))
    assert "note: the export is not recorded: the database sqlite:///" in done.stderr
    disk.fill()
    error = calreg.assert_refused(8, "version", "list")
    assert error["message"].endswith("SQLite must be able to write beside the file, even to read it")
    disk.free()
    calreg.run("provenance", "verify", str(tmp_path / "out" / "provenance.json"))


def tables(file: Path) -> list[tuple[str]]:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT name FROM sqlite_master").fetchall()


@pytest.mark.slow
def test_no_registry_is_created_on_a_full_disk(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    location = RegistryLocation(f"sqlite:///{disk.folder}/new/registry.sqlite", disk.folder / "new" / "store")
    calreg = Calreg(location, monkeypatch)
    for room in (0, 8192, 65536):
        disk.fill(room)
        error = calreg.assert_refused(8, "init")
        assert error["kind"] == "UnavailableError"
        assert not location.store.exists()
        disk.free()
        if location.file.exists():  # even to look whether it is nobody else's by now, SQLite needs room
            assert tables(location.file) == []
    calreg.run("init")
    assert_sound(location, 0)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 65536])
def test_a_backup_onto_a_full_disk_fails_and_the_former_one_stays(
    filled: RegistryLocation, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    calreg = Calreg(filled, monkeypatch)
    folder = disk.folder / "backup"
    disk.fill(room)
    calreg.assert_refused(8, "backup", str(folder))
    assert not (folder / "backup.json").exists()
    disk.free()
    calreg.run("backup", str(folder))
    before = (folder / "backup.json").read_bytes()
    calreg.run(*ADD, str(tmp_path / "second"), "--valid-from", BEGIN)
    disk.fill(room)
    calreg.assert_refused(8, "backup", str(folder))
    assert (folder / "backup.json").read_bytes() == before
    disk.free()
    assert list(folder.glob(".arriving-*")) == []
    again = RegistryLocation(f"sqlite:///{tmp_path}/again/registry.sqlite", tmp_path / "again" / "store")
    Calreg(again, monkeypatch).run("restore", str(folder))
    assert_sound(again)


@pytest.mark.slow
@pytest.mark.parametrize("room", [0, 65536])
def test_a_move_to_a_full_disk_fails_and_the_old_registry_stays_open(
    filled: RegistryLocation, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    calreg = Calreg(filled, monkeypatch)
    calreg.run("backup", str(tmp_path / "backup"))
    new = RegistryLocation(f"sqlite:///{disk.folder}/new/registry.sqlite", disk.folder / "new" / "store")
    disk.fill(room)
    calreg.assert_refused(8, "copy", "--to", new.database, "--to-store", str(new.store))
    calreg.assert_refused(
        8, "snapshot", str(disk.folder / "snapshot.sqlite"), "--to-store", str(disk.folder / "files")
    )
    Calreg(new, monkeypatch).assert_refused(8, "restore", str(tmp_path / "backup"))
    disk.free()
    assert list(disk.folder.rglob("*.sqlite*")) == []
    assert list(disk.folder.rglob(".arriving-*")) == []
    assert_sound(filled)
    calreg = Calreg(filled, monkeypatch)
    calreg.run("panel", "add", PANEL_B)
    calreg.run("copy", "--to", new.database, "--to-store", str(new.store))
    assert_sound(new, 3)


@pytest.mark.slow
def test_a_path_that_an_ordinary_user_may_not_write_or_read_is_refused_and_named(
    filled: RegistryLocation, open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_folder / "home"
    home.mkdir()
    home.chmod(0o777)
    location = RegistryLocation(f"sqlite:///{home}/registry.sqlite", home / "store")
    shutil.copytree(filled.store, location.store)
    with contextlib.closing(sqlite3.connect(filled.file)) as connection:
        connection.execute("VACUUM INTO ?", (str(location.file),))
    location.file.chmod(0o666)
    shutil.copytree(tmp_path / "second", open_folder / "second")
    calreg = Calreg(location, monkeypatch)
    export = ("export", PANEL_A, "--at", BEGIN, "--output")
    add = (*ADD, str(open_folder / "second"), "--valid-from", BEGIN)
    calreg.run(*export, str(tmp_path / "out"))  # by root: whatever it needs is imported now
    calreg.run(*add, "--dry-run")
    objects = sorted((location.store / "objects").glob("*/*.npy"))
    with act_as_ordinary_user():
        assert "Permission denied" in calreg.assert_refused(8, *add)["message"]
        assert "Permission denied" in calreg.assert_refused(8, *export, str(open_folder / "out"))["message"]
        calreg.run(*export, str(home / "mine"))
    objects[0].chmod(0)
    location.store.joinpath("registry.json").chmod(0o644)
    with act_as_ordinary_user():
        error = calreg.assert_refused(8, *export, str(home / "other"))
        assert f"{objects[0].stem}.npy': Permission denied" in error["message"]
        assert not (home / "other").exists()
        result = calreg("verify")
        assert (result.code, result.stdout.count("Permission denied")) == (8, 1)
    location.store.joinpath("registry.json").chmod(0)
    with act_as_ordinary_user():
        assert "registry.json': Permission denied" in calreg.assert_refused(8, "panel", "list")["message"]
    objects[0].chmod(0o444)
    location.store.joinpath("registry.json").chmod(0o644)
    assert_sound(location)
