"""Damaged stored files: verbs that need them name all of them with their uses; those that need others work."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.api import Registry
from registry.api.export_verification import verify_export
from registry.api.replays import replay
from registry.errors import CorruptionError, RegistryError, UnavailableError
from registry.records import FileUse
from registry.storage import folder
from testing.panels import PANEL_A, PANEL_B, SHORT_NAME, write_panel_folder
from testing.registries import RegistryLocation
from testing.stores import find_object_path
from tests.refusals import assert_refused
from tests.test_deploy import write_as_the_old_tool
from tests.test_deployed_ranges import GAIN, HOME, OFFSET, day, fill, list_ranges

pytestmark = [pytest.mark.small_panels, pytest.mark.slow, pytest.mark.sqlite_suffices]

RUN = "exp=xcs1:run=140"
# The versions by `fill`: gain and offset of each panel, and the later gain of the first one.
USES = {
    FileUse("offset", 1, PANEL_A, 2),
    FileUse("gain", 2, PANEL_B, 3),
    FileUse("gain", 0, PANEL_A, 5),
}


def find_object(registry: Registry, use: FileUse) -> Path:
    _, files = registry.versions.show(use.version)
    return find_object_path(registry._backend.store, files[use.gain_range].sha256)


def damage(path: Path) -> None:
    path.chmod(0o644)
    path.write_bytes(bytes(path.stat().st_size))


@pytest.fixture
def damaged(registry: Registry, tmp_path: Path) -> Registry:
    """A registry of two panels with an export and a deployment; then three files are damaged."""
    fill(registry, tmp_path)
    registry.export(RUN, tmp_path / "exported")
    for use in USES:
        damage(find_object(registry, use))
    return registry


def list_files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


VERBS: dict[str, Callable[[Registry, Path, RegistryLocation], object]] = {
    "export": lambda registry, folder, _: registry.export(RUN, folder / "out"),
    "text": lambda registry, folder, _: registry.export(RUN, folder / "out", format="psana"),
    "hdf5": lambda registry, folder, _: registry.export(RUN, folder / "out", format="hdf5"),
    "lcls2": lambda registry, folder, _: registry.export(
        RUN, folder / "out", format="lcls2", short_name=SHORT_NAME
    ),
    "constants": lambda registry, *_: registry.constants(RUN),
    "replay": lambda _, folder, location: replay(
        folder / "exported" / "provenance.json", folder / "out", location.database, location.store
    ),
    "plot": lambda registry, folder, _: registry.plots.constants(RUN, folder / "out.png", panels=True),
}


def list_damaged_uses(error: RegistryError) -> set[FileUse]:
    assert all(str(use) in str(error) for file in error.values["missing"] for use in file.uses)
    return {use for file in error.values["missing"] for use in file.uses}


def test_every_damaged_file_is_named_with_its_use_and_what_needs_others_works(
    damaged: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    before = list_files(tmp_path)
    for make in VERBS.values():
        with assert_refused(CorruptionError, problems=3) as caught:
            make(damaged, tmp_path, location)
        assert list_damaged_uses(caught.value) == USES
        assert list_files(tmp_path) == before
    with assert_refused(CorruptionError, version=2, panel=PANEL_A, gain_range=1, problems=1) as caught:
        damaged.export(RUN, tmp_path / "out", types=[OFFSET])
    assert list_damaged_uses(caught.value) == {FileUse("offset", 1, PANEL_A, 2)}
    damaged.export(PANEL_B, tmp_path / "out", types=[OFFSET], at=day(21))
    damaged.plots.constants(5, tmp_path / "ranges.png", gain_ranges=[1, 2])
    damaged.plots.diff(1, 5, tmp_path / "diff.png", gain_ranges=[1, 2])
    done = verify_export(tmp_path / "exported" / "provenance.json", location.database, location.store)
    for problems in (done.problems, damaged.verify().problems):
        assert len(problems) == 3
        assert all(any(str(use) in problem.problem for problem in problems) for use in USES)


def test_a_comparison_names_every_damaged_file_of_both_sides(damaged: Registry, tmp_path: Path) -> None:
    former = FileUse("gain", 1, PANEL_A, 1)
    damage(find_object(damaged, former))
    expected = {former, FileUse("gain", 0, PANEL_A, 5)}
    comparisons: tuple[Callable[[], object], ...] = (
        lambda: damaged.versions.diff(1, 5),
        lambda: damaged.plots.diff(1, 5, tmp_path / "diff.png"),
        lambda: damaged.diff(PANEL_A, before=4, at=day(21)),
        lambda: damaged.plots.history(PANEL_A, tmp_path / "history.png", kinds=["gain"]),
    )
    for compare in comparisons:
        with assert_refused(CorruptionError, problems=2) as caught:
            compare()
        assert list_damaged_uses(caught.value) == expected


@pytest.mark.on_both_databases
def test_a_file_of_two_panels_is_named_once_with_both_uses(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    folder = write_panel_folder(tmp_path / "same", 9, ["offset"])
    for panel, others in ((PANEL_A, ()), (PANEL_B, (PANEL_A,))):
        registry.versions.add(panel, folder, valid_from=day(25), kinds=["offset"], same_as=others)
    uses = {FileUse("offset", 0, PANEL_A, 6), FileUse("offset", 0, PANEL_B, 7)}
    damage(find_object(registry, FileUse("offset", 0, PANEL_A, 6)))
    with assert_refused(CorruptionError, problems=1) as caught:
        registry.export(f"{PANEL_A}_{PANEL_B}", tmp_path / "out", types=[OFFSET], at=day(26))
    assert list_damaged_uses(caught.value) == uses


def test_a_deployment_writes_what_is_sound_and_names_the_rest(damaged: Registry, tmp_path: Path) -> None:
    damaged_gain = {use for use in USES if use.kind == "gain"}
    find_object(damaged, FileUse("gain", 2, PANEL_B, 3)).unlink()
    with assert_refused(CorruptionError, problems=3) as caught:
        damaged.deploy("xcs1", tmp_path / "calib")
    assert list_damaged_uses(caught.value) == USES
    assert caught.value.values["provenance"] == []
    assert not (tmp_path / "calib").exists()
    for use in USES - {FileUse("gain", 0, PANEL_A, 5)}:
        repair(damaged, tmp_path, use)
    with assert_refused(CorruptionError, problems=1) as caught:
        damaged.deploy("xcs1", tmp_path / "calib")
    assert list_damaged_uses(caught.value) == {FileUse("gain", 0, PANEL_A, 5)} <= damaged_gain
    assert list_ranges(tmp_path / "calib", GAIN) == ["100-135"]
    assert list_ranges(tmp_path / "calib", OFFSET) == ["100-end"]
    assert [Path(path).name for path in caught.value.values["files"]] == ["136-end.data"]
    repair(damaged, tmp_path, FileUse("gain", 0, PANEL_A, 5))
    damaged.deploy("xcs1", tmp_path / "calib")
    assert damaged.check_deployment("xcs1", tmp_path / "calib").is_right


def repair(registry: Registry, folder: Path, use: FileUse) -> None:
    """Put back a damaged file from the folder that it was registered from."""
    source = folder / ("later" if use.version == 5 else use.panel) / f"g{use.gain_range}_{use.kind}.npy"
    target = find_object(registry, use)
    target.unlink(missing_ok=True)
    target.write_bytes(source.read_bytes())


def test_a_check_needs_only_the_files_without_which_no_verdict_is_possible(
    damaged: Registry, tmp_path: Path
) -> None:
    file = tmp_path / "calib" / HOME / GAIN / "100-135.data"
    folders = [tmp_path / PANEL_A, tmp_path / PANEL_B]
    arrays = [[np.load(folder / f"g{number}_gain.npy") for folder in folders] for number in range(3)]
    write_as_the_old_tool(file, arrays, "%.9g")
    exact = damaged.check_deployment("xcs1", tmp_path / "calib", types=[GAIN])
    assert [row.verdict for row in exact.runs] == ["right", "missing"]
    write_as_the_old_tool(file, arrays, "%.3f")
    with assert_refused(CorruptionError, problems=2) as caught:
        damaged.check_deployment("xcs1", tmp_path / "calib", types=[GAIN])
    assert list_damaged_uses(caught.value) == {FileUse("gain", 2, PANEL_B, 3), FileUse("gain", 0, PANEL_A, 5)}
    assert [row.verdict for row in caught.value.values["runs"]] == ["unknown", "missing"]


def test_files_that_may_not_be_read_are_not_called_damaged(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(registry, tmp_path)
    denied = {find_object(registry, use) for use in USES}
    open_regular = folder.open_regular

    def refuse(path: Path) -> Any:
        if path in denied:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return open_regular(path)

    monkeypatch.setattr(folder, "open_regular", refuse)
    with assert_refused(UnavailableError, problems=3) as caught:
        registry.export(RUN, tmp_path / "out")
    assert list_damaged_uses(caught.value) == USES
    monkeypatch.undo()
    damage(find_object(registry, FileUse("gain", 1, PANEL_A, 5)))
    monkeypatch.setattr(folder, "open_regular", refuse)
    with assert_refused(CorruptionError, problems=4):
        registry.export(RUN, tmp_path / "out")
