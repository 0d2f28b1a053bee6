"""For which runs exported files are: no run is ever given the constants of another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from registry.api import Registry
from registry.api.export_verification import verify_export
from registry.errors import ConflictError, NotFoundError, NotValidError, RegistryError
from registry.records import Export, Verification
from testing.panels import PANEL_A, PANEL_B, SHORT_NAME, SOURCE, name_detector, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.psana_readers import find_file_for_run, read_newer, read_older
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

HOME = f"Jungfrau::CalibV1/{SOURCE}"
GAIN, OFFSET = "pixel_gain", "pixel_offset"


def day(number: int) -> str:
    return f"2020-01-{number:02d}T00:00:00Z"


def fill(registry: Registry, folder: Path) -> None:
    """Record runs 100 to 140 of two panels; the gain of the first one changes before run 136."""
    for seed, panel in enumerate((PANEL_A, PANEL_B)):
        registry.panels.add(panel)
        registry.versions.add(panel, write_panel_folder(folder / panel, seed), valid_from=day(1))
    registry.versions.add(
        PANEL_A, write_panel_folder(folder / "later", 7), valid_from=day(20), kinds=["gain"]
    )
    registry.detectors.configure("xcs1", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=100)
    for run in (100, 120, 135):
        registry.runs.add(f"exp=xcs1:run={run}", begin=day(10))
    for run in (136, 139, 140):
        registry.runs.add(f"exp=xcs1:run={run}", begin=day(21))


def configure_until(registry: Registry, last_run: int) -> None:
    detector = f"{PANEL_A}_{PANEL_B}"
    registry.detectors.withdraw("xcs1", SOURCE, first_run=100, comment="moved")
    registry.detectors.configure("xcs1", SOURCE, detector, first_run=100, last_run=last_run)


def deploy(registry: Registry, run: int, folder: Path, **options: Any) -> Export:
    return registry.export(f"exp=xcs1:run={run}", folder, format="psana", **options)


def list_ranges(folder: Path, calibration_type: str = GAIN) -> list[str]:
    return sorted(path.stem for path in (folder / HOME / calibration_type).glob("*.data"))


def list_wrong_runs(registry: Registry, folder: Path, experiment: str = "xcs1") -> list[int]:
    """Return the recorded runs for which the model of the reader finds other values than the registry's."""
    wrong = []
    for run in (row.run for row in registry.runs.list(experiment=experiment)):
        for calibration_type in (GAIN, OFFSET):
            place = folder / HOME / calibration_type
            path = find_file_for_run(place, run) if place.exists() else None
            try:
                expected = registry.constants(f"exp={experiment}:run={run}", types=[calibration_type])
            except RegistryError:
                wrong += [run] if path else []
                continue
            if path and not np.array_equal(read_newer(path), expected[calibration_type]):
                wrong.append(run)
            assert path is None or np.array_equal(read_newer(path), read_older(path))
    return sorted(set(wrong))


@pytest.mark.slow
def test_the_default_range_ends_at_the_last_recorded_run_before_the_answer_changes(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    assert deploy(registry, 100, tmp_path / "calib").warnings == ()
    assert list_ranges(tmp_path / "calib") == ["100-135"]
    assert deploy(registry, 140, tmp_path / "calib").warnings == ()
    assert list_ranges(tmp_path / "calib") == ["100-135", "140-end"]
    assert list_wrong_runs(registry, tmp_path / "calib") == []
    assert find_file_for_run(tmp_path / "calib" / HOME / GAIN, 136) is None


@pytest.mark.slow
def test_a_file_that_served_runs_wrongly_before_is_named_with_these_runs(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    calib = tmp_path / "calib"
    # As another registry, or this one at an earlier revision, may have written it.
    deploy(registry, 100, calib, last_run=135)
    for path in (calib / HOME).rglob("100-135*"):
        content = path.read_bytes().replace(b"100-135", b"100-end")
        path.rename(path.with_name(path.name.replace("100-135", "100-end"))).write_bytes(content)
    (warning,) = deploy(registry, 140, calib).warnings
    assert "pixel_gain from 100-end.data for runs 136,139 of xcs1" in warning
    assert list_wrong_runs(registry, calib) == [136, 139]
    assert deploy(registry, 136, calib, last_run=139).warnings == ()
    assert list_wrong_runs(registry, calib) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", ["configuration", "gap", "no start", "later start", "end of the configuration"]
)
def test_whatever_is_known_to_end_the_constants_ends_the_range(
    registry: Registry, tmp_path: Path, change: str
) -> None:
    fill(registry, tmp_path)
    assert deploy(registry, 136, tmp_path / "before", types=[GAIN]).warnings == ()
    assert list_ranges(tmp_path / "before") == ["136-end"]
    if change == "configuration":
        configure_until(registry, 149)
        registry.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=150)
    elif change == "gap":
        registry.versions.gap(PANEL_B, valid_from=day(25), kinds=["gain"], comment="at the maker")
    elif change == "no start":
        registry.runs.add("exp=xcs1:run=141")
    elif change == "later start":
        folder = write_panel_folder(tmp_path / "next", 9)
        registry.versions.add(PANEL_B, folder, valid_from=day(30), kinds=["gain"])
    else:
        configure_until(registry, 140)
    deploy(registry, 136, tmp_path / "after", types=[GAIN])
    assert list_ranges(tmp_path / "after") == ["136-140"]


