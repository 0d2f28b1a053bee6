"""An older copy of a database answers with a warning, and records and deploys nothing beside the live store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from registry.api import create_registry
from registry.api.backend import Backend, ReadTransaction
from registry.api.copies import copy_registry
from registry.errors import ClosedError, ConflictError, UnavailableError
from registry.heads import Head, HeadFile, StoreHead
from testing.panels import PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.conftest import act_as_ordinary_user
from tests.heads import PANELS, Copy, head_of, read_state, record
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

AT = "2018-06-01T00:00:00Z"
SOURCE = "XcsEndstation.0:Jungfrau.0"


@pytest.fixture
def stale(location: RegistryLocation, copy_database: Copy, tmp_path: Path) -> RegistryLocation:
    """A copy of a registry that has gone on since."""
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "files"), valid_from="beginning")
        registry.runs.add("exp=xcsls3716:run=1", begin="20180601000000", end="20180602000000")
        registry.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=1, last_run=8)
    copy = copy_database(location)
    record(location, 1)
    return copy


def names_both(sentences: tuple[str, ...], location: RegistryLocation, stale: RegistryLocation) -> bool:
    return any(str(head_of(location)) in text and str(head_of(stale)) in text for text in sentences)


def list_files(location: RegistryLocation) -> list[Path]:
    return sorted(location.store.rglob("*"))


@pytest.mark.on_both_databases
def test_a_write_of_an_older_copy_leaves_no_file_in_the_store(
    location: RegistryLocation, stale: RegistryLocation, tmp_path: Path
) -> None:
    before, arrays = list_files(location), write_panel_folder(tmp_path / "other", seed=7)
    with stale.open() as registry, assert_refused(ConflictError):
        registry.versions.add(PANEL_A, arrays, valid_from=AT)
    assert list_files(location) == before


@pytest.mark.slow
def test_a_write_of_a_closed_registry_leaves_no_file_in_the_store(
    location: RegistryLocation, tmp_path: Path
) -> None:
    arrays = write_panel_folder(tmp_path / "other", seed=7)
    taken = RegistryLocation(f"sqlite:///{tmp_path / 'taken.sqlite'}", location.store)
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.snapshot(taken.file, store=location.store)
        before = list_files(location)
        copy_registry(f"sqlite:///{tmp_path / 'moved.sqlite'}", None, location.database, location.store)
        with assert_refused(ClosedError):  # it was open when this process opened it
            registry.versions.add(PANEL_A, arrays, valid_from=AT)
    for closed in (location, taken):
        with closed.open() as registry, assert_refused(ClosedError):
            registry.versions.add(PANEL_A, arrays, valid_from=AT)
    assert list_files(location) == before


def test_a_write_to_a_database_that_may_only_be_read_leaves_no_file_in_the_store(open_folder: Path) -> None:
    location = RegistryLocation.in_folder(open_folder)
    create_registry(location.database, location.store)
    record(location, 0)
    arrays = write_panel_folder(open_folder / "other", seed=7)
    for path in [location.store, *location.store.rglob("*"), open_folder]:
        path.chmod(0o777)
    location.file.chmod(0o444)
    before = list_files(location)
    with act_as_ordinary_user(), location.open() as registry, assert_refused(UnavailableError):
        registry.versions.add(PANELS[0], arrays, valid_from=AT)
    assert list_files(location) == before


@pytest.mark.on_both_databases
def test_an_export_from_an_older_copy_is_written_with_a_warning_and_not_recorded(
    location: RegistryLocation, stale: RegistryLocation, tmp_path: Path
) -> None:
    state = read_state(location)
    with stale.open() as registry:
        export = registry.export(PANEL_A, tmp_path / "out", at=AT)
        assert not export.recorded
        assert names_both(export.warnings, location, stale)
        assert names_both(export.notes, location, stale)
        assert Path(export.outputs[0].path).exists()
        assert registry.exports.list() == []
        assert names_both(registry.constants(PANEL_A, at=AT).warnings, location, stale)
    assert read_state(location) == state


def test_a_backup_and_a_snapshot_of_an_older_copy_have_a_note(
    location: RegistryLocation, stale: RegistryLocation, tmp_path: Path
) -> None:
    with stale.open() as registry:
        assert names_both(registry.backup(tmp_path / "backup").notes, location, stale)
        assert names_both(registry.snapshot(tmp_path / "snapshot.sqlite").notes, location, stale)
        assert registry.snapshot(tmp_path / "second.sqlite", as_of=2).notes == ()
    with location.open() as registry:
        assert registry.backup(tmp_path / "live").notes == ()


def test_verify_of_an_older_copy_offers_no_file_of_the_live_registry_for_removal(
    location: RegistryLocation, stale: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with location.open() as registry:
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "new", 7), valid_from=AT)
    for file in (location.store / "objects").rglob("*.npy"):
        os.utime(file, (0, 0))
    calreg = Calreg(stale, monkeypatch)
    result = calreg("verify", "--json")
    assert result.code == 6
    assert {file["kept"] for file in result.json["unreferenced"]} == {"the registry has problems"}
    assert "removes it" not in calreg("verify").stdout
    assert "can be removed" not in calreg("verify").stderr


def test_an_export_as_of_a_revision_is_not_warned_of(stale: RegistryLocation, tmp_path: Path) -> None:
    with stale.open() as registry:
        export = registry.export(PANEL_A, tmp_path / "out", at=AT, as_of=2)
        assert (export.warnings, export.recorded) == ((), False)
        assert registry.constants(PANEL_A, at=AT, as_of=2).warnings == ()


def test_a_deployment_from_an_older_copy_is_written_with_a_warning_and_not_recorded(
    location: RegistryLocation, stale: RegistryLocation, tmp_path: Path
) -> None:
    with stale.open() as registry:
        for dry_run in (True, False):
            deployment = registry.deploy("xcsls3716", tmp_path / "calib", dry_run=dry_run)
            assert names_both(deployment.warnings, location, stale)
        assert names_both(deployment.notes, location, stale)
        assert {file.action for file in deployment.files} == {"new"}
        check = registry.check_deployment("xcsls3716", tmp_path / "calib")
        assert names_both(check.warnings, location, stale)
        assert registry.check_deployment("xcsls3716", tmp_path / "calib", as_of=4).warnings == ()
        assert registry.exports.list() == []


def test_the_command_line_warns_of_an_older_copy(
    location: RegistryLocation, stale: RegistryLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(stale, monkeypatch)
    result = calreg.run("export", PANEL_A, "--at", AT, "--output", str(tmp_path / "out"), "--json")
    assert result.json["recorded"] is False
    assert names_both(result.json["warnings"], location, stale)
    assert str(head_of(location)) in result.stderr
    refusal = calreg.assert_refused(5, "panel", "add", PANEL_B)
    assert (refusal["store"], refusal["database"]) == (str(head_of(location)), str(head_of(stale)))
    assert (
        f"calreg database recover --lost-head {head_of(location)}" in calreg("panel", "add", PANEL_B).stderr
    )


def test_a_writer_at_the_same_time_raises_no_alarm(
    location: RegistryLocation, small_panels: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "files"), valid_from="beginning")

    original = Backend.read_transaction

    @contextmanager
    def record_meanwhile(backend: Backend, as_of: Any = None) -> Iterator[ReadTransaction]:
        with original(backend, as_of) as view:
            record(location, 1)
            yield view

    monkeypatch.setattr(Backend, "read_transaction", record_meanwhile)
    with location.open() as registry:
        assert registry.constants(PANEL_A, at=AT).warnings == ()


def test_a_head_that_cannot_be_read_is_a_warning_to_readers(
    location: RegistryLocation, tmp_path: Path
) -> None:
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "files"), valid_from="beginning")
        file = location.store / "head.json"
        file.write_bytes(b"{")
        export = registry.export(PANEL_A, tmp_path / "out", at=AT)
    assert not export.recorded
    assert str(file) in export.warnings[0]
    assert str(file) in export.notes[0]
    assert file.read_bytes() == b"{"


def test_a_revision_that_is_coming_raises_no_alarm(location: RegistryLocation, tmp_path: Path) -> None:
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "files"), valid_from="beginning")
        HeadFile(location.store).write(StoreHead(head_of(location), Head(3, "ab" * 32)))
        export = registry.export(PANEL_A, tmp_path / "out", at=AT)
    assert (export.warnings, export.recorded) == ((), True)
    assert read_state(location).coming == Head(3, "ab" * 32)


@pytest.mark.on_both_databases
def test_a_snapshot_beside_the_live_store_raises_no_alarm(location: RegistryLocation, tmp_path: Path) -> None:
    with location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "files"), valid_from="beginning")
        registry.snapshot(tmp_path / "snapshot.sqlite", store=location.store)
    record(location, 1)
    snapshot = RegistryLocation(f"sqlite:///{tmp_path / 'snapshot.sqlite'}", location.store)
    with snapshot.open() as registry:
        assert registry.export(PANEL_A, tmp_path / "out", at=AT).warnings == ()


def test_files_of_an_older_copy_are_not_removed_by_it(
    location: RegistryLocation, stale: RegistryLocation
) -> None:
    with stale.open() as registry, assert_refused(ConflictError, str(head_of(location))):
        registry.versions.withdraw(1, comment="in a copy")
    with location.open() as registry:
        assert registry.verify().problems == ()
