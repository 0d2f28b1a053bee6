"""Pedestals, noise and pixel status: kinds of their own, item valid from when it was measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from registry.api import Registry
from registry.errors import ArrayError, NotValidError, RequestError
from testing.panels import PANEL_A, PANEL_B, make_panel_array, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.conftest import make_location
from tests.refusals import assert_refused

pytestmark = pytest.mark.sqlite_suffices

EVERY = ("gain", "offset", "pedestals", "rms", "status")
TYPES = {
    "pixel_gain": "<f4",
    "pixel_offset": "<f4",
    "pedestals": "<f4",
    "pixel_rms": "<f4",
    "pixel_status": "<u8",
}
SEEDS = {PANEL_A: 11, PANEL_B: 22}
DETECTOR = f"{PANEL_A}_{PANEL_B}"
DATASET = "exp=xcsls3716:run=631"
T1, T2, T3 = "2018-01-01T00:00:00Z", "2018-02-01T00:00:00Z", "2018-03-01T00:00:00Z"


def folder_of(folders: Path, panel: str) -> Path:
    return folders / str(SEEDS[panel])


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of two panels, with every kind."""
    root = tmp_path_factory.mktemp("folders")
    for seed in SEEDS.values():
        write_panel_folder(root / str(seed), seed, EVERY)
    return root


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_location(
    request: pytest.FixtureRequest, folders: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RegistryLocation]:
    """A registry that knows every kind of two panels, for the tests that record nothing more of them."""
    for location in make_location(request, tmp_path_factory.mktemp("shared"), request.param):
        with location.open() as registry:
            for panel in SEEDS:
                registry.panels.add(panel)
                registry.versions.add(panel, folder_of(folders, panel), valid_from=T1)
            registry.detectors.configure(
                "xcsls3716", "XcsEndstation.0:Jungfrau.0", DETECTOR, first_run=1, last_run=700
            )
            registry.runs.add(DATASET, begin=T2)
        yield location


@pytest.fixture
def shared(shared_location: RegistryLocation) -> Iterator[Registry]:
    with shared_location.open() as opened:
        yield opened


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def content(folder: Path) -> dict[str, str]:
    return {path.name: digest(path) for path in folder.iterdir()}


# A folder with every kind


@pytest.mark.slow
def test_a_mixed_folder_registers_every_kind_that_it_holds_in_one_revision(
    registry: Registry, folders: Path
) -> None:
    registry.panels.add(PANEL_A)
    outcome = registry.versions.add(PANEL_A, folder_of(folders, PANEL_A), valid_from=T1)
    assert [version.kind for version in outcome.versions] == list(EVERY)
    assert {version.recorded_in for version in outcome.versions} == {outcome.revision}
    (warning,) = outcome.warnings
    assert warning == (
        f"{str(folder_of(folders, PANEL_A))!r}: 1, 1, 1 pixels (by gain range) are flagged by status;"
        " kept as they are"
    )
    _, files = registry.versions.show(outcome.versions[-1].version)
    assert [file.statistics.maximum for file in files] == [1.0, 2.0, 4.0]
    assert {file.statistics.zeros for file in files} == {512 * 1024 - 1}


@pytest.mark.slow
def test_by_default_only_the_required_kinds_are_shown(shared: Registry) -> None:
    result = shared.validity(PANEL_A, at=T2)
    assert [version.kind for version in result.versions] == ["gain", "offset"]
    every = shared.validity(PANEL_A, kinds=EVERY, at=T2)
    assert [version.kind for version in every.versions] == list(EVERY)


@pytest.mark.slow
def test_a_file_of_flags_is_identified(shared: Registry, folders: Path) -> None:
    result = shared.identify(folder_of(folders, PANEL_A) / "g1_status.npy")
    assert [(item.kind, item.gain_range) for item in result.inputs] == [("status", 1)]
    assert [version.panel for version in result.inputs[0].versions] == [PANEL_A]


# Exports


