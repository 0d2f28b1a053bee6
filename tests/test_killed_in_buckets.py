"""Moves and restorations into a bucket that are killed: nothing half done is seen, and the same command goes on."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from registry import open_registry, restore_registry
from registry.errors import RegistryError, UnavailableError
from registry.storage import parse_place
from registry.storage.bucket import Bucket
from registry.store import ContentStore
from testing.buckets import BucketServer
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.refusals import assert_refused
from tests.test_bucket_registry import list_checksums
from tests.test_interruptions import NEVER, interrupt
from tests.test_killed_commands import KILLED, choose_moments

pytestmark = [pytest.mark.slow, pytest.mark.small_panels]


class LocationWithKeys(RegistryLocation):
    """The location of a registry on SQLite, whose commands have the keys of the bucket."""

    @property
    def folder(self) -> Path:
        return Path(self.database.removeprefix("sqlite:///")).parent

    @property
    def environment(self) -> dict[str, str]:
        keys = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
        return {"CALREG_DATABASE": self.database, "CALREG_STORE": str(self.store), **keys}


@pytest.fixture
def filled(sqlite_location: RegistryLocation, tmp_path: Path) -> RegistryLocation:
    with sqlite_location.open() as registry:
        for seed, panel in enumerate((PANEL_A, PANEL_B)):
            registry.panels.add(panel)
            folder = write_panel_folder(tmp_path / panel, seed)
            registry.versions.add(panel, folder, valid_from="beginning")
    return sqlite_location


def kill_and_repeat(
    caller: LocationWithKeys, arguments: Sequence[str], new: RegistryLocation, after: str, call: int
) -> int:
    """Kill a command at a call, look at what is left, and repeat it; return the number of calls."""
    ended = interrupt(caller, arguments, call, after, signal.SIGKILL)
    store = ContentStore(parse_place(new.store))
    assert all(store.has_bytes(sha256) for sha256 in list_checksums(store))
    if call != NEVER:
        assert ended.code == KILLED
        try:
            opened = open_registry(new.database, str(new.store))
        except RegistryError:
            pass  # as if there were none yet
        else:
            with opened:
                assert opened.verify().problems == ()
        assert interrupt(caller, arguments, NEVER, after).code == 0, call
    with open_registry(new.database, str(new.store)) as opened:
        assert (opened.verify().problems, len(list_checksums(store))) == ((), 12)
        opened.tags.add("later")
    return ended.calls


def test_a_restoration_into_a_bucket_that_breaks_off_leaves_no_registry_and_goes_on(
    filled: RegistryLocation, bucket_server: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with filled.open() as registry:
        registry.backup(tmp_path / "backup")
    new = f"sqlite:///{tmp_path / 'new.sqlite'}", f"s3://{bucket_server.bucket}/{tmp_path.name}/new"
    store = ContentStore(parse_place(new[1]))
    stored, put = itertools.count(1), Bucket.put_object

    def break_off(*arguments: Any) -> None:
        if next(stored) > 5:
            raise KeyboardInterrupt
        put(*arguments)

    monkeypatch.setattr(Bucket, "put_object", break_off)
    with pytest.raises(KeyboardInterrupt):
        restore_registry(tmp_path / "backup", *new)
    monkeypatch.setattr(Bucket, "put_object", put)
    assert len(list_checksums(store)) == 5
    assert all(store.has_bytes(sha256) for sha256 in list_checksums(store))
    with assert_refused(UnavailableError):
        open_registry(*new)
    assert restore_registry(tmp_path / "backup", *new).revision == 4
    with open_registry(*new) as opened:
        assert (opened.verify().problems, len(list_checksums(store))) == ((), 12)


@pytest.mark.exhaustive
def test_a_killed_restoration_into_a_bucket_goes_on(
    filled: RegistryLocation, bucket_server: BucketServer, tmp_path: Path
) -> None:
    with filled.open() as registry:
        registry.backup(tmp_path / "backup")

    def restore(name: str, call: int) -> int:
        store = Path(f"s3://{bucket_server.bucket}/{tmp_path.name}/{name}")
        new = LocationWithKeys(f"sqlite:///{tmp_path / name}.sqlite", store)
        return kill_and_repeat(new, ["restore", str(tmp_path / "backup")], new, "copy_objects", call)

    for call in choose_moments(restore("whole", NEVER), 4)[:-1]:
        restore(f"{call:x}", call)


@pytest.mark.exhaustive
def test_a_killed_move_into_a_bucket_goes_on(
    filled: RegistryLocation,
    bucket_server: BucketServer,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    factory = request.getfixturevalue("sqlite_factory")

    def move(name: str, call: int) -> int:
        former = factory.copy(filled)
        store = Path(f"s3://{bucket_server.bucket}/{tmp_path.name}/{name}")
        new = RegistryLocation(f"sqlite:///{tmp_path / name}.sqlite", store)
        arguments = ["copy", "--to", new.database, "--to-store", str(store)]
        caller = LocationWithKeys(former.database, former.store)
        return kill_and_repeat(caller, arguments, new, "copy_objects", call)

    for call in choose_moments(move("whole", NEVER), 4)[:-1]:
        move(f"{call:x}", call)
