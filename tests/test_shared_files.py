"""The same bytes under two modules are a mix-up: refused, unless it is said that they are meant."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from registry.api import Registry
from registry.database.change import Change
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import ConflictError, IdentifierError, Remedy
from registry.importers.panel_folders import read_panel_folder
from registry.records import Outcome
from registry.registration.planning import VersionStatement
from registry.registration.versions import record_constants, record_versions
from registry.store import ContentStore
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import list_object_paths
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

START = "2018-01-01T00:00:00Z"
LATER = "2019-01-01T00:00:00Z"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Constants of PANEL_A, of the module M068."""
    return write_panel_folder(tmp_path / "files", seed=1)


@pytest.fixture
def filled(registry: Registry, files: Path) -> Registry:
    """A registry with M068 (two panel Ids) and M088, and the constants of the former."""
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(NEW_A, alias="M068")
    registry.panels.add(PANEL_B, alias="M088")
    registry.versions.add(PANEL_A, files, valid_from=START)
    return registry


def count_objects(location: RegistryLocation) -> int:
    return len(list(list_object_paths(ContentStore(location.store))))


def test_the_files_of_another_module_are_refused_and_nothing_is_left_behind(
    filled: Registry, location: RegistryLocation, files: Path, tmp_path: Path
) -> None:
    newest, objects = filled.log()[0].revision, count_objects(location)
    renamed = shutil.copytree(files, tmp_path / "renamed")
    np.save(renamed / "g1_offset.npy", np.load(files / "g1_offset.npy") + 1)
    with assert_refused(
        ConflictError,
        PANEL_A,
        "M068",
        "version 1",
        problems=2,
        remedy=Remedy.STATE_SAME_FILES,
        same_as="M068",
    ) as caught:
        filled.versions.add(PANEL_B, renamed, valid_from=START)
    assert [(row["kind"], row["gain_ranges"], row["same_as"]) for row in caught.value.values["mix_ups"]] == [
        ("gain", [0, 1, 2], "M068"),
        ("offset", [0, 2], "M068"),
    ]
    assert filled.log()[0].revision == newest
    assert count_objects(location) == objects


def test_another_kind_alone_is_refused_too(filled: Registry, files: Path) -> None:
    with assert_refused(ConflictError, "offset", "M068", problems=1):
        filled.versions.add("M088", files, valid_from=LATER, kinds=["offset"])


@pytest.mark.on_both_databases
def test_files_that_are_meant_are_recorded_with_the_module_that_was_named(
    filled: Registry, files: Path, tmp_path: Path
) -> None:
    mixed = shutil.copytree(files, tmp_path / "mixed")
    for gain_range in range(3):
        path = mixed / f"g{gain_range}_offset.npy"
        np.save(path, np.load(path) + 1)
    added = filled.versions.add(PANEL_B, mixed, valid_from=START, same_as=["M068"])
    assert {version.kind: version.same_as for version in added.versions} == {"gain": "M068", "offset": None}
    again = filled.versions.add(PANEL_B, mixed, valid_from=START, same_as=["M068"])
    assert (again.revision, len(again.unchanged)) == (None, 2)
    # Its own files by now.
    later = filled.versions.add(PANEL_B, mixed, valid_from=LATER)
    assert [version.same_as for version in later.versions] == [None, None]


def test_a_module_without_m_number_is_named_by_its_panel_id(registry: Registry, files: Path) -> None:
    for panel in (PANEL_A, PANEL_C):
        registry.panels.add(panel)
    registry.versions.add(PANEL_A, files, valid_from=START)
    with assert_refused(ConflictError, PANEL_A, same_as="3d00b0"):
        registry.versions.add(PANEL_C, files, valid_from=START)
    added = registry.versions.add(PANEL_C, files, valid_from=START, same_as=[PANEL_A])
    assert [version.same_as for version in added.versions] == ["3d00b0", "3d00b0"]