@pytest.mark.slow
def test_one_command_exports_every_type_bit_for_bit(
    shared_location: RegistryLocation, folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(shared_location, monkeypatch)
    options = [word for name in TYPES for word in ("--type", name)]
    answer = calreg.run("export", DATASET, *options, "--output", str(tmp_path / "out"), "--json").json
    assert {item["type"]: item["dtype"] for item in answer["outputs"]} == {
        name: np.dtype(dtype).name for name, dtype in TYPES.items()
    }
    for (name, dtype), kind in zip(TYPES.items(), EVERY, strict=True):
        result = np.load(tmp_path / "out" / f"{name}.npy")
        assert result.dtype.str == dtype
        wanted = np.stack(
            [
                np.stack([make_panel_array(kind, number, seed) for seed in SEEDS.values()])
                for number in range(3)
            ]
        )
        assert result.tobytes() == wanted.astype(dtype).tobytes()
        assert result.shape == (3, 2, 512, 1024)
    document = tmp_path / "out" / "provenance.json"
    assert calreg.run("provenance", "verify", str(document), "--json").json["problems"] == []
    calreg.run("provenance", "replay", str(document), "--output", str(tmp_path / "again"))
    assert content(tmp_path / "again") == content(tmp_path / "out")
    identity = calreg.run("identify", str(tmp_path / "out" / "pixel_status.npy"), "--json").json
    assert [item["type"] for item in identity["exports"]] == ["pixel_status"]


def test_the_provenance_of_flags_says_dtype_and_unit(shared: Registry, tmp_path: Path) -> None:
    shared.export(DETECTOR, tmp_path / "out", at=T2, types=["pixel_status"])
    document = json.loads((tmp_path / "out" / "provenance.json").read_bytes())
    assert [(item["kind"], item["unit"], item["dtype"]) for item in document["outputs"]] == [
        ("status", "1", "uint64")
    ]
    statistics = document["resolution"]["panels"][1]["constants"][0]["files"][2]["statistics"]
    assert statistics == {
        "minimum": 0.0,
        "median": 0.0,
        "maximum": 4.0,
        "zeros": 512 * 1024 - 1,
        "nonfinite": 0,
    }


def test_flags_come_into_memory_as_they_were_registered(shared: Registry) -> None:
    result = shared.constants(DATASET, types=["pixel_status", "pedestals"])
    assert (result["pixel_status"].dtype, result["pedestals"].dtype) == (np.uint64, np.float32)
    assert np.array_equal(result["pixel_status"][2, 1], make_panel_array("status", 2, SEEDS[PANEL_B]))


# Each kind has its own validity


@pytest.mark.slow
def test_new_dark_constants_leave_the_validity_of_the_gain_alone(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "first", 1, EVERY), valid_from=T1)
    dark = write_panel_folder(tmp_path / "dark", 2, ("pedestals", "rms", "status"))
    outcome = registry.versions.add(PANEL_A, dark, valid_from=T2, kinds=["pedestals", "rms", "status"])
    assert [version.kind for version in outcome.versions] == ["pedestals", "rms", "status"]
    result = registry.validity(PANEL_A, kinds=["gain", "status"]).versions
    assert [(item.kind, str(item.valid_from), str(item.valid_to)) for item in result] == [
        ("gain", T1, "None"),
        ("status", T1, T2),
        ("status", T2, "None"),
    ]


def test_a_folder_of_flags_alone_is_registered_by_naming_the_kind(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    folder = write_panel_folder(tmp_path / "status", 3, ["status"])
    with assert_refused(ArrayError, "g0_gain.npy, g1_gain.npy, g2_gain.npy"):
        registry.versions.add(PANEL_A, folder, valid_from=T1)
    assert registry.versions.list() == []
    outcome = registry.versions.add(PANEL_A, folder, valid_from=T1, kinds=["status"])
    assert [version.kind for version in outcome.versions] == ["status"]
    with assert_refused(NotValidError, "status"):
        registry.validity(PANEL_A, at=T2)


def test_a_panel_without_a_flag_is_registered_without_a_warning(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    for number in range(3):
        np.save(tmp_path / f"g{number}_status.npy", np.zeros((512, 1024), np.uint64))
    outcome = registry.versions.add(PANEL_A, tmp_path, valid_from=T1, kinds=["status"])
    assert (len(outcome.versions), outcome.warnings) == (1, ())


@pytest.mark.parametrize("lost", ["g1_status.npy", "g2_rms.npy", "g0_gain.npy"])
def test_a_folder_in_which_one_kind_lacks_a_file_is_refused_as_a_whole(
    sqlite_location: RegistryLocation, tmp_path: Path, lost: str
) -> None:
    folder = write_panel_folder(tmp_path / "mixed", 4, EVERY)
    (folder / lost).unlink()
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
        with assert_refused(ArrayError, repr(str(folder)), lost, problems=1):
            registry.versions.add(PANEL_A, folder, valid_from=T1)
        assert registry.versions.list() == []
    assert list(sqlite_location.store.rglob("*.npy")) == []


@pytest.mark.slow
def test_a_gap_in_one_kind_leaves_the_others_valid(registry: Registry, tmp_path: Path) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "all", 5, EVERY), valid_from=T1)
    registry.versions.gap(PANEL_A, valid_from=T2, kinds=["status"], comment="the dark run was light")
    assert set(registry.constants(PANEL_A, at=T3, types=[*TYPES][:4])) == set([*TYPES][:4])
    names = ("status", PANEL_A, T3, T2, "the dark run was light")
    with assert_refused(NotValidError, *names, problems=1):
        registry.export(PANEL_A, tmp_path / "out", at=T3, types=[*TYPES])
    assert not (tmp_path / "out").exists()


