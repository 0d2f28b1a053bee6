"""All files of an experiment at once: what is written, what is left, what is refused, and what a check finds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.api import Registry
from registry.errors import (
    ConflictError,
    CorruptionError,
    NotFoundError,
    Remedy,
    RequestError,
    UnavailableError,
)
from registry.exporters.rounding import find_rounding
from registry.exporters.text import build_header
from registry.records import DeploymentCheck
from testing.panels import (
    PANEL_A,
    PANEL_B,
    PANEL_C,
    SOURCE,
    make_panel_array,
    use_panel_shape,
    write_panel_folder,
)
from testing.registries import RegistryLocation
from testing.stores import find_object_path
from tests.cli import Calreg
from tests.psana_readers import find_file_for_run, read_newer
from tests.refusals import assert_refused
from tests.selection import keep_first
from tests.test_deployed_ranges import GAIN, HOME, OFFSET, day, fill, find_wrong, list_ranges, list_wrong_runs

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]


def fill_more(registry: Registry, folder: Path) -> None:
    """Add a run without a start time, and two after a gap begins."""
    fill(registry, folder)
    registry.runs.add("exp=xcs1:run=138")
    registry.versions.gap(PANEL_B, valid_from=day(25), kinds=["offset"], comment="at the maker")
    for run in (150, 151):
        registry.runs.add(f"exp=xcs1:run={run}", begin=day(26))


def show(check: DeploymentCheck) -> list[tuple[str, tuple[tuple[int, int], ...], str | None, str]]:
    return [(row.type, row.runs, row.path and Path(row.path).name, row.verdict) for row in check.runs]


def write_as_the_old_tool(path: Path, arrays: list[list[np.ndarray]], template: str) -> None:
    """Write decimals with a fixed number of digits, as the tool that calreg replaces does."""
    shape = (len(arrays), len(arrays[0]), *arrays[0][0].shape)
    lines = [
        " ".join(template % value for value in row) for part in arrays for panel in part for row in panel
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(build_header(shape, "float32") + ("\n".join(lines) + "\n").encode())


@pytest.mark.on_both_databases
@pytest.mark.slow
def test_every_range_of_runs_gets_each_file_once(registry: Registry, tmp_path: Path) -> None:
    fill_more(registry, tmp_path)
    calib = tmp_path / "calib"
    planned = registry.deploy("xcs1", calib, dry_run=True)
    assert not calib.exists()
    done = registry.deploy("xcs1", calib)
    assert done.files == planned.files
    assert list_ranges(calib, GAIN) == ["100-135", "136-136", "139-140"]
    assert list_ranges(calib, OFFSET) == ["100-136", "139-140"]
    assert [(row.runs, row.reason) for row in done.left_out] == [
        (((138, 138),), "its start time is not known"),
        (((150, 151),), f"no offset of {PANEL_B} is valid: there is a gap"),
    ]
    assert {row.action for row in done.files} == {"new"}
    assert list_wrong_runs(registry, calib) == []
    assert find_wrong(registry) == []
    assert done.warnings == ()
    check = registry.check_deployment("xcs1", calib)
    assert show(check) == [
        (GAIN, ((100, 100), (120, 120), (135, 135)), "100-135.data", "right"),
        (GAIN, ((136, 136),), "136-136.data", "right"),
        (GAIN, ((138, 138),), None, "right"),
        (GAIN, ((139, 140),), "139-140.data", "right"),
        (GAIN, ((150, 151),), None, "right"),
        (OFFSET, ((100, 100), (120, 120), (135, 136)), "100-136.data", "right"),
        (OFFSET, ((138, 138),), None, "right"),
        (OFFSET, ((139, 140),), "139-140.data", "right"),
        (OFFSET, ((150, 151),), None, "right"),
    ]
    # What was deployed is right by the same request; by another one the gain of runs without offset is missing.
    assert check.is_right
    only_gain = registry.check_deployment("xcs1", calib, types=[GAIN])
    assert [(row.runs, row.verdict) for row in only_gain.runs][-1] == (((150, 151),), "missing")


@pytest.mark.slow
def test_the_last_file_has_no_end_where_nothing_is_known_to_end_it(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    registry.deploy("xcs1", tmp_path / "calib")
    assert list_ranges(tmp_path / "calib", GAIN) == ["100-135", "136-end"]
    assert list_ranges(tmp_path / "calib", OFFSET) == ["100-end"]
    check = registry.check_deployment("xcs1", tmp_path / "calib")
    assert check.is_right
    again = registry.deploy("xcs1", tmp_path / "calib")
    assert {row.action for row in again.files} == {"unchanged"}
    assert again.provenance == ()


@pytest.mark.slow
def test_after_a_correction_only_the_files_that_are_wrong_are_replaced_when_that_is_asked_for(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    calib = tmp_path / "calib"
    registry.deploy("xcs1", calib)
    registry.versions.add(
        PANEL_B,
        write_panel_folder(tmp_path / "better", 11),
        valid_from=day(1),
        kinds=["gain"],
        supersede=True,
        comment="better",
    )
    before = {path: path.read_bytes() for path in calib.rglob("*") if path.is_file()}
    wrong = [str(calib / HOME / GAIN / name) for name in ("100-135.data", "136-end.data")]
    for dry_run in (True, False):
        with assert_refused(ConflictError, *wrong, files=wrong, remedy=Remedy.REPLACE_FILES):
            registry.deploy("xcs1", calib, dry_run=dry_run)
    assert {path: path.read_bytes() for path in calib.rglob("*") if path.is_file()} == before
    check = registry.check_deployment("xcs1", calib)
    assert [row.verdict for row in check.runs] == ["wrong", "wrong", "right"]
    assert f"gain of {PANEL_B}" in check.runs[0].reason
    done = registry.deploy("xcs1", calib, force=True)
    assert [row.action for row in done.files] == ["replaced", "replaced", "unchanged"]
    assert registry.check_deployment("xcs1", calib).is_right
    assert list_wrong_runs(registry, calib) == []


@pytest.mark.slow
def test_a_wrong_file_that_would_be_read_instead_of_a_new_one_is_refused_by_name(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    calib = tmp_path / "calib"
    registry.deploy("xcs1", calib)
    place = calib / HOME / GAIN
    shutil.copy(place / "100-135.data", place / "139-140.data")
    with assert_refused(ConflictError, str(place / "139-140.data"), remedy=Remedy.REPLACE_FILES):
        registry.deploy("xcs1", calib)
    (place / "139-140.data").rename(tmp_path / "139-140.data")
    shutil.copy(place / "136-end.data", place / "120-end.data")
    for force in (False, True):
        with assert_refused(ConflictError, "pixel_gain/120-end.data for runs 120,135", remedy=None):
            registry.deploy("xcs1", calib, force=force)
    (place / "120-end.data").unlink()
    (tmp_path / "139-140.data").rename(place / "139-140.data")
    check = registry.check_deployment("xcs1", calib, types=[GAIN])
    assert show(check)[-1] == (GAIN, ((139, 140),), "139-140.data", "wrong")
    assert "the constants of runs 100,120,135" in check.runs[-1].reason
    assert list_wrong_runs(registry, calib) == [139, 140]
    done = registry.deploy("xcs1", calib, force=True)
    assert [Path(file.path).name for file in done.files if file.action == "replaced"] == ["139-140.data"]
    assert list_wrong_runs(registry, calib) == []
    assert registry.check_deployment("xcs1", calib).is_right
    assert registry.deploy("xcs1", calib).provenance == ()


@pytest.mark.slow
def test_a_file_for_runs_without_constants_is_warned_about(registry: Registry, tmp_path: Path) -> None:
    fill_more(registry, tmp_path)
    registry.deploy("xcs1", tmp_path / "calib")
    place = tmp_path / "calib" / HOME / OFFSET
    shutil.copy(place / "139-140.data", place / "139-end.data")
    done = registry.deploy("xcs1", tmp_path / "calib")
    assert "139-end.data for runs 150-151" in done.warnings[0]
    row = registry.check_deployment("xcs1", tmp_path / "calib", types=[OFFSET]).runs[-1]
    assert (row.runs, row.verdict) == (((150, 151),), "wrong")
    assert "there is a gap" in row.reason


@pytest.mark.slow
def test_files_of_the_old_tool_are_recognised_by_their_values(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    place = tmp_path / "calib" / HOME

    def arrays(kind: str, seeds: tuple[int, int]) -> list[list[np.ndarray]]:
        return [[make_panel_array(kind, stage, seed) for seed in seeds] for stage in range(3)]

    write_as_the_old_tool(place / GAIN / "100-135.data", arrays("gain", (0, 1)), "%.4f")
    write_as_the_old_tool(place / GAIN / "136-end.data", arrays("gain", (0, 1)), "%.4f")
    write_as_the_old_tool(place / OFFSET / "100-end.data", arrays("offset", (0, 1)), "%.1f")
    check = registry.check_deployment("xcs1", tmp_path / "calib")
    assert [row.verdict for row in check.runs] == ["rounded", "wrong", "rounded"]
    assert check.runs[0].reason == "these constants, rounded to 4 digits"
    assert check.runs[2].reason == "these constants, rounded to 1 digit"
    assert "rounded" in check.runs[1].reason
    assert "100,120,135" in check.runs[1].reason
    write_as_the_old_tool(place / GAIN / "100-135.data", arrays("gain", (0, 1)), "%.9g")
    write_as_the_old_tool(place / GAIN / "136-end.data", arrays("gain", (5, 1)), "%.9g")
    (place / OFFSET / "100-end.data").write_text("# no array\n")
    check = registry.check_deployment("xcs1", tmp_path / "calib")
    assert [row.verdict for row in check.runs] == ["right", "unknown", "unknown"]
    with assert_refused(ConflictError, remedy=Remedy.REPLACE_FILES):
        registry.deploy("xcs1", tmp_path / "calib")
    done = registry.deploy("xcs1", tmp_path / "calib", force=True)
    assert [row.action for row in done.files] == ["unchanged", "replaced", "replaced"]
    assert registry.check_deployment("xcs1", tmp_path / "calib").is_right


@pytest.mark.slow
def test_earlier_constants_of_a_panel_are_recognised_though_the_old_tool_rounded_them(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    place = tmp_path / "calib" / HOME / GAIN / "0-end.data"
    arrays = [[make_panel_array("gain", stage, seed) for seed in (0, 1)] for stage in range(3)]
    write_as_the_old_tool(place, arrays, "%.4f")
    folder = write_panel_folder(tmp_path / "better", 11)
    registry.versions.add(
        PANEL_B, folder, valid_from=day(1), kinds=["gain"], supersede=True, comment="better"
    )
    check = registry.check_deployment("xcs1", tmp_path / "calib", types=[GAIN])
    assert [row.verdict for row in check.runs] == ["wrong", "wrong"]
    assert check.runs[0].reason.startswith(f"at position 1 it holds gain of {PANEL_B}, version ")
    assert check.runs[0].reason.endswith(" (withdrawn), rounded")


@pytest.mark.slow
def test_the_constants_of_another_panel_or_in_another_order_are_named(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    registry.panels.add(PANEL_C)
    registry.versions.add(PANEL_C, write_panel_folder(tmp_path / "c", 13), valid_from=day(1))
    place = tmp_path / "calib" / HOME / OFFSET

    def arrays(*seeds: int) -> list[list[np.ndarray]]:
        return [[make_panel_array("offset", stage, seed) for seed in seeds] for stage in range(3)]

    write_as_the_old_tool(place / "100-119.data", arrays(13, 1), "%.9g")
    write_as_the_old_tool(place / "120-134.data", arrays(1, 0), "%.9g")
    write_as_the_old_tool(place / "135-end.data", arrays(0), "%.9g")
    rows = registry.check_deployment("xcs1", tmp_path / "calib", types=[OFFSET]).runs
    assert [row.verdict for row in rows] == ["wrong"] * 3
    assert f"offset of {PANEL_C}" in rows[0].reason
    assert f"position 0 it holds offset of {PANEL_B}" in rows[1].reason
    assert "1 panel, not 2" in rows[2].reason


@pytest.mark.slow
def test_a_file_is_not_right_by_its_document_after_it_was_changed(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    registry.deploy("xcs1", tmp_path / "calib")
    path = tmp_path / "calib" / HOME / GAIN / "136-end.data"
    content = path.read_bytes()
    changed = content[:-9] + content[-9:].translate(bytes.maketrans(b"123456789", b"912345678"))
    path.write_bytes(changed)
    check = registry.check_deployment("xcs1", tmp_path / "calib", types=[GAIN])
    assert [row.verdict for row in check.runs] == ["right", "unknown"]
    path.write_bytes(content)
    for document in (tmp_path / "calib" / HOME).glob("*.json"):
        document.unlink()
    assert registry.check_deployment("xcs1", tmp_path / "calib").is_right


@pytest.mark.slow
def test_a_name_that_stops_the_framework_makes_every_run_wrong(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    registry.deploy("xcs1", tmp_path / "calib")
    place = tmp_path / "calib" / HOME / GAIN
    (place / "foo.data").touch()
    assert registry.check_deployment("xcs1", tmp_path / "calib").is_right
    (place / "10-foo.data").touch()
    rows = registry.check_deployment("xcs1", tmp_path / "calib", types=[GAIN]).runs
    assert {row.verdict for row in rows} == {"wrong"}
    assert all("10-foo.data" in row.reason for row in rows)


@pytest.mark.slow
def test_all_sources_are_deployed_or_the_one_that_is_named(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    other = "XcsEndstation.0:Jungfrau.1"
    registry.detectors.configure("xcs1", other, PANEL_B, first_run=136)
    registry.deploy("xcs1", tmp_path / "one", source="Jungfrau.1", types=[GAIN])
    home = tmp_path / "one" / "Jungfrau::CalibV1"
    assert [path.name for path in home.iterdir()] == [other]
    done = registry.deploy("xcs1", tmp_path / "all")
    assert {row.source for row in done.files} == {SOURCE, other}
    assert [(row.source, row.runs, row.reason) for row in done.left_out] == [
        (other, ((100, 100), (120, 120), (135, 135)), "no detector is configured for it")
    ]
    assert registry.check_deployment("xcs1", tmp_path / "all").is_right
    with assert_refused(NotFoundError, "Jungfrau.7"):
        registry.deploy("xcs1", tmp_path / "none", source="Jungfrau.7")
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
def test_unknown_experiments_types_and_folders_are_refused(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    with assert_refused(NotFoundError, "xcs2", near=["xcs1"]):
        registry.deploy("xcs2", tmp_path / "calib")
    registry.detectors.configure("xcs3", SOURCE, PANEL_A, first_run=1)
    with assert_refused(NotFoundError, experiment="xcs3"):
        registry.deploy("xcs3", tmp_path / "calib")
    with assert_refused(RequestError, "pixel_nothing"):
        registry.deploy("xcs1", tmp_path / "calib", types=["pixel_nothing"])
    with assert_refused(NotFoundError, path=str(tmp_path / "calib")):
        registry.check_deployment("xcs1", tmp_path / "calib")
    assert not (tmp_path / "calib").exists()


@pytest.mark.slow
def test_a_folder_that_cannot_be_is_refused_before_anything_is_written(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    folder = tmp_path / ("x" * 300)
    file = tmp_path / "file"
    file.write_text("of somebody", encoding="utf-8")
    for dry_run in (True, False):
        with assert_refused(UnavailableError, "File name too long"):
            registry.deploy("xcs1", folder, dry_run=dry_run)
        for place in (file, file / "calib"):
            with assert_refused(UnavailableError, "Not a directory", path=str(file)):
                registry.deploy("xcs1", place, dry_run=dry_run)
    with assert_refused(UnavailableError, "File name too long"):
        registry.check_deployment("xcs1", folder)
    with assert_refused(UnavailableError, "File name too long"):
        registry.export("exp=xcs1:run=100", folder, format="psana")


@pytest.mark.on_both_databases
@pytest.mark.slow
def test_an_earlier_revision_is_deployed_and_checked(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    before = registry.log()[0].revision
    folder = write_panel_folder(tmp_path / "better", 11)
    registry.versions.add(PANEL_B, folder, valid_from=day(15), comment="better")
    registry.deploy("xcs1", tmp_path / "calib", as_of=before)
    assert registry.check_deployment("xcs1", tmp_path / "calib", as_of=before).is_right
    assert not registry.check_deployment("xcs1", tmp_path / "calib").is_right


@pytest.mark.slow
def test_runs_beyond_the_last_that_is_read_are_left_out(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    registry.runs.add("exp=xcs1:run=10001", begin=day(22))
    done = registry.deploy("xcs1", tmp_path / "calib")
    assert list_ranges(tmp_path / "calib", GAIN) == ["100-135", "136-140"]
    assert [row.runs for row in done.left_out] == [((10001, 10001),)]
    assert "9999" in done.left_out[0].reason


@pytest.mark.slow
def test_a_damaged_stored_file_stops_its_deployment_and_no_check_of_others(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    registry.deploy("xcs1", tmp_path / "calib", types=[OFFSET])
    array = registry.constants("exp=xcs1:run=136", types=[GAIN]).provenance
    file = array.resolution.panels[0].constants[0].files[0]
    damaged = find_object_path(registry._backend.store, file.sha256)
    damaged.chmod(0o644)
    damaged.write_bytes(bytes(damaged.stat().st_size))
    with assert_refused(CorruptionError, file.sha256, problems=1):
        registry.deploy("xcs1", tmp_path / "calib")
    assert registry.check_deployment("xcs1", tmp_path / "calib", types=[OFFSET]).is_right


@pytest.mark.slow
def test_the_command_line_deploys_and_checks(calreg: Calreg, registry: Registry, tmp_path: Path) -> None:
    fill_more(registry, tmp_path)
    calib = str(tmp_path / "calib")
    planned = calreg.run("deploy", "xcs1", "--output", calib, "--dry-run")
    assert "100-135" in planned.stdout
    assert "nothing was written" in planned.stdout
    assert not Path(calib).exists()
    done = calreg.run("deploy", "xcs1", "--output", calib, "--json")
    assert {row["action"] for row in done.json["files"]} == {"new"}
    assert done.json["left_out"][1]["runs"] == [[150, 151]]
    assert calreg.run("deploy", "xcs1", "--check", calib).code == 0
    check = calreg("deploy", "xcs1", "--check", calib, "--type", GAIN)
    assert check.code == 5
    assert "missing" in check.stdout
    right = calreg.run("deploy", "xcs1", "--check", calib, "--type", OFFSET, "--json")
    assert {row["verdict"] for row in right.json["runs"]} == {"right"}
    for wrong in (
        ("deploy", "xcs1"),
        ("deploy", "xcs1", "--output", calib, "--check", calib),
        ("deploy", "xcs1", "--check", calib, "--force"),
        ("deploy", "../x", "--output", calib),
    ):
        assert calreg.assert_refused(2, *wrong)["kind"] in ("RequestError", "IdentifierError")
    assert calreg.assert_refused(3, "deploy", "xcs1", "--check", calib + "2")["kind"] == "NotFoundError"


@pytest.mark.slow
@pytest.mark.parametrize("shape", keep_first([(50, 600), (500, 600)]))
def test_rounding_is_recognised_to_the_digit(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    original = (rng.standard_normal(shape) * 300).astype(np.float32)
    original.flat[:4] = (0.5, 1.25, -0.125, np.nan)
    for digits in (0, 1, 2, 4):
        text = [[f"{value:.{digits}f}" for value in row] for row in original]
        assert find_rounding(np.array(text, np.float32), original) == digits
        # From the shortest decimals of the floats, which may be on the other side of a middle.
        text = [[f"{float(str(value)):.{digits}f}" for value in row] for row in original]
        assert find_rounding(np.array(text, np.float32), original) == digits
    assert find_rounding(original + np.float32(0.3), original) is None
    assert find_rounding(np.nextafter(original, np.float32(np.inf)), original) is None
    rounded = np.round(original, 1)
    rounded[7, 7] += np.float32(0.1)
    assert find_rounding(rounded, original) is None
    assert find_rounding(np.zeros((2, 2), np.uint64), np.ones((2, 2), np.uint64)) is None


@pytest.mark.exhaustive
@pytest.mark.slow
def test_text_of_real_size_is_deployed_checked_and_read_back(
    sqlite_location: RegistryLocation, tmp_path: Path
) -> None:
    with use_panel_shape((512, 1024)), sqlite_location.open() as registry:
        registry.panels.add(PANEL_A)
        registry.versions.add(PANEL_A, write_panel_folder(tmp_path / "a", noisy=True), valid_from=day(1))
        registry.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1)
        registry.runs.add("exp=xcs1:run=5", begin=day(2))
        registry.deploy("xcs1", tmp_path / "calib", types=[GAIN])
        path = find_file_for_run(tmp_path / "calib" / HOME / GAIN, 5)
        assert path is not None
        array = registry.constants("exp=xcs1:run=5", types=[GAIN])[GAIN]
        assert read_newer(path).tobytes() == array.tobytes()
        parts: list[list[Any]] = [list(stage) for stage in array]
        write_as_the_old_tool(path, parts, "%.4f")
        (row,) = registry.check_deployment("xcs1", tmp_path / "calib", types=[GAIN]).runs
        assert (row.verdict, row.reason) == ("rounded", "these constants, rounded to 4 digits")


def test_arguments_of_other_types_are_refused(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(RequestError):
        registry.deploy(7, tmp_path)  # type: ignore[arg-type]
