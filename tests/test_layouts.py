"""Trees of other systems: repositories of darks, read by their layouts."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from registry.api import Registry
from registry.detectors.epix10ka import GAIN_MODES
from registry.errors import ConflictError, ImportHazardError, NotFoundError, RegistryError, RequestError
from registry.importers.layouts.known import LAYOUTS
from testing.layouts import NORMAL, STAMP, make_dark, write_lcls1_darks, write_lcls2_darks, write_text
from testing.panels import PANEL_A, PANEL_B
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

PACIFIC = "America/Los_Angeles"
START = "2026-03-16T17:02:03Z"
LATER, LATER_START = "20260401120000", "2026-04-01T19:00:00Z"
EPIX = "3926196238-0175152897-1157627926-0000000000-0000000000-0000000000-0000000000"

TYPES = {"pedestals": "pedestals", "rms": "pixel_rms", "status": "pixel_status"}
REPOSITORIES = {"lcls2": write_lcls2_darks, "lcls1-darks": write_lcls1_darks}
repositories = pytest.mark.parametrize(("layout", "write"), REPOSITORIES.items(), ids=REPOSITORIES)


def hazards_of(registry: Registry, tree: Path, layout: str) -> list[str]:
    with pytest.raises(ImportHazardError) as caught:
        registry.import_tree(tree, layout=layout)
    assert caught.value.code == 2
    assert registry.log() == []
    hazards: list[str] = caught.value.values["hazards"]
    return hazards


@repositories
def test_the_three_gain_ranges_of_one_start_make_one_version(
    location: RegistryLocation, tmp_path: Path, layout: str, write: Callable[..., list[Path]]
) -> None:
    for seed, panel in enumerate((PANEL_A, PANEL_B)):
        write(tmp_path / "tree", panel, seed=seed)
        write(tmp_path / "tree", panel, LATER, ["pedestals"], seed=9 + seed)
    with location.open(PACIFIC) as registry:
        outcome = registry.import_tree(tmp_path / "tree", layout=layout)
        assert outcome.revision == 1
        assert sorted((v.panel, v.kind, str(v.valid_from)) for v in outcome.versions) == sorted(
            (panel, kind, start)
            for panel in (PANEL_A, PANEL_B)
            for kind, start in [
                *((kind, START) for kind in ("pedestals", "rms", "status")),
                ("pedestals", LATER_START),
            ]
        )
        for kind in ("pedestals", "rms", "status"):
            kept = registry.constants(PANEL_B, at=START, types=[TYPES[kind]])[TYPES[kind]]
            for gain_range in range(3):
                np.testing.assert_array_equal(kept[gain_range, 0], make_dark(kind, gain_range, 1))
        again = registry.import_tree(tmp_path / "tree", layout=layout)
        assert (again.revision, len(again.unchanged)) == (None, 8)


@repositories
def test_a_version_tells_the_files_that_it_was_made_from_and_to_how_many_digits_they_were_rounded(
    location: RegistryLocation, tmp_path: Path, layout: str, write: Callable[..., list[Path]]
) -> None:
    files = write(tmp_path / "tree", PANEL_A, kinds=["pedestals"])
    with location.open() as registry:
        (version,) = registry.import_tree(tmp_path / "tree", layout=layout).versions
        assert version.conversion is not None
        assert version.conversion.dtype == "text, rounded to 3 digits"
        assert version.conversion.size == sum(file.stat().st_size for file in files)
        assert [stage.stage for stage in version.conversion.stages] == [file.name for file in files]
        assert version.source_path is not None
        assert version.source_path.startswith(str(tmp_path / "tree"))
        assert STAMP in version.source_path
        identity = registry.identify(files[1])
        assert [row.version for row in identity.converted] == [version.version]


def test_a_dry_run_records_nothing_and_leaves_nothing(location: RegistryLocation, tmp_path: Path) -> None:
    write_lcls2_darks(tmp_path / "tree", PANEL_A)
    with location.open(PACIFIC) as registry:
        outcome = registry.import_tree(tmp_path / "tree", layout="lcls2", dry_run=True)
        assert len(outcome.versions) == 3
        assert registry.log() == []
    assert not list((location.store / "objects").rglob("*.npy"))


@pytest.mark.parametrize("place", ["", "constants", "calib2/constants"])
def test_the_newer_repository_is_found_from_the_folders_above_it(
    registry: Registry, tmp_path: Path, place: str
) -> None:
    write_lcls2_darks(tmp_path / "tree" / place, PANEL_A, kinds=["rms"])
    root = tmp_path / "tree" / "jungfrau" if place == "" else tmp_path / "tree"
    assert len(registry.import_tree(root, layout="lcls2").versions) == 1


def rename(path: Path, old: str, new: str) -> None:
    path.rename(path.with_name(path.name.replace(old, new)))


def link_outside(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


LCLS2_HAZARDS: dict[str, tuple[Callable[[list[Path]], object], str]] = {
    "a missing gain range": (
        lambda files: files[1].unlink(),
        "pedestals has no file of gain range 1 with this start",
    ),
    "a file twice": (
        lambda files: shutil.copy(files[0], files[0].with_name(files[0].name.replace("-s00-", "-s01-"))),
        "are both gain range 0 of pedestals",
    ),
    "another run at the same moment": (
        lambda files: rename(files[2], "r0066", "r0067"),
        "files of another run have the same panel and start",
    ),
    "13 digits": (lambda files: rename(files[0], STAMP, STAMP[:-1]), "(13 digits) is not of 14 digits"),
    "a year that cannot be meant": (
        lambda files: rename(files[0], STAMP, "19260316100203"),
        "is before 1990",
    ),
    "an unknown gain range": (lambda files: rename(files[0], "-g0.", "-g7."), "'g7' is not a gain range of"),
    "a name of another type": (
        lambda files: rename(files[0], "pedestals", "pixel_rms"),
        "its name is that of pixel_rms, in the folder of pedestals",
    ),
    "another name": (
        lambda files: files[0].rename(files[0].with_name("new.data")),
        "its name is not one like",
    ),
    "a line cut short": (
        lambda files: files[0].write_bytes(files[0].read_bytes()[:-12]),
        "line 4: it has 5 numbers, not 6",
    ),
    "a last line without an end": (
        lambda files: files[0].write_bytes(files[0].read_bytes()[:-1]),
        "is cut short: line 4 has no end",
    ),
    "a line too many": (
        lambda files: files[0].write_bytes(files[0].read_bytes() * 2),
        "has 8 lines; 4 are expected",
    ),
    "a word": (
        lambda files: files[0].write_text(files[0].read_text().replace("2", "NaN ", 1)),
        "line 1:",
    ),
    "not a number": (
        lambda files: files[0].write_text("nan " + files[0].read_text().split(" ", 1)[1]),
        "holds 1 value that is NaN or infinite",
    ),
    "values that cannot be": (
        lambda files: files[0].write_text("99999 99999 99999 99999 99999 99999\n" * 4),
        "which cannot be that of pedestals of gain range 0",
    ),
    "a link that leaves the tree": (
        lambda files: link_outside(files[0]),
        "it is a link that leaves the tree",
    ),
    "a panel of another spelling": (
        lambda files: files[0].parents[1].rename(files[0].parents[1].with_name(PANEL_A.upper())),
        f"write {PANEL_A}",
    ),
}


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize(("damage", "sentence"), LCLS2_HAZARDS.values(), ids=LCLS2_HAZARDS)
def test_what_cannot_be_taken_is_named_and_nothing_is_recorded(
    registry: Registry, tmp_path: Path, damage: Callable[[list[Path]], object], sentence: str
) -> None:
    damage(write_lcls2_darks(tmp_path / "tree", PANEL_A, kinds=["pedestals"]))
    assert sentence in "\n".join(hazards_of(registry, tmp_path / "tree", "lcls2"))


@pytest.mark.parametrize(
    ("modes", "sentence"),
    [
        ({0: "Normal", 1: "FixedGain1", 2: "FixedGain2"}, None),
        (
            {0: "Normal", 1: "ForcedGain2", 2: "ForcedGain2"},
            "gm1 is not the index of ForcedGain2, which is gm2",
        ),
        ({0: "Strange", 1: "FixedGain1", 2: "FixedGain2"}, "'Strange' is not a gain mode of jungfrau"),
    ],
)
def test_gain_modes_of_the_older_repository_are_gain_ranges(
    registry: Registry, tmp_path: Path, modes: dict[int, str], sentence: str | None
) -> None:
    write_lcls1_darks(tmp_path / "tree", PANEL_A, kinds=["rms"], modes=modes)
    if sentence is None:
        assert len(registry.import_tree(tmp_path / "tree", layout="lcls1-darks").versions) == 1
    else:
        assert sentence in "\n".join(hazards_of(registry, tmp_path / "tree", "lcls1-darks"))


@pytest.mark.parametrize(("index", "mode"), [(1, "FixedGain1"), (0, "HighGain0"), (2, "FixedGain2")])
def test_two_modes_that_share_one_index_at_one_moment_are_ambiguous(
    registry: Registry, tmp_path: Path, index: int, mode: str
) -> None:
    write_lcls1_darks(tmp_path / "tree", PANEL_A, kinds=["rms"])
    write_lcls1_darks(tmp_path / "tree", PANEL_A, kinds=["rms"], modes={index: mode})
    (hazard,) = hazards_of(registry, tmp_path / "tree", "lcls1-darks")
    assert f"are both gain range {index} of rms: which of them is meant?" in hazard


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("layout", ["lcls2", "lcls1-darks"])
def test_darks_of_the_other_detector_type_have_seven_gain_modes(
    registry: Registry, tmp_path: Path, layout: str
) -> None:
    values = np.full((4, 6), 2500.125, np.float32) + np.arange(24, dtype=np.float32).reshape(4, 6)
    for kind, modes in (("pedestals", GAIN_MODES), ("rms", GAIN_MODES[:5])):
        for mode in modes:
            array = values if kind == "pedestals" else values / 250
            if layout == "lcls2":
                ctype = {"rms": "pixel_rms"}.get(kind, kind)
                name = f"epix10ka_000001-s00-{STAMP}-mfx101332224-r0066-{ctype}-{mode.replace('-', '_')}.data"
                path = tmp_path / "tree/epix10ka" / EPIX / kind / name
            else:
                name = f"epix10ka_0001_{STAMP}_mfxlx4219_r0066_{kind}_{mode}.dat"
                path = tmp_path / "tree/panels" / EPIX / kind / name
            write_text(path, array)
    outcome = registry.import_tree(tmp_path / "tree", layout=layout)
    assert [(version.panel, version.kind) for version in outcome.versions] == [(EPIX, "pedestals")]
    assert any("rms of epix10ka is not complete here" in note for note in outcome.notes)


def test_darks_of_high_gain_are_never_taken_for_the_usual_ones(registry: Registry, tmp_path: Path) -> None:
    modes = {0: "HighGain0", 1: "ForcedGain1", 2: "ForcedGain2"}
    write_lcls1_darks(tmp_path / "tree", PANEL_A, kinds=["rms"], modes=modes)
    (version,) = registry.import_tree(tmp_path / "tree", layout="lcls1-darks").versions
    assert version.kind == "rms/hg0"


@pytest.mark.parametrize(
    ("modes", "kinds"),
    [
        ({0: "HighGain0", 1: "ForcedGain1"}, {"rms/hg0"}),
        ({0: "Normal", 1: "ForcedGain1"}, {"rms"}),
        ({0: "Normal", 1: "FixedGain1"}, {"rms/fixed"}),
        ({1: "ForcedGain1", 2: "ForcedGain2"}, {"rms", "rms/hg0"}),
        ({0: "HighGain0", 1: "FixedGain1", 2: "FixedGain2"}, {"rms/fixed", "rms/hg0"}),
        ({0: "Normal", 1: "ForcedGain1", 2: "Strange2"}, {"rms", "rms/fixed", "rms/hg0"}),
    ],
)
def test_darks_that_cannot_be_taken_leave_gaps_in_the_conditions_that_they_can_be_of(
    registry: Registry, tmp_path: Path, modes: dict[int, str], kinds: set[str]
) -> None:
    fixed = {0: "Normal", 1: "FixedGain1", 2: "FixedGain2"}
    high = {0: "HighGain0", 1: "ForcedGain1", 2: "ForcedGain2"}
    for day, usual in enumerate((NORMAL, high, fixed), 10):
        write_lcls1_darks(tmp_path / "tree", PANEL_A, f"202603{day}100203", ["rms"], usual, day)
    registry.import_tree(tmp_path / "tree", layout="lcls1-darks")
    write_lcls1_darks(tmp_path / "tree", PANEL_A, LATER, ["rms"], modes, 3)
    outcome = registry.import_tree(tmp_path / "tree", layout="lcls1-darks", gap_bad=True)
    assert {version.kind for version in outcome.versions if version.is_gap} == kinds
    assert {start.cause for start in outcome.open_starts} <= {"bad"}


def test_kinds_that_are_not_known_and_other_files_are_left_out_with_a_note(
    registry: Registry, tmp_path: Path
) -> None:
    (file, *_) = write_lcls2_darks(tmp_path / "tree", PANEL_A, kinds=["pedestals"])
    (file.parents[1] / "plots").mkdir()
    (file.parents[1] / "plots" / "a.png").touch()
    (file.parents[2] / "merge_tmp").mkdir()
    file.with_suffix(".txt").touch()
    notes = registry.import_tree(tmp_path / "tree", layout="lcls2").notes
    assert any(
        "'plots' is not a kind of constants of jungfrau that is known here; 1 file left out" in n
        for n in notes
    )
    assert any("'jungfrau/merge_tmp' is not the folder of a panel" in note for note in notes)
    assert any(file.with_suffix(".txt").name in note for note in notes)


def test_bad_entries_are_skipped_and_what_they_leave_open_is_told(
    location: RegistryLocation, tmp_path: Path
) -> None:
    write_lcls2_darks(tmp_path / "tree", PANEL_A, kinds=["pedestals"])
    (file, *_) = write_lcls2_darks(tmp_path / "tree", PANEL_A, LATER, ["pedestals"], seed=3)
    file.write_text("1\n")
    with location.open(PACIFIC) as registry:
        outcome = registry.import_tree(tmp_path / "tree", layout="lcls2", skip_bad=True)
        assert [str(version.valid_from) for version in outcome.versions] == [START]
        (start,) = outcome.open_starts
        assert (start.panel, start.kind, str(start.valid_from)) == (PANEL_A, "pedestals", LATER_START)
        outcome = registry.import_tree(tmp_path / "tree", layout="lcls2", gap_bad=True)
        assert [(version.is_gap, str(version.valid_from)) for version in outcome.versions] == [
            (True, LATER_START)
        ]


def test_other_constants_with_the_same_start_are_a_conflict(registry: Registry, tmp_path: Path) -> None:
    write_lcls2_darks(tmp_path / "tree", PANEL_A, kinds=["pedestals"])
    registry.import_tree(tmp_path / "tree", layout="lcls2")
    write_lcls2_darks(tmp_path / "tree", PANEL_A, kinds=["pedestals"], seed=5)
    with pytest.raises(ConflictError):
        registry.import_tree(tmp_path / "tree", layout="lcls2")
    outcome = registry.import_tree(
        tmp_path / "tree", layout="lcls2", supersede=True, comment="dark of the night"
    )
    assert len(outcome.versions) == 1


def test_a_repository_is_not_imported_again_in_another_zone(
    location: RegistryLocation, tmp_path: Path
) -> None:
    write_lcls2_darks(tmp_path / "tree", PANEL_A, kinds=["rms"])
    with location.open(PACIFIC) as registry:
        registry.import_tree(tmp_path / "tree", layout="lcls2")
    with (
        location.open("UTC") as registry,
        pytest.raises(ConflictError, match="was imported with the start 2026-03-16T17:02:03Z"),
    ):
        registry.import_tree(tmp_path / "tree", layout="lcls2")


def test_files_of_another_panel_are_a_mix_up(registry: Registry, tmp_path: Path) -> None:
    for panel in (PANEL_A, PANEL_B):
        write_lcls2_darks(tmp_path / "tree", panel, kinds=["pedestals"])
    with pytest.raises(RegistryError) as caught:
        registry.import_tree(tmp_path / "tree", layout="lcls2")
    assert caught.value.code == 5


@pytest.mark.sqlite_suffices
def test_a_layout_that_is_not_known_is_refused_with_those_that_are(
    location: RegistryLocation, calreg: Calreg, tmp_path: Path
) -> None:
    result = calreg("import", str(tmp_path), "--layout", "lcls3")
    assert result.code == 2
    assert f"'lcls3' is not a layout; known: {', '.join(LAYOUTS)}" in result.stderr


@pytest.mark.sqlite_suffices
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_tree_with_nothing_of_the_layout_is_refused(
    registry: Registry, tmp_path: Path, layout: str
) -> None:
    (tmp_path / "tree").mkdir()
    experiment = "xcs1" if LAYOUTS[layout].NEEDS_EXPERIMENT else None
    with assert_refused(RequestError) as caught:
        registry.import_tree(tmp_path / "tree", layout=layout, experiment=experiment)
    assert "holds nothing of the layout" in caught.value.message
    with pytest.raises(NotFoundError):
        registry.import_tree(tmp_path / "none", layout=layout, experiment=experiment)