# What differs


@pytest.mark.slow
def test_flags_that_differ_are_counted_exactly(sqlite_location: RegistryLocation, tmp_path: Path) -> None:
    before, after = (write_panel_folder(tmp_path / name, 6, ["status"]) for name in ("before", "after"))
    high = make_panel_array("status", 1, 6)
    high[0, 0] = 2**63
    np.save(before / "g1_status.npy", high)
    high[0, 0] += np.uint64(1)
    np.save(after / "g1_status.npy", high)
    with sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
        for folder, start in ((before, T1), (after, T2)):
            registry.versions.add(PANEL_A, folder, valid_from=start, kinds=["status"])
        result = registry.versions.diff(1, 2).gain_ranges
    assert [(item.count, item.maximum) for item in result] == [(0, 0.0), (1, 1.0), (0, 0.0)]


@pytest.mark.slow
def test_new_flags_affect_the_array_of_flags_alone_and_stand_in_the_difference_of_a_detector(
    registry: Registry, tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.detectors.configure("xcsls3716", "XcsEndstation.0:Jungfrau.0", PANEL_A, first_run=1)
    registry.runs.add(DATASET, begin=T3)
    first = registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "all", 7, EVERY), valid_from=T1)
    flags = write_panel_folder(tmp_path / "flags", 8, ["status"])
    registry.versions.add(PANEL_A, flags, valid_from=T2, kinds=["status"])
    (affected,) = registry.list_affected_runs(first.revision)
    assert (affected.change, affected.kinds) == ("changed", ("status",))
    assert registry.list_affected_runs(first.revision, kinds=["gain", "offset"]) == []
    result = registry.diff(DATASET, before=first.revision)
    assert [(item.kind, item.before, item.after) for item in result.panels] == [("status", 5, 6)]
    assert [item.count for item in result.panels[0].gain_ranges] == [2, 2, 2]


# What the analysis framework cannot read


@pytest.mark.slow
def test_a_mask_with_bits_that_the_framework_drops_is_not_written_for_it(
    registry: Registry, folders: Path, tmp_path: Path
) -> None:
    for panel in SEEDS:
        registry.panels.add(panel)
        registry.versions.add(panel, folder_of(folders, panel), valid_from=T1)
    wide = write_panel_folder(tmp_path / "wide", 1, ["status"])
    flags = make_panel_array("status", 1)
    flags[3, 4] = 1 << 16
    np.save(wide / "g1_status.npy", flags)
    registry.versions.add(PANEL_B, wide, valid_from=T2, kinds=["status"])
    source = "XcsEndstation.0:Jungfrau.0"
    registry.detectors.configure("xcsls3716", source, DETECTOR, first_run=1)
    registry.runs.add("exp=xcsls3716:run=1", begin=T1)
    registry.runs.add("exp=xcsls3716:run=2", begin=T2)
    calib = tmp_path / "calib"
    for attempt in (
        lambda: registry.export("exp=xcsls3716:run=2", calib, format="psana", types=["pixel_status"]),
        lambda: registry.deploy("xcsls3716", calib, types=["pixel_status"]),
        lambda: registry.deploy("xcsls3716", calib, types=["pixel_status"], dry_run=True),
    ):
        with assert_refused(RequestError, PANEL_B, "gain range 1", type="pixel_status", maximum=65536.0):
            attempt()
        assert not calib.exists()
    registry.export("exp=xcsls3716:run=1", calib, format="psana", types=["pixel_status"])
    exported = registry.export("exp=xcsls3716:run=2", tmp_path / "npy", types=["pixel_status"])
    assert np.load(exported.outputs[0].path)[1, 1, 3, 4] == 1 << 16
