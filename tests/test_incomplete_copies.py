"""A copy of a registry with damaged files is finished without them, and the folder and the refusal name them."""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from registry.api import Registry
from registry.api.backups import restore_registry
from registry.api.copies import copy_registry
from registry.api.forks import fork_registry
from registry.api.incomplete_copies import FILE_NAME, note_missing_files, read_missing_files
from registry.errors import ConflictError, CorruptionError, UnavailableError
from registry.records import FileUse, MissingFile
from registry.storage import folder, sources
from registry.store import ContentStore
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import find_object_path, list_object_paths
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

COPIES = ("backup", "snapshot", "copy", "fork", "restore")


@pytest.fixture
def small(sqlite_location: RegistryLocation, tmp_path: Path) -> Iterator[Registry]:
    """A registry of two panels, each with three files of gain."""
    with sqlite_location.open() as registry:
        for seed, panel in enumerate((PANEL_A, PANEL_B)):
            registry.panels.add(panel)
            folder = write_panel_folder(tmp_path / f"made-{seed}", seed=seed, kinds=["gain"])
            registry.versions.add(panel, folder, valid_from="beginning", kinds=["gain"])
        yield registry


@pytest.fixture
def new(tmp_path: Path) -> RegistryLocation:
    """The place of the copy, where there is nothing."""
    return RegistryLocation(f"sqlite:///{tmp_path / 'new' / 'new.sqlite'}", tmp_path / "new" / "store")


def _object(registry: Registry, version: int, gain_range: int) -> Path:
    _, files = registry.versions.show(version)
    return find_object_path(registry._backend.store, files[gain_range].sha256)


def _damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(b"\0" * path.stat().st_size)


def _make_copy(verb: str, registry: Registry, location: RegistryLocation, new: RegistryLocation) -> None:
    """Make a copy whose files are in the new store; the backup that is restored was damaged after it was made."""
    if verb == "backup":
        registry.backup(new.store)
    elif verb == "snapshot":
        registry.snapshot(new.file, store=new.store)
    elif verb == "copy":
        copy_registry(new.database, new.store, location.database, location.store)
    elif verb == "fork":
        fork_registry(new.database, new.store, location.database, location.store, comment="why")
    else:
        restore_registry(new.store.parent.parent / "backup", new.database, new.store)


@pytest.mark.slow
@pytest.mark.parametrize("verb", COPIES)
def test_every_copy_but_a_fork_is_finished_without_damaged_and_missing_files_and_names_their_uses(
    verb: str, small: Registry, sqlite_location: RegistryLocation, new: RegistryLocation, tmp_path: Path
) -> None:
    damaged, missing = _object(small, 1, 2), _object(small, 2, 0)
    sources = [damaged, missing]
    if verb == "restore":
        small.backup(tmp_path / "backup")
        sources = [find_object_path(ContentStore(tmp_path / "backup"), path.stem) for path in sources]
    _damage(sources[0])
    sources[1].unlink()
    facts = {} if verb == "fork" else {"files": 4, "revision": 4}
    with assert_refused(CorruptionError, problems=2, **facts) as caught:
        _make_copy(verb, small, sqlite_location, new)
    assert verb != "fork" or caught.value.message.startswith("the fork was not finished")
    uses = {damaged.stem: FileUse("gain", 2, PANEL_A, 1), missing.stem: FileUse("gain", 0, PANEL_B, 2)}
    listed = {file.sha256: file for file in caught.value.values["missing"]}
    assert {sha256: file.uses for sha256, file in listed.items()} == {
        sha256: (use,) for sha256, use in uses.items()
    }
    assert all(str(uses[sha256]) in file.problem for sha256, file in listed.items())
    assert {file.sha256: file for file in read_missing_files(ContentStore(new.store))} == listed
    assert len(list(list_object_paths(ContentStore(new.store)))) == 4
    assert new.file.exists() is (verb not in {"backup", "fork"})
    if new.file.exists():
        with new.open() as registry:
            assert {problem.sha256 for problem in registry.verify().problems} == set(uses)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["backup", "snapshot"])
def test_the_same_command_completes_an_incomplete_copy_when_the_files_are_sound_again(
    verb: str, small: Registry, sqlite_location: RegistryLocation, new: RegistryLocation, tmp_path: Path
) -> None:
    damaged, lost = _object(small, 1, 0), _object(small, 2, 0)
    _damage(damaged)
    lost.unlink()
    for version, seed in ((1, 0), (2, 1)):
        with assert_refused(CorruptionError, problems=3 - version):
            _make_copy(verb, small, sqlite_location, new)
        panel = (PANEL_A, PANEL_B)[seed]
        small.versions.add(panel, tmp_path / f"made-{seed}", valid_from="beginning", kinds=["gain"])
    _make_copy(verb, small, sqlite_location, new)
    assert not (new.store / FILE_NAME).exists()
    assert len(list(list_object_paths(ContentStore(new.store)))) == 6