@pytest.mark.on_both_databases
@pytest.mark.parametrize("name", ["M044", PANEL_C])
def test_a_module_that_has_none_of_the_files_is_refused(filled: Registry, files: Path, name: str) -> None:
    with assert_refused(ConflictError, remedy=Remedy.STATE_SAME_FILES):
        filled.versions.add(PANEL_B, files, valid_from=START, same_as=[name])
    other = write_panel_folder(files.parent / "other", seed=5)
    with assert_refused(ConflictError):
        filled.versions.add(PANEL_B, other, valid_from=START, same_as=[name])


def test_a_module_must_be_named_in_full(filled: Registry, files: Path) -> None:
    with assert_refused(IdentifierError):
        filled.versions.add(PANEL_B, files, valid_from=START, same_as=["68"])


def test_a_module_may_use_its_own_files_under_every_panel_id(filled: Registry, files: Path) -> None:
    assert len(filled.versions.add("M068", files, valid_from=LATER).versions) == 4
    assert filled.versions.add(NEW_A, files, valid_from=START).warnings == ()


def test_constants_are_carried_within_a_module(filled: Registry) -> None:
    carried = filled.panels.add(NEW_A, carry_from=PANEL_A, valid_from=LATER)
    assert [version.carried_from for version in carried.versions] == [1, 2]


def test_what_was_said_of_constants_is_carried_with_them(registry: Registry, files: Path) -> None:
    registry.panels.add(PANEL_B, alias="M088")
    registry.versions.add(PANEL_B, files, valid_from=START)
    registry.panels.add(PANEL_A, alias="M068")
    registry.versions.add(PANEL_A, files, valid_from=START, same_as=["M088"])
    carried = registry.panels.add(NEW_A, alias="M068", carry_from=PANEL_A, valid_from=LATER)
    assert {version.same_as for version in carried.versions} == {"M088"}


def test_withdrawn_versions_do_not_count(filled: Registry, files: Path) -> None:
    filled.versions.withdraw(1, 2, comment="of M088 in truth")
    assert len(filled.versions.add(PANEL_B, files, valid_from=START).versions) == 2


def test_two_swapped_modules_are_put_right_by_withdrawing_first(
    filled: Registry, files: Path, tmp_path: Path
) -> None:
    other = write_panel_folder(tmp_path / "other", seed=2)
    filled.versions.add(PANEL_B, other, valid_from=START)
    with assert_refused(ConflictError):
        filled.versions.add(PANEL_A, other, valid_from=START, supersede=True, comment="swapped")
    filled.versions.withdraw(3, 4, comment="swapped")
    filled.versions.add(PANEL_A, other, valid_from=START, supersede=True, comment="swapped")
    filled.versions.add(PANEL_B, files, valid_from=START, supersede=True, comment="swapped")


def test_the_m_number_at_the_start_of_a_version_decides(filled: Registry, files: Path) -> None:
    """The board of PANEL_A moves to M044: what it has from then on is another sensor."""
    filled.aliases.add("M044", PANEL_A, NEW_A, valid_from=LATER)
    with assert_refused(ConflictError, "M068"):
        filled.versions.add(PANEL_A, files, valid_from="2019-06-01T00:00:00Z")
    filled.versions.add(PANEL_A, files, valid_from="2018-06-01T00:00:00Z")


def test_flat_maps_are_noted(registry: Registry, tmp_path: Path) -> None:
    folders = [write_panel_folder(tmp_path / name, seed=seed) for seed, name in enumerate("ab")]
    for folder in folders:
        path = folder / "g2_gain.npy"
        np.save(path, np.full_like(np.load(path), -0.11))
    for panel, folder in zip((PANEL_A, PANEL_B), folders, strict=True):
        registry.panels.add(panel)
        outcome = registry.versions.add(panel, folder, valid_from=START)
        assert len(outcome.versions) == 2
    (note,) = [note for note in outcome.notes if "g2_gain.npy" in note]
    assert PANEL_A in note


