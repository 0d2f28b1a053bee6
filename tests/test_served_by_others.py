"""A service that runs as another user than the registry's owner: on SQLite it must be able to write beside the file."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from testing.panels import PANEL_A
from testing.registries import RegistryFactory
from tests.users import COLLEAGUE, GROUP, OWNER, User, make_user

pytestmark = pytest.mark.slow

SERVE = """
import sys
from registry.api.serving import open_to_serve, read_present_state
from registry.settings import find_settings
with open_to_serve(find_settings()) as registry:
    print(read_present_state(registry).head.number, len(registry.panels.list()))
"""


@pytest.fixture
def folder(open_folder: Path, sqlite_factory: RegistryFactory) -> Path:
    """A folder with a registry of the owner."""
    if os.geteuid() != 0:
        pytest.skip("only root may act as other users")
    location = sqlite_factory.copy(sqlite_factory.make("sqlite"), open_folder / "registry")
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.snapshot(open_folder / "snapshot" / "registry.sqlite")
    for path in (location.folder, *location.folder.rglob("*")):
        os.chown(path, OWNER, GROUP)
    location.folder.chmod(0o755)
    return open_folder


@pytest.fixture
def make(folder: Path) -> Callable[[int], User]:
    database = f"sqlite:///{folder}/registry/registry.sqlite"
    return lambda number: make_user(number, 0o022, CALREG_DATABASE=database)


def test_who_may_not_write_beside_the_file_serves_a_snapshot(
    folder: Path, make: Callable[[int], User]
) -> None:
    assert make(OWNER).python("-c", SERVE).stdout == "1 1\n"
    refused = make(COLLEAGUE).calreg("serve", "--port", "8421")
    assert refused.returncode == 8
    assert "serve a snapshot of the registry, or a mirror" in refused.stderr
    assert sorted(path.name for path in (folder / "registry").iterdir()) == ["registry.sqlite", "store"]
    snapshot = folder / "snapshot" / "registry.sqlite"
    for path in ((folder / "snapshot"), *(folder / "snapshot").rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    reader = make_user(COLLEAGUE, 0o022, CALREG_DATABASE=f"sqlite:///{snapshot}")
    done = reader.python("-c", SERVE)
    assert (done.stdout, done.stderr) == ("1 1\n", "")


def test_who_may_write_in_the_folder_but_not_the_file_serves_it_and_locks_nobody_out(
    folder: Path, make: Callable[[int], User]
) -> None:
    (folder / "registry").chmod(0o2775)
    (folder / "registry" / "registry.sqlite").chmod(0o644)
    done = make(COLLEAGUE).python("-c", SERVE)
    assert (done.stdout, done.stderr) == ("1 1\n", "")
    added = make(OWNER).calreg("panel", "add", "1-1-1")
    assert added.returncode == 0, added.stderr


def test_a_file_that_may_not_be_read_is_refused_with_its_owner(
    folder: Path, make: Callable[[int], User]
) -> None:
    (folder / "registry").chmod(0o2775)
    (folder / "registry" / "registry.sqlite").chmod(0o600)
    refused = make(COLLEAGUE).calreg("serve", "--port", "8421")
    assert refused.returncode == 8
    assert str(OWNER) in refused.stderr
