"""A SQLite database on a network's file system is told apart, and warned about."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from registry.api import Registry
from registry.cli import app
from registry.database import location
from testing.panels import PANEL_A
from testing.registries import RegistryLocation

MOUNTS = r"""/dev/sda1 / ext4 rw,relatime 0 0
proc /proc proc rw 0 0
server:/home /home nfs4 rw,vers=4.2 0 0
/dev/sdb1 /home/local xfs rw 0 0
//server/share /mnt/with\040space cifs rw 0 0
me@host:/data /mnt/ssh fuse.sshfs rw 0 0
/dev/sdc1 /mnt/stacked ext4 rw 0 0
mds:/stacked /mnt/stacked lustre rw 0 0
short line
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    file = tmp_path / "mounts"
    file.write_text(MOUNTS)
    return file


@pytest.mark.parametrize(
    ("file", "sort"),
    [
        ("/data/registry.sqlite", None),
        ("/home/me/registry.sqlite", "nfs4"),
        ("/homeless/registry.sqlite", None),
        ("/home/local/registry.sqlite", None),
        ("/home/local/../me/registry.sqlite", "nfs4"),
        ("/mnt/with space/registry.sqlite", "cifs"),
        ("/mnt/ssh/deep/down/registry.sqlite", "fuse.sshfs"),
        ("/mnt/stacked/registry.sqlite", "lustre"),
    ],
)
def test_the_deepest_and_last_mount_tells(mounts: Path, file: str, sort: str | None) -> None:
    assert location.network_file_system(Path(file), mounts) == sort


def test_a_system_without_such_a_list_is_not_judged(tmp_path: Path) -> None:
    assert location.network_file_system(tmp_path / "registry.sqlite", tmp_path / "none") is None


def test_init_writes_and_verify_warn_of_a_network(
    sqlite_location: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("server:/ / nfs rw 0 0\n")
    original = location.network_file_system
    monkeypatch.setattr("registry.database.location.network_file_system", lambda file: original(file, mounts))
    said = (
        f"{sqlite_location.file} lies on nfs, a file system of a network, where SQLite's locks may not hold"
    )
    for verb in (["init"], ["panel", "add", PANEL_A], ["verify"]):
        result = CliRunner().invoke(app, verb, env=sqlite_location.environment)
        assert result.exit_code == 0, result.output
        assert said in result.stderr, verb


def test_postgresql_and_local_disks_are_not_warned_about(registry: Registry) -> None:
    assert registry.panels.add(PANEL_A).warnings == ()
