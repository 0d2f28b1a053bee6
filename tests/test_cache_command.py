"""``calreg cache``: what is in the cache, without a registry."""

from __future__ import annotations

import json
import mmap
import os
from pathlib import Path

import pytest

from registry.cache import CacheFolder
from registry.files import TEMPORARY_PREFIX
from testing.panels import PANEL_A, write_panel_folder
from testing.registries import RegistryLocation
from tests.cache_entries import CONTENT, Maker, name_of, reader_of
from tests.cli import Calreg
from tests.users import COLLEAGUE, OWNER, make_user

T0 = "2020-01-01T00:00:00Z"


@pytest.fixture
def calreg(monkeypatch: pytest.MonkeyPatch) -> Calreg:
    return Calreg(None, monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the cache, by default, with an entry."""
    folder = tmp_path / "user-cache" / "calreg"
    CacheFolder(folder).obtain(name_of(), Maker(tmp_path), reader_of())
    return folder


def test_the_entries_are_shown_with_what_they_take(calreg: Calreg, folder: Path) -> None:
    answer = json.loads(calreg("cache", "show", "--json").stdout)
    (entry,) = answer["entries"]
    assert (answer["folder"], answer["bytes"]) == (str(folder), len(CONTENT))
    assert (entry["kind"], entry["digest"]) == ("object", name_of().digest)
    assert (entry["bytes"], entry["in_use"]) == (len(CONTENT), False)


def test_an_entry_that_is_mapped_is_in_use(calreg: Calreg, folder: Path, tmp_path: Path) -> None:
    mapped = CacheFolder(folder).obtain(
        name_of(), Maker(tmp_path), lambda handle: mmap.mmap(handle, 0, access=mmap.ACCESS_READ)
    )
    assert json.loads(calreg("cache", "show", "--json").stdout)["entries"][0]["in_use"]
    done = calreg("cache", "clear")
    assert "1 file removed, 16.4 kB" in done.stdout
    assert "1 of these is in use" in done.stderr
    assert list(folder.iterdir()) == []
    assert bytes(mapped) == CONTENT


@pytest.mark.parametrize("damage", ["bytes", "link", "folder of others"])
def test_what_is_damaged_is_removed_and_the_rest_stays(
    calreg: Calreg, folder: Path, tmp_path: Path, damage: str
) -> None:
    other = folder / str(name_of(b"other"))
    if damage == "link":
        other.symlink_to(folder / str(name_of()))
    else:
        other.write_bytes(b"another")
        other.chmod(0o400 if damage == "bytes" else 0o666)
    (folder / "notes").write_text("not of the cache")
    answer = json.loads(calreg("cache", "verify", "--json").stdout)
    assert answer["looked_at"] == 2
    assert [entry["digest"] for entry in answer["removed"]] == [name_of(b"other").digest]
    assert sorted(path.name for path in folder.iterdir()) == ["notes", str(name_of())]


def test_what_killed_processes_have_left_is_removed_with_the_rest(calreg: Calreg, folder: Path) -> None:
    left = folder / f"{TEMPORARY_PREFIX}{name_of(b'other')}-{'0' * 16}"
    left.write_bytes(bytes(1000))
    (folder / name_of(b"other").lock).touch()
    answer = json.loads(calreg("cache", "clear", "--json").stdout)
    assert answer["bytes"] == len(CONTENT) + 1000
    assert list(folder.iterdir()) == []


@pytest.mark.small_panels
def test_shared_arrays_are_verified_without_their_registry(
    calreg: Calreg, sqlite_location: RegistryLocation, tmp_path: Path, folder: Path
) -> None:
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "constants"), valid_from="beginning")
        registry.constants(PANEL_A, at=T0, shared=True)
    arrays = sorted(folder.glob("array-*"))
    assert len(arrays) == 2
    content = arrays[0].read_bytes()
    arrays[0].chmod(0o600)
    arrays[0].write_bytes(bytes([content[0] ^ 1]) + content[1:])
    done = calreg("cache", "verify")
    assert done.code == 0
    assert "3 files verified, 1 damaged and removed" in done.stdout
    assert not arrays[0].exists()
    assert arrays[1].exists()


@pytest.mark.parametrize("verb", ["show", "verify", "clear"])
def test_a_cache_that_is_not_there_or_switched_off_is_empty(
    calreg: Calreg, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verb: str
) -> None:
    assert calreg("cache", verb).code == 0
    assert not (tmp_path / "user-cache" / "calreg").exists()
    monkeypatch.setenv("CALREG_CACHE", "off")
    done = calreg("cache", verb)
    assert done.code == 0
    assert "the cache is switched off" in done.stdout + done.stderr


@pytest.mark.parametrize("verb", ["show", "verify", "clear"])
def test_a_folder_that_others_may_write_is_refused_and_nothing_is_removed(
    calreg: Calreg, folder: Path, verb: str
) -> None:
    folder.chmod(0o777)
    done = calreg("cache", verb)
    assert (done.code, done.stderr.count("\n")) == (8, 1)
    assert "has mode 0777" in done.stderr
    assert len(os.listdir(folder)) == 1  # noqa: PTH208 - how many


def test_a_file_of_a_person_names_the_cache_and_one_beside_a_registry_does_not(
    calreg: Calreg, tmp_path: Path, folder: Path
) -> None:
    own = tmp_path / "user-configuration" / "calreg" / "calreg.toml"
    own.parent.mkdir(parents=True)
    own.write_text(f'cache = "{folder}/own"\ncache_limit = "2 GB"\n')
    (folder / "own").mkdir(mode=0o700)
    answer = json.loads(calreg("cache", "show", "--json").stdout)
    assert (answer["folder"], answer["limit"]) == (f"{folder}/own", 2_000_000_000)
    for wrong in ('cache = "own"', 'cache_limit = "much"', "cache = true"):
        own.write_text(wrong)
        done = calreg("cache", "show")
        assert (done.code, done.stderr.count("\n")) == (2, 1)


@pytest.mark.slow
@pytest.mark.parametrize("trap", ["folder", "open folder", "link"])
def test_what_another_user_has_put_in_the_place_of_the_cache_is_refused(open_folder: Path, trap: str) -> None:
    colleague = make_user(COLLEAGUE, 0o022, TMPDIR=str(open_folder), HOME="/nowhere")
    open_folder.chmod(0o1777)
    planted, own = open_folder / f"calreg-{COLLEAGUE}", open_folder / "own"
    if trap == "link":
        own.mkdir(mode=0o700)
        os.chown(own, COLLEAGUE, -1)
        planted.symlink_to(own)
    else:
        planted.mkdir()
        planted.chmod(0o700 if trap == "folder" else 0o777)
    os.chown(planted, OWNER, -1, follow_symlinks=False)
    done = colleague.calreg("cache", "clear")
    assert (done.returncode, done.stderr.count("\n")) == (8, 1), done
    assert ("it is a link" if trap == "link" else f"belongs to uid {OWNER}") in done.stderr