@pytest.mark.slow
def test_the_restoration_of_an_incomplete_backup_says_why_files_are_missing(
    small: Registry, new: RegistryLocation, tmp_path: Path
) -> None:
    damaged = _object(small, 1, 1)
    _damage(damaged)
    with assert_refused(CorruptionError):
        small.backup(tmp_path / "backup")
    with assert_refused(
        CorruptionError, damaged.stem, str(Path(small._backend.store.place)), PANEL_A, problems=1
    ):
        restore_registry(tmp_path / "backup", new.database, new.store)


def _forbid_reading(patch: pytest.MonkeyPatch, path: Path) -> None:
    """Forbid to read a file, as its mode would, which root may read all the same."""
    open_regular = folder.open_regular

    def refuse(wanted: Path) -> Any:
        if wanted == path:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_regular(wanted)

    for module in (folder, sources):
        patch.setattr(module, "open_regular", refuse)


@pytest.mark.slow
@pytest.mark.parametrize("verb", COPIES)
def test_a_file_that_may_not_be_read_is_unavailable_and_ends_no_copy_that_could_not_be_repeated(
    verb: str,
    small: Registry,
    sqlite_location: RegistryLocation,
    new: RegistryLocation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = _object(small, 1, 1)
    if verb == "restore":
        small.backup(tmp_path / "backup")
        path = find_object_path(ContentStore(tmp_path / "backup"), path.stem)
    with monkeypatch.context() as patch:
        _forbid_reading(patch, path)
        with assert_refused(UnavailableError, path.stem, PANEL_A, problems=1):
            _make_copy(verb, small, sqlite_location, new)
    assert new.file.exists() is (verb == "snapshot")
    _make_copy(verb, small, sqlite_location, new)
    assert not (new.store / FILE_NAME).exists()
    assert len(list(list_object_paths(ContentStore(new.store)))) == 6


def test_damage_outweighs_what_may_not_be_read(
    small: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _damage(_object(small, 1, 0))
    _forbid_reading(monkeypatch, _object(small, 1, 1))
    with assert_refused(CorruptionError, problems=2):
        small.backup(tmp_path / "backup")


@pytest.mark.slow
def test_the_command_prints_every_missing_file_and_the_facts_of_the_copy_as_json(
    small: Registry, sqlite_location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = _object(small, 1, 0)
    _damage(damaged)
    calreg = Calreg(sqlite_location, monkeypatch)
    error = calreg.assert_refused(6, "backup", str(tmp_path / "backup"))
    assert f"gain of gain range 0 of panel {PANEL_A}, version 1" in error["message"]
    assert (error["revision"], error["store"]) == (4, str(tmp_path / "backup"))
    (missing,) = error["missing"]
    assert (missing["sha256"], missing["is_damaged"]) == (damaged.stem, True)
    assert missing["uses"] == [{"kind": "gain", "gain_range": 0, "panel": PANEL_A, "version": 1}]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"format": "other", "format_version": 1, "missing": []}', b"\xff\xfe"]
)
def test_a_note_that_cannot_be_read_says_nothing_and_is_written_anew(tmp_path: Path, content: bytes) -> None:
    objects = ContentStore(tmp_path)
    objects.create_folders()
    (tmp_path / FILE_NAME).write_bytes(content)
    assert read_missing_files(objects) == ()
    missing = MissingFile("0" * 64, "it is lost", (), is_damaged=True)
    note_missing_files(objects, [missing])
    assert read_missing_files(objects) == (missing,)
    note_missing_files(objects, [])
    assert read_missing_files(objects) == (missing,)
    find_object_path(objects, missing.sha256).parent.mkdir()
    find_object_path(objects, missing.sha256).touch()
    note_missing_files(objects, [])
    assert not (tmp_path / FILE_NAME).exists()


@pytest.mark.slow
def test_a_snapshot_that_is_there_is_taken_for_done_only_with_the_same_contents(
    small: Registry, new: RegistryLocation
) -> None:
    small.snapshot(new.file, as_of=2)
    content = new.file.read_bytes()
    again = small.snapshot(new.file, as_of=2)
    assert (again.revision, again.files, again.files_there, again.rows) == (2, 0, 3, {})
    with assert_refused(ConflictError):
        small.snapshot(new.file)
    small.tags.add("second", as_of=2)
    with assert_refused(ConflictError):
        small.snapshot(new.file, as_of="second")
    assert new.file.read_bytes() == content
    new.file.chmod(0o644)
    new.file.write_bytes(content[:-5000])
    with assert_refused(ConflictError):
        small.snapshot(new.file, as_of=2)
