"""Values that cannot be: refused by every verb that registers files, or allowed and recorded with the version."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from registry import provenance
from registry.api import Registry
from registry.api.export_verification import verify_export
from registry.detectors import DETECTOR_TYPES
from registry.errors import ArrayError, ImportHazardError, Remedy
from testing.panels import NEW_A, PANEL_A, PANEL_B, make_panel_array, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

START = "2018-01-01T00:00:00Z"
LATER = "2019-01-01T00:00:00Z"


def spoil(folder: Path, name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Path:
    np.save(folder / name, change(np.load(folder / name)).astype("<f4"))
    return folder


@pytest.fixture
def no_offset(tmp_path: Path) -> Path:
    """A folder whose offsets of gain range 0 are all zero, as where the pedestal holds them."""
    return spoil(write_panel_folder(tmp_path / "zeros"), "g0_offset.npy", np.zeros_like)


@pytest.fixture
def wrong_sign(tmp_path: Path) -> Path:
    return spoil(write_panel_folder(tmp_path / "sign"), "g1_gain.npy", np.negative)


def exchange(folder: Path, first: str, second: str) -> Path:
    shutil.move(folder / first, folder / "aside.npy")
    shutil.move(folder / second, folder / first)
    shutil.move(folder / "aside.npy", folder / second)
    return folder


@pytest.mark.parametrize("gain_ranges", [(0, 1), (0, 2), (1, 2)])
def test_files_of_two_gain_ranges_cannot_be_exchanged(
    registry: Registry, tmp_path: Path, gain_ranges
) -> None:
    registry.panels.add(PANEL_A)
    names = [f"g{gain_range}_gain.npy" for gain_range in gain_ranges]
    folder = exchange(write_panel_folder(tmp_path / "arrays"), *names)
    with assert_refused(ArrayError, problems=2, remedy=Remedy.ALLOW_ODD) as caught:
        registry.versions.add(PANEL_A, folder, valid_from=START)
    for name, other, detail in zip(names, reversed(gain_ranges), caught.value.details, strict=True):
        assert detail.startswith(repr(str(folder / name)))
        assert detail.endswith(f"it is as expected of gain range {other}")
    assert registry.versions.list() == []


@pytest.mark.parametrize("gain_range", [0, 1, 2])
def test_gain_and_offset_cannot_be_exchanged(registry: Registry, tmp_path: Path, gain_range: int) -> None:
    registry.panels.add(PANEL_A)
    name = f"g{gain_range}_gain.npy"
    folder = exchange(write_panel_folder(tmp_path / "arrays"), name, f"g{gain_range}_offset.npy")
    with assert_refused(ArrayError, name, "gain range", path=None, remedy=Remedy.ALLOW_ODD):
        registry.versions.add(PANEL_A, folder, valid_from=START)


def test_gains_in_kev_per_adu_are_refused(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    folder = write_panel_folder(tmp_path / "arrays")
    for gain_range in range(3):
        spoil(folder, f"g{gain_range}_gain.npy", lambda array: 1 / array)
    with assert_refused(ArrayError, "g0_gain.npy", "g2_gain.npy", "another unit?", remedy=Remedy.ALLOW_ODD):
        registry.versions.add(PANEL_A, folder, valid_from=START)


@pytest.mark.slow
def test_offsets_that_are_all_zero_are_recorded_as_allowed_with_their_kind_alone(
    registry: Registry, no_offset: Path
) -> None:
    registry.panels.add(PANEL_A)
    with assert_refused(ArrayError, "g0_offset.npy", "nothing but zeros", remedy=Remedy.ALLOW_ODD):
        registry.versions.add(PANEL_A, no_offset, valid_from=START)
    outcome = registry.versions.add(PANEL_A, no_offset, valid_from=START, allow_odd=True)
    assert outcome.warnings == (
        f"{str(no_offset / 'g0_offset.npy')!r}: every pixel has the same value 0 ADU (a placeholder?)",
    )
    expected = {"gain": False, "offset": True}
    assert {version.kind: version.odd_allowed for version in outcome.versions} == expected
    assert {version.kind: version.odd_allowed for version in registry.versions.list()} == expected
    valid = registry.validity(PANEL_A, at=LATER).versions
    assert {version.kind: version.odd_allowed for version in valid} == expected
    assert registry.versions.add(PANEL_A, no_offset, valid_from=START, allow_odd=True).revision is None
    assert registry.verify().problems == ()


def test_the_permission_follows_the_constants_to_a_new_panel_id(registry: Registry, wrong_sign: Path) -> None:
    registry.panels.add(PANEL_A, alias="M068")
    registry.versions.add(PANEL_A, wrong_sign, valid_from=START, allow_odd=True)
    registry.panels.add(NEW_A, alias="M068", carry_from=PANEL_A, valid_from=LATER)
    carried = {version.kind: version.odd_allowed for version in registry.versions.list(NEW_A)}
    assert carried == {"gain": True, "offset": False}


def test_an_export_of_odd_values_warns_and_its_document_says_that_they_were_allowed(
    registry: Registry, location: RegistryLocation, wrong_sign: Path, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, wrong_sign, valid_from=START, allow_odd=True)
    export = registry.export(PANEL_A, tmp_path / "export", at=LATER)
    assert export.warnings == (f"gain of {PANEL_A} (version 1) has values that cannot be, as was allowed",)
    path = tmp_path / "export" / "provenance.json"
    document = provenance.read(path)
    constants = document.resolution.panels[0].constants
    assert [(item.kind, item.odd_allowed) for item in constants] == [("gain", True), ("offset", False)]
    assert path.read_text().count('"odd_allowed"') == 1, "a document without odd values is as before"
    assert verify_export(path, location.database, location.store).problems == ()


def test_a_tree_with_odd_values_is_a_hazard_unless_they_are_allowed(
    registry: Registry, wrong_sign: Path, tmp_path: Path
) -> None:
    tree = tmp_path / "legacy"
    shutil.copytree(wrong_sign, tree / "M068")
    write_panel_folder(tree / "M088", seed=2)
    (tree / PANEL_A).symlink_to("M068")
    (tree / PANEL_B).symlink_to("M088")
    with assert_refused(
        ImportHazardError,
        PANEL_A,
        "1.39 ADU/keV",
        remedy=Remedy.SKIP_BAD_ENTRIES,
        remedies=[Remedy.ALLOW_ODD],
    ) as caught:
        registry.import_tree(tree)
    assert len(caught.value.values["hazards"]) == 1
    compared = registry.compare_tree(tree)
    assert ([PANEL_A in hazard for hazard in compared.hazards], compared.compared_links) == ([True], 1)
    assert {link.panel for link in compared.links} == {PANEL_B}
    outcome = registry.import_tree(tree, allow_odd=True)
    assert {(version.panel, version.kind): version.odd_allowed for version in outcome.versions} == {
        (PANEL_A, "gain"): True,
        (PANEL_A, "offset"): False,
        (PANEL_B, "gain"): False,
        (PANEL_B, "offset"): False,
    }
    compared = registry.compare_tree(tree)
    assert (compared.hazards, compared.links, compared.compared_links) == ((), (), 2)


@pytest.mark.parametrize("known", DETECTOR_TYPES.values(), ids=DETECTOR_TYPES)
def test_what_a_type_expects_is_possible_and_gains_of_other_signs_are_not(known) -> None:
    for kind in known.kinds:
        for gain_range, (low, high) in enumerate(kind.expected_medians):
            assert kind.is_possible(gain_range, low)
            assert kind.is_possible(gain_range, high)
        assert len(kind.typical_medians) == (known.gain_ranges if kind.name == "gain" else 0)
        for gain_range, typical in enumerate(kind.typical_medians):
            for value in (typical, 10 * typical, typical / 10):
                assert kind.is_possible(gain_range, value)
                assert kind.is_possible(gain_range, float(np.float32(value)))
            for value in (-typical, 10.01 * typical, typical / 10.01, 0.0):
                assert not kind.is_possible(gain_range, value)


@pytest.mark.slow
def test_the_commands_refuse_allow_and_show_odd_values(
    location: RegistryLocation, no_offset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(location, monkeypatch)
    calreg.run("panel", "add", PANEL_A)
    add = ("version", "add", PANEL_A, str(no_offset), "--valid-from", START)
    refusal = calreg.assert_refused(2, *add)
    assert refusal["problems"] == [f"{str(no_offset / 'g0_offset.npy')!r} holds nothing but zeros"]
    calreg.assert_refused(2, *add, "--allow-nonfinite")
    versions = calreg.run(*add, "--allow-odd", "--json").json["versions"]
    assert {version["kind"]: version["odd_allowed"] for version in versions} == {
        "gain": False,
        "offset": True,
    }
    assert "\nallowed       values that cannot be\n" in calreg.run("version", "show", "2").stdout
    assert "allowed" not in calreg.run("version", "show", "1").stdout
    assert calreg.run("version", "show", "2", "--json").json["odd_allowed"] is True

    tree = tmp_path / "legacy"
    shutil.copytree(no_offset, tree / "M088")
    (tree / PANEL_B).symlink_to("M088")
    assert "--allow-odd" in calreg("import", str(tree)).stderr
    meant = ("--allow-odd", "--same-as", PANEL_A)
    imported = calreg.run("import", str(tree), *meant, "--json").json["versions"]
    assert [version["odd_allowed"] for version in imported] == [False, True]
    calreg.assert_refused(2, "import", str(tree), "--compare", "--allow-odd")


def test_status_may_be_zero_and_an_odd_pixel_refuses_nothing(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    folder = write_panel_folder(tmp_path / "arrays", kinds=("gain", "offset", "pedestals", "rms"))
    for gain_range in range(3):
        np.save(folder / f"g{gain_range}_status.npy", np.zeros((4, 6), "<u8"))
        for kind in ("gain", "offset", "pedestals", "rms"):
            array = make_panel_array(kind, gain_range)
            array[0, :3] = -1e6, 1e6, 0
            np.save(folder / f"g{gain_range}_{kind}.npy", array)
    outcome = registry.versions.add(PANEL_A, folder, valid_from=START)
    assert len(outcome.versions) == 5
    assert not any(version.odd_allowed for version in outcome.versions)


def test_the_advice_on_a_folder_names_all_that_allows_its_files(
    calreg: Calreg, no_offset: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(no_offset, tmp_path / "both")
    gain = np.load(folder / "g1_gain.npy")  # another file than that of the values that cannot be
    gain[0, 0] = np.nan
    np.save(folder / "g1_gain.npy", gain)
    calreg.run("panel", "add", PANEL_A)
    add = ("version", "add", PANEL_A, str(folder), "--valid-from", START)
    assert "--allow-odd and --allow-nonfinite" in calreg.assert_refused(2, *add)["message"]
    calreg.run(*add, "--allow-odd", "--allow-nonfinite")
    (tmp_path / "legacy").mkdir()
    shutil.copytree(folder, tmp_path / "legacy" / "M088")
    (tmp_path / "legacy" / PANEL_B).symlink_to("M088")
    refusal = calreg.assert_refused(2, "import", str(tmp_path / "legacy"))
    assert "--allow-odd" not in refusal["message"]  # it would not suffice