@pytest.mark.slow
def test_a_start_of_the_same_constants_or_of_another_kind_does_not_end_the_range(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    registry.versions.add(PANEL_B, tmp_path / PANEL_B, valid_from=day(25), kinds=["gain"])
    registry.versions.add(
        PANEL_B, write_panel_folder(tmp_path / "o", 3), valid_from=day(25), kinds=["offset"]
    )
    deploy(registry, 136, tmp_path / "calib", types=[GAIN])
    assert list_ranges(tmp_path / "calib") == ["136-end"]
    deploy(registry, 136, tmp_path / "calib", types=[OFFSET])
    assert list_ranges(tmp_path / "calib", OFFSET) == ["136-140"]


@pytest.mark.slow
def test_records_of_the_same_panels_are_one_configuration_for_files(
    registry: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    detector = f"{PANEL_A}_{PANEL_B}"
    configure_until(registry, 120)
    registry.detectors.configure("xcs1", SOURCE, detector, first_run=121, last_run=137)
    registry.detectors.configure("xcs1", SOURCE, detector, first_run=138)
    calib = tmp_path / "calib"
    for run in (135, 137):  # configured by a later record than run 100
        exported = deploy(registry, 100, tmp_path / str(run), types=[OFFSET], last_run=run)
        assert exported.warnings == ()
        assert verify_export(exported.provenance, location.database, location.store).problems == ()
    assert deploy(registry, 120, tmp_path / "default").warnings == ()
    assert list_ranges(tmp_path / "default") == ["120-135"]
    assert deploy(registry, 139, tmp_path / "last", types=[GAIN], first_run=136).warnings == ()
    assert list_ranges(tmp_path / "last") == ["136-end"]
    registry.deploy("xcs1", calib)
    assert list_ranges(calib) == ["100-135", "136-end"]
    assert list_ranges(calib, OFFSET) == ["100-end"]
    assert list_wrong_runs(registry, calib) == []


@pytest.mark.slow
def test_runs_between_two_records_of_the_same_panels_end_the_range(
    registry: Registry, tmp_path: Path
) -> None:
    """Nothing is configured from run 121 to 129."""
    fill(registry, tmp_path)
    configure_until(registry, 120)
    registry.detectors.configure("xcs1", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=130)
    deploy(registry, 100, tmp_path / "calib")
    assert list_ranges(tmp_path / "calib") == ["100-120"]
    (warning,) = deploy(registry, 100, tmp_path / "stated", last_run=129).warnings
    assert "continue after run 120" in warning


@pytest.mark.slow
def test_the_document_of_a_former_warning_is_verified(
    registry: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    """It warned of a record of the same panels."""
    fill(registry, tmp_path)
    configure_until(registry, 120)
    exported = deploy(registry, 100, tmp_path / "calib", last_run=129)
    assert len(exported.warnings) == 1
    text = Path(exported.provenance).read_text()
    registry.detectors.configure("xcs1", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=121)
    later = deploy(registry, 100, tmp_path / "later", last_run=129)
    assert later.warnings == ()
    document = Path(later.provenance)
    empty = '"warnings": []'
    former = document.read_text().replace(empty, f'"warnings": [{json.dumps(exported.warnings[0])}]')
    assert text.count(exported.warnings[0]) == former.count(exported.warnings[0]) == 1
    document.write_text(former)
    problems = verify_export(document, location.database, location.store).problems
    assert not [problem for problem in problems if "warning" in problem.problem]


@pytest.mark.slow
def test_an_instant_for_a_run_without_a_start_time_is_for_that_run_alone(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    registry.runs.add("exp=xcs1:run=121")
    deploy(registry, 121, tmp_path / "calib", at=day(10))
    deploy(registry, 122, tmp_path / "calib", at=day(10))
    assert list_ranges(tmp_path / "calib") == ["121-121", "122-122"]
    assert day(21) in deploy(registry, 120, tmp_path / "other", at=day(21)).warnings[0]
    assert list_ranges(tmp_path / "other") == ["120-120"]
    deploy(registry, 120, tmp_path / "same", at=day(10))
    assert list_ranges(tmp_path / "same") == ["120-120"]


@pytest.mark.slow
def test_another_instant_never_hides_the_right_constants_of_a_run(
    registry: Registry, calreg: Calreg, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    calib = tmp_path / "calib"
    deploy(registry, 100, calib)
    for options in ({}, {"first_run": 119}, {"last_run": 125}, {"force": True}):
        with assert_refused(ConflictError, "pixel_gain/", "for run 120", runs=[120]):
            deploy(registry, 120, calib, at=day(21), **options)
    text = ("export", "exp=xcs1:run=120", "--format", "psana", "--at", day(21), "--output", str(calib))
    calreg.assert_refused(5, *text)
    assert list_ranges(calib) == ["100-135"]
    assert list_wrong_runs(registry, calib) == []
    # What is the same for both instants hides nothing.
    deploy(registry, 120, calib, at=day(21), types=[OFFSET])
    assert list_ranges(calib, OFFSET) == ["100-135", "120-120"]
    # A file that is wrong already may be replaced: nothing right is lost.
    for path in (calib / HOME / GAIN).glob("100-*"):
        path.unlink()
    for _ in range(2):
        assert day(21) in deploy(registry, 120, calib, at=day(21), force=True).warnings[0]
    assert list_ranges(calib) == ["120-120"]


@pytest.mark.slow
def test_the_run_itself_is_named_first_where_another_instant_makes_its_range_wrong(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    for run, last, wrong in ((120, 135, 120), (136, 140, 136)):
        at = day(21) if run == 120 else day(10)
        with assert_refused(NotValidError, f"run {wrong} would be served wrongly", run=wrong):
            deploy(registry, run, tmp_path / "calib", at=at, last_run=last)
    with assert_refused(NotValidError, "run 100 would be served wrongly", run=100):
        deploy(registry, 120, tmp_path / "calib", at=day(21), first_run=90, last_run=135)
    registry.runs.add("exp=xcs1:run=121")
    with assert_refused(NotValidError, "run 135 would be served wrongly", run=135):
        deploy(registry, 121, tmp_path / "calib", at=day(21), last_run=135)
    assert not (tmp_path / "calib").exists()


@pytest.mark.slow
@pytest.mark.parametrize("format_name", ["psana", "lcls2"])
def test_a_range_that_reaches_into_other_constants_is_refused_with_the_first_wrong_run(
    registry: Registry, tmp_path: Path, format_name: str
) -> None:
    fill(registry, tmp_path)
    refusals: list[tuple[int, dict[str, int], int, str]] = [
        (100, {"last_run": 9999}, 136, f"gain of {PANEL_A}"),
        (100, {"last_run": 136}, 136, f"gain of {PANEL_A}"),
        (136, {"first_run": 1}, 100, f"gain of {PANEL_A}"),
        (140, {"first_run": 120}, 120, f"gain of {PANEL_A}"),
    ]
    for run, options, wrong, why in refusals:
        with assert_refused(NotValidError, f"run {wrong} ", why, run=wrong, experiment="xcs1"):
            registry.export(
                f"exp=xcs1:run={run}",
                tmp_path / "calib",
                format=format_name,
                **name_detector(format_name),
                **options,
            )  # type: ignore[arg-type]
    assert not (tmp_path / "calib").exists()


@pytest.mark.slow
def test_a_range_that_reaches_into_another_configuration_is_refused_though_no_run_is_recorded_there(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    configure_until(registry, 149)
    registry.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=150, last_run=160)
    with assert_refused(NotValidError, "run 150 ", run=150):
        deploy(registry, 140, tmp_path / "calib", last_run=155)
    assert deploy(registry, 140, tmp_path / "calib", last_run=149).warnings == ()
    registry.runs.add("exp=xcs1:run=155", begin=day(22))
    with assert_refused(NotValidError, "other panels", run=150):
        deploy(registry, 140, tmp_path / "calib", last_run=155)


@pytest.mark.slow
def test_a_range_that_reaches_into_other_segment_numbers_is_refused_where_they_matter(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    configure_until(registry, 149)
    registry.detectors.configure("xcs1", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=150, segments=[1, 3])
    with assert_refused(NotValidError, "other segment numbers", run=150):
        registry.export(
            "exp=xcs1:run=140", tmp_path / "1", format="lcls2", **name_detector("lcls2"), last_run=155
        )
    # A calibration directory is read by position.
    assert deploy(registry, 140, tmp_path / "calib", last_run=155).warnings == ()


@pytest.mark.slow
def test_a_run_without_a_start_time_in_a_range_is_warned_about(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    for run in (121, 122):
        registry.runs.add(f"exp=xcs1:run={run}")
    (warning,) = deploy(registry, 100, tmp_path / "calib", last_run=135).warnings
    assert "2 runs " in warning
    assert "121-122" in warning
    deploy(registry, 100, tmp_path / "default")
    assert list_ranges(tmp_path / "default") == ["100-120"]


@pytest.mark.slow
def test_files_of_another_experiment_or_of_a_detector_id_never_hide_right_ones(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    calib = tmp_path / "calib"
    deploy(registry, 100, calib)
    deploy(registry, 136, calib)
    registry.detectors.configure("xcs2", SOURCE, f"{PANEL_B}_{PANEL_A}", first_run=1)
    registry.runs.add("exp=xcs2:run=130", begin=day(10))
    with assert_refused(ConflictError, "130-135.data for run 135", "xcs1", runs=[135]) as caught:
        registry.export("exp=xcs2:run=130", calib, format="psana", first_run=130, last_run=135)
    assert caught.value.code == 5
    wrong: dict[str, Any] = {"at": day(10), "source": SOURCE, "format": "psana"}
    with assert_refused(ConflictError, "136-139.data for runs 136,139", "xcs1", runs=[136, 139]):
        registry.export(f"{PANEL_A}_{PANEL_B}", calib, first_run=136, last_run=139, **wrong)
    assert list_ranges(calib) == ["100-135", "136-end"]
    assert list_wrong_runs(registry, calib) == []
    registry.export(f"{PANEL_A}_{PANEL_B}", calib, first_run=101, last_run=120, **wrong)
    assert list_wrong_runs(registry, calib) == []


@pytest.mark.slow
def test_the_command_line_says_which_run_would_be_served_wrongly(
    calreg: Calreg, registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    calib = tmp_path / "calib"
    command = ("export", "exp=xcs1:run=100", "--format", "psana", "--output", str(calib))
    refusal = calreg.assert_refused(4, *command, "--last-run", "140")
    assert (refusal["run"], refusal["good_runs"]) == (136, [[100, 100], [120, 120], [135, 135]])
    assert not calib.exists()
    done = calreg.run(*command, "--json")
    assert [Path(output["path"]).name for output in done.json["outputs"]] == ["100-135.data"] * 2
    assert [(row["first_run"], row["last_run"]) for row in read_exports(registry)] == [(100, 135)]


def read_exports(registry: Registry) -> list[dict[str, Any]]:
    import sqlalchemy as sa

    from registry import schema

    with registry._backend.read_transaction() as view:
        return [dict(row) for row in view.connection.execute(sa.select(schema.export)).mappings()]


@pytest.mark.slow
def test_an_unknown_run_stays_not_found(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    with assert_refused(NotFoundError):
        deploy(registry, 99, tmp_path / "calib")


@pytest.mark.slow
def test_a_later_write_names_the_deployed_file_and_the_runs_that_it_serves_wrongly(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    calib = tmp_path / "calib"
    deploy(registry, 100, calib)
    deploy(registry, 136, calib)
    folder = write_panel_folder(tmp_path / "better", 11)

    def add(**options: Any) -> list[str]:
        outcome = registry.versions.add(
            PANEL_B, folder, valid_from=day(15), kinds=["gain"], comment="better", **options
        )
        return [warning for warning in outcome.warnings if "deployed file" in warning]

    expected = [str(calib / HOME / GAIN / "136-end.data"), "for runs 136,139-140 of xcs1"]
    for options in ({"dry_run": True}, {}):
        (warning,) = add(**options)
        assert "1 deployed file " in warning
        assert all(text in warning for text in expected)
    assert find_wrong(registry) == [("136-end.data", GAIN, (136, 139, 140))]
    assert list_wrong_runs(registry, calib) == [136, 139, 140]
    deploy(registry, 136, calib, force=True)
    assert find_wrong(registry) == []
    registry.runs.add("exp=xcs1:run=110", begin=day(16))
    assert find_wrong(registry) == [("100-135.data", kind, (110,)) for kind in (GAIN,)]


def find_wrong(registry: Registry) -> list[tuple[str, str, tuple[int, ...]]]:
    from registry.lookup.deployed_files import list_wrong_files

    with registry._backend.read_transaction() as view:
        wrong = list_wrong_files(view.connection, ("xcs1", SOURCE), view.revision)
    return [(Path(file.path).name, file.type, file.runs) for file in wrong]


CORRECTIONS: dict[str, tuple[int, ...]] = {
    "a run that started later": (120,),
    "another panel": (136, 139, 140),
    "a new run": (137,),
    "a gap": (136, 139, 140),
    "a withdrawn version": (136, 139, 140),
}


@pytest.mark.slow
@pytest.mark.parametrize("correction", CORRECTIONS)
def test_whatever_is_corrected_the_deployed_file_is_named(
    registry: Registry, tmp_path: Path, correction: str
) -> None:
    fill(registry, tmp_path)
    for run in (100, 136):
        deploy(registry, run, tmp_path / "calib", types=[GAIN])
    if correction == "a run that started later":
        outcome = registry.runs.add(
            "exp=xcs1:run=120", begin=day(22), supersede=True, comment="the clock was wrong"
        )
    elif correction == "another panel":
        outcome = registry.detectors.configure(
            "xcs1", SOURCE, PANEL_B, first_run=136, supersede=True, comment="swapped"
        )
    elif correction == "a new run":
        outcome = registry.runs.add("exp=xcs1:run=137", begin=day(10))
    elif correction == "a gap":
        outcome = registry.versions.gap(PANEL_B, valid_from=day(21), comment="at the maker")
    else:
        (version,) = [row for row in registry.versions.list() if row.valid_from.iso == day(20)]
        outcome = registry.versions.withdraw(version.version, comment="wrong")
    runs = CORRECTIONS[correction]
    (warning,) = [text for text in outcome.warnings if "deployed file" in text]
    assert ("100-135.data" if runs == (120,) else "136-end.data") in warning
    assert [file[2] for file in find_wrong(registry)] == [runs]


@pytest.mark.slow
def test_a_correction_that_concerns_no_deployed_run_names_no_file(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    deploy(registry, 100, tmp_path / "calib")
    folder = write_panel_folder(tmp_path / "other", 11)
    added = registry.versions.add(PANEL_B, folder, valid_from=day(15), comment="after run 135")
    assert [text for text in added.warnings if "deployed file" in text] == []
    assert [text for text in registry.runs.add("exp=xcs1:run=110").warnings if "deployed" in text] == []


@pytest.mark.slow
def test_of_the_newer_system_the_arrays_with_the_highest_first_run_are_read(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    registry.export("exp=xcs1:run=100", tmp_path / "1", format="lcls2", **name_detector("lcls2"))
    registry.export("exp=xcs1:run=136", tmp_path / "2", format="lcls2", **name_detector("lcls2"))
    assert find_wrong(registry) == []
    folder = write_panel_folder(tmp_path / "better", 11)
    registry.versions.add(PANEL_B, folder, valid_from=day(15), kinds=["gain"], comment="better")
    name = f"{SHORT_NAME}-20200121000000-xcs1-r0136-{GAIN}.txt"
    assert find_wrong(registry) == [(name, GAIN, (136, 139, 140))]
    newer = {"format": "lcls2", **name_detector("lcls2")}
    registry.export("exp=xcs1:run=136", tmp_path / "3", **newer, first_run=139)
    assert find_wrong(registry) == [(name, GAIN, (136,))]
    registry.export("exp=xcs1:run=136", tmp_path / "4", **newer)
    assert find_wrong(registry) == []
    registry.versions.add(
        PANEL_B, write_panel_folder(tmp_path / "best", 12), valid_from=day(16), kinds=["gain"], comment="best"
    )
    registry.export("exp=xcs1:run=136", tmp_path / "5", **newer)
    # The files for runs 139 on have a higher first run, though these are newer.
    assert find_wrong(registry) == [(name.replace("r0136", "r0139"), GAIN, (139, 140))]


@pytest.mark.slow
def test_arrays_of_the_newer_system_are_wrong_under_other_segment_numbers(
    registry: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    deploy(registry, 136, tmp_path / "calib")
    exported = registry.export("exp=xcs1:run=136", tmp_path / "1", format="lcls2", **name_detector("lcls2"))
    changed = registry.detectors.configure(
        "xcs1",
        SOURCE,
        f"{PANEL_A}_{PANEL_B}",
        first_run=139,
        segments=[1, 3],
        supersede=True,
        comment="two modules were taken out",
    )
    # A calibration directory is read by position.
    assert find_wrong(registry) == [
        (f"{SHORT_NAME}-20200121000000-xcs1-r0136-{name}.txt", name, (139, 140)) for name in (GAIN, OFFSET)
    ]
    assert any("2 deployed files would be read wrongly from now on" in text for text in changed.warnings)
    verified = verify_export(exported.provenance, location.database, location.store)
    assert len(verified.serves_wrongly) == 2
    registry.export("exp=xcs1:run=139", tmp_path / "2", format="lcls2", **name_detector("lcls2"))
    assert find_wrong(registry) == []


@pytest.mark.slow
def test_a_file_that_was_wrong_before_a_write_is_named_apart(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    deploy(registry, 100, tmp_path / "calib")
    for seed, kind, consequence in (
        (11, "gain", "1 deployed file would be read wrongly from now on"),
        (12, "gain", "1 deployed file would still be read wrongly"),
    ):
        folder = write_panel_folder(tmp_path / str(seed), seed)
        added = registry.versions.add(
            PANEL_B, folder, valid_from=day(5), kinds=[kind], supersede=True, comment="measured again"
        )
        (warning,) = [text for text in added.warnings if "deployed file" in text]
        assert warning.startswith(f"{consequence}: ")
        assert warning.endswith("100-135.data for runs 100,120,135 of xcs1")


@pytest.mark.slow
def test_the_verification_of_a_document_names_the_runs_that_its_files_serve_wrongly(
    calreg: Calreg, registry: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    done = deploy(registry, 136, tmp_path / "calib")
    arrays = registry.export("exp=xcs1:run=136", tmp_path / "lcls2", format="lcls2", **name_detector("lcls2"))

    def verify(export: Export) -> Verification:
        return verify_export(export.provenance, location.database, location.store)

    assert verify(done).notes == verify(arrays).notes == ()
    folder = write_panel_folder(tmp_path / "better", 11)
    registry.versions.add(PANEL_B, folder, valid_from=day(15), kinds=["gain"], comment="better")
    for export in (done, arrays):
        checked = verify(export)
        assert checked.problems == ()
        (row,) = checked.serves_wrongly
        assert (row.type, row.runs, row.verdict) == (GAIN, ((136, 136), (139, 140)), "wrong")
        (note,) = checked.notes
        assert note.startswith("serves wrongly: ")
        assert "for runs 136,139-140 of xcs1" in note
    answer = calreg.run("provenance", "verify", done.provenance, "--json")
    assert answer.json["serves_wrongly"][0]["runs"] == [[136, 136], [139, 140]]
    assert "note: serves wrongly" in answer.stderr
    # Another file is read for these runs from now on: the old one serves nobody.
    deploy(registry, 136, tmp_path / "calib", last_run=150)
    assert verify(done).serves_wrongly == ()


@pytest.mark.slow
def test_an_export_as_of_an_earlier_revision_names_the_runs_that_it_serves_wrongly(
    registry: Registry, tmp_path: Path
) -> None:
    fill(registry, tmp_path)
    before = registry.log()[0].revision
    folder = write_panel_folder(tmp_path / "better", 11)
    registry.versions.add(PANEL_B, folder, valid_from=day(15), kinds=["gain"], comment="better")
    (warning,) = deploy(registry, 136, tmp_path / "calib", as_of=before).warnings
    assert warning.startswith("serves wrongly")
    assert "136-end.data is read for runs 136,139-140" in warning
    assert deploy(registry, 100, tmp_path / "calib", as_of=before).warnings == ()


@pytest.mark.slow
def test_a_renamed_file_is_known_by_its_checksum(registry: Registry, tmp_path: Path) -> None:
    fill(registry, tmp_path)
    place = tmp_path / "calib" / HOME / GAIN
    deploy(registry, 100, tmp_path / "calib")
    (place / "100-135.data").rename(place / "100-end.data")
    for document in place.parent.glob("*.json"):
        document.unlink()
    (warning,) = deploy(registry, 140, tmp_path / "calib", types=[GAIN]).warnings
    assert "100-end.data for runs 136,139 of xcs1" in warning
    assert "does not hold" in warning
