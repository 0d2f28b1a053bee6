"""A read-only disk: clear refusals, nothing recorded, and exports can still be verified."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from registry.api import create_registry, open_registry
from registry.api.export_verification import verify_export
from registry.api.replays import replay
from registry.errors import UnavailableError
from testing.panels import PANEL_A, write_panel_folder
from tests.refusals import assert_refused

AT = "2018-01-01T00:00:00Z"


@pytest.fixture
def read_only(tmpfs: Callable[[str], Path], tmp_path: Path) -> tuple[str, Path]:
    """A registry with an export, on a disk that is read-only since; its URL and its folder."""
    disk = tmpfs("size=64m")
    url = f"sqlite:///{disk}/registry.sqlite"
    create_registry(url)
    with open_registry(url) as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "constants"), valid_from="beginning")
        registry.export(f"jungfrau_{PANEL_A}", disk / "out", at=AT)
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    return url, disk


@pytest.mark.slow
def test_a_database_on_a_read_only_disk_is_refused_with_the_reason(read_only: tuple[str, Path]) -> None:
    url, _ = read_only
    with pytest.raises(
        UnavailableError, match="SQLite must be able to write beside the file, even to read it"
    ):
        open_registry(url)


@pytest.mark.slow
def test_an_export_on_a_read_only_disk_verifies_and_replays(
    read_only: tuple[str, Path], tmp_path: Path
) -> None:
    url, disk = read_only
    result = verify_export(disk / "out" / "provenance.json", url)
    assert (result.checked, result.problems) == (8, ())
    assert "the registry was not asked again" in result.notes[0]
    replay(disk / "out" / "provenance.json", tmp_path / "again", url)
    for name in ("pixel_gain.npy", "pixel_offset.npy", "provenance.json"):
        assert (tmp_path / "again" / name).read_bytes() == (disk / "out" / name).read_bytes()


@pytest.mark.slow
def test_neither_a_registry_nor_an_export_is_created_on_a_read_only_disk(
    read_only: tuple[str, Path], tmp_path: Path
) -> None:
    url, disk = read_only
    with assert_refused(UnavailableError, path=str(disk)):
        create_registry(f"sqlite:///{disk}/other/registry.sqlite")
    with assert_refused(UnavailableError, path=str(disk / "store")):
        create_registry(f"sqlite:///{disk}/new.sqlite", disk / "store")
    with pytest.raises(UnavailableError, match="Read-only file system"):
        replay(disk / "out" / "provenance.json", disk / "again", url)
    assert sorted(path.name for path in disk.iterdir() if not path.name.startswith("registry")) == [
        "out",
        "store",
    ]


@pytest.mark.slow
def test_a_store_on_a_read_only_disk_stores_nothing_and_the_revision_is_not_recorded(
    tmpfs: Callable[[str], Path], tmp_path: Path
) -> None:
    disk = tmpfs("size=64m")
    url = f"sqlite:///{tmp_path}/registry.sqlite"
    create_registry(url, disk / "store")
    with open_registry(url, disk / "store") as registry:
        registry.panels.add(PANEL_A)
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(UnavailableError, match="Read-only file system"):
            registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "constants"), valid_from="beginning")
        assert len(registry.log()) == 1
    assert list((disk / "store" / "objects").iterdir()) == []