def test_an_import_compares_its_folders_with_each_other(
    registry: Registry, files: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    for name in ("M068", "M088"):
        shutil.copytree(files, tree / name)
    write_panel_folder(tree / "M044", seed=3)
    links = {f"{PANEL_A}-20180101000000": "M068", PANEL_B: "M088", PANEL_C: "M044", NEW_A: "M068"}
    for name, target in links.items():
        (tree / name).symlink_to(target)
    with assert_refused(ConflictError, problems=6, remedies=[Remedy.STATE_SAME_FILES]):
        registry.import_tree(tree)
    assert registry.log() == []
    skipped = registry.import_tree(tree, skip_bad=True)
    assert {(entry.entry, entry.cause) for entry in skipped.skipped} == {
        (name, "mix-up") for name, target in links.items() if target != "M044"
    }
    assert {version.panel for version in skipped.versions} == {PANEL_C}
    meant = registry.import_tree(tree, same_as=["M068"])
    assert {(version.panel, version.same_as) for version in meant.versions} == {
        (PANEL_A, None), (NEW_A, None), (PANEL_B, "M068"),
    }  # fmt: skip
    assert registry.import_tree(tree).revision is None


def test_a_comparison_names_what_an_import_would_refuse(
    filled: Registry, files: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(files, tree / "M044")
    (tree / PANEL_C).symlink_to("M044")
    hazards = filled.compare_tree(tree).hazards
    assert [hazard.split(":")[0] for hazard in hazards] == [PANEL_C, PANEL_C]
    filled.import_tree(tree, same_as=["M068"])
    assert filled.compare_tree(tree).hazards == ()


@pytest.mark.on_both_databases
def test_an_import_compares_with_what_is_recorded(filled: Registry, files: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    shutil.copytree(files, tree / "M044")
    (tree / PANEL_C).symlink_to("M044")
    with assert_refused(ConflictError, "M068", PANEL_A, problems=2):
        filled.import_tree(tree)


def test_what_another_writer_recorded_meanwhile_counts(
    filled: Registry, location: RegistryLocation, files: Path, tmp_path: Path
) -> None:
    """The second writer compares before the first one has committed, and waits for the lock."""
    fresh = write_panel_folder(tmp_path / "fresh", seed=9)
    results: list[Outcome | Exception] = []

    compared = threading.Event()

    def note_comparison(*arguments: Any) -> None:
        if "first_use" in arguments[2]:
            compared.set()

    def register() -> None:
        with location.open() as registry:
            engine = registry._backend.database._engine
            sa.event.listen(engine, "after_cursor_execute", note_comparison)
            try:
                results.append(registry.versions.add(PANEL_B, fresh, valid_from=START))
            except ConflictError as error:
                results.append(error)

    second = threading.Thread(target=register)

    def record(change: Change) -> None:
        second.start()
        assert compared.wait(60)
        constants = read_panel_folder(fresh, JUNGFRAU).constants
        record_constants(change, constants)
        statements = [VersionStatement(PANEL_A, item.kind, change.instant, item.sha256) for item in constants]
        record_versions(change, statements, supersede=False)

    filled._backend.record_revision(record, None)
    second.join()
    (result,) = results
    assert isinstance(result, ConflictError)
    assert result.remedy is Remedy.STATE_SAME_FILES


def test_the_command_names_the_option(calreg: Calreg, tmp_path: Path) -> None:
    files = write_panel_folder(tmp_path / "files")
    calreg.run("panel", "add", PANEL_A, "--alias", "M068")
    calreg.run("panel", "add", PANEL_B, "--alias", "M088")
    calreg.run("version", "add", "M068", files, "--valid-from", START)
    command = ("version", "add", "M088", files, "--valid-from", START)
    error = calreg.assert_refused(5, *command)
    assert error["same_as"] == "M068"
    assert "--same-as M068" in calreg(*command).stderr
    assert calreg.run(*command, "--same-as", "M068").code == 0
    assert "files of M068" in calreg.run("version", "show", "3").stdout
    assert calreg.run("version", "show", "3", "--json").json["same_as"] == "M068"
