"""Recorded exports, and which of them would be made from something else now."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.api import Registry
from registry.errors import NotFoundError, RequestError
from registry.records import Outcome
from testing.panels import NEW_A, PANEL_A, PANEL_B, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

SOURCE = "XcsEndstation.0:Jungfrau.0"
EARLY, MIDDLE, LATE = "2018-01-01T00:00:00Z", "2018-06-01T00:00:00Z", "2019-01-01T00:00:00Z"
CORRECT = {"supersede": True, "comment": "corrected"}


@pytest.fixture
def filled(registry: Registry, tmp_path: Path) -> Registry:
    """Two panels, a run of one of them, and an export of each sort."""
    for seed, panel in enumerate((PANEL_A, PANEL_B), start=1):
        registry.panels.add(panel)
        registry.versions.add(panel, write_panel_folder(tmp_path / str(seed), seed), valid_from=EARLY)
    registry.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1)
    registry.runs.add("exp=xcs1:run=1", begin=MIDDLE)
    registry.export("exp=xcs1:run=1", tmp_path / "run")
    registry.export(PANEL_B, tmp_path / "panel", at=MIDDLE, types=["pixel_gain"])
    registry.export("exp=xcs1:run=1", tmp_path / "at", at=LATE, types=["pixel_offset"])
    return registry


def list_stale(registry: Registry) -> list[tuple[int, str | None]]:
    return [(export.export, export.stale) for export in registry.exports.list(stale=True)]


@pytest.mark.on_both_databases
@pytest.mark.slow
def test_exports_are_listed_with_what_they_wrote_the_newest_first(filled: Registry, tmp_path: Path) -> None:
    exports = filled.exports.list()
    assert [(row.export, row.target, row.stale) for row in exports] == [
        (3, "exp=xcs1:run=1", None),
        (2, PANEL_B, None),
        (1, "exp=xcs1:run=1", None),
    ]
    assert [(row.experiment, row.run, row.source) for row in exports[:2]] == [
        ("xcs1", 1, SOURCE),
        (None, None, None),
    ]
    assert [output.type for output in exports[2].outputs] == ["pixel_gain", "pixel_offset"]
    assert exports[1].provenance == str(tmp_path / "panel" / "provenance.json")
    assert exports[0].revision == filled.log()[0].revision
    assert filled.exports.list(stale=True) == []
    assert [row.export for row in filled.exports.list(experiment="xcs1")] == [3, 1]
    assert [row.export for row in filled.exports.list(limit=1)] == [3]
    assert [row.export for row in filled.exports.list(before=3, limit=1)] == [2]
    assert [row.export for row in filled.exports.list(as_of=1)] == []


@pytest.mark.on_both_databases
@pytest.mark.slow
def test_an_export_is_stale_as_long_as_the_same_request_would_be_made_from_something_else(
    filled: Registry, tmp_path: Path
) -> None:
    other = write_panel_folder(tmp_path / "other", seed=9)
    added = filled.versions.add(PANEL_A, other, valid_from=MIDDLE, kinds=["offset"])
    assert list_stale(filled) == [(3, "other constants are valid"), (1, "other constants are valid")]
    assert [row.export for row in filled.exports.list(stale=True, as_of=added.revision - 1)] == []
    filled.versions.withdraw(added.versions[0].version, comment="of another panel")
    assert list_stale(filled) == []
    filled.versions.gap(PANEL_B, valid_from=EARLY, kinds=["gain"], **CORRECT)
    refused = f"would be refused: it starts in a gap: gain of {PANEL_B}"
    assert list_stale(filled) == [(2, refused)]
    assert [row.is_refused for row in filled.exports.list()] == [False, True, False]


@pytest.mark.slow
def test_runs_and_configurations_make_exports_stale_and_every_write_says_so(
    filled: Registry, tmp_path: Path
) -> None:
    def describe(numbers: str, consequence: str) -> str:
        count = len(numbers.split(","))
        return f"{count} recorded export{'s' if count > 1 else ''} {consequence}: {numbers}"

    remade, refused = "would be made from other constants now", "would be refused now"
    done = filled.detectors.configure("xcs1", SOURCE, PANEL_B, first_run=1, **CORRECT)
    assert describe("export 1, export 3", remade) in done.warnings
    assert list_stale(filled) == [(3, "it has other panels"), (1, "it has other panels")]
    done = filled.detectors.withdraw("xcs1", SOURCE, first_run=1, comment="nothing was mounted")
    assert describe("export 1, export 3", refused) in done.warnings
    assert [(row.export, row.consequence) for row in done.affected_exports] == [(1, refused), (3, refused)]
    filled.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1, **CORRECT)
    assert list_stale(filled) == []
    # An export of an instant that was asked for does not depend on the start time of the run.
    moved = filled.runs.add("exp=xcs1:run=1", begin="2017-01-01T00:00:00Z", **CORRECT)
    assert describe("export 1", refused) in moved.warnings
    assert [number for number, _ in list_stale(filled)] == [1]
    assert "its start time moved from 2018-06-01T00:00:00Z to 2017-01-01T00:00:00Z" in str(list_stale(filled))
    other = write_panel_folder(tmp_path / "other", seed=9)
    filled.versions.add(PANEL_A, other, valid_from=LATE)
    dry = filled.runs.withdraw("exp=xcs1:run=1", comment="never taken", dry_run=True)
    assert dry.affected_exports == ()  # export 1 is refused already
    filled.runs.withdraw("exp=xcs1:run=1", comment="never taken")
    assert list_stale(filled) == [
        (3, "other constants are valid"),
        (1, "would be refused: the run was withdrawn"),
    ]
    again = filled.runs.add("exp=xcs1:run=1", begin=LATE, **CORRECT)
    assert again.warnings == (describe("export 1", remade),)
    assert [row.is_refused for row in filled.exports.list(stale=True)] == [False, False]


@pytest.mark.slow
def test_a_write_names_the_exports_that_are_good_again(
    filled: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    again = "would be made from the same constants again"

    def list_named(done: Outcome) -> list[tuple[int, str]]:
        return [(row.export, row.consequence) for row in done.affected_exports]

    other = write_panel_folder(tmp_path / "other", seed=9)
    added = filled.versions.add(PANEL_A, other, valid_from=MIDDLE, kinds=["offset"])
    dry = filled.versions.withdraw(added.versions[0].version, comment="of another panel", dry_run=True)
    done = filled.versions.withdraw(added.versions[0].version, comment="of another panel")
    assert list_named(done) == list_named(dry) == [(1, again), (3, again)]
    assert f"2 recorded exports {again}: export 1, export 3" in done.notes
    # By a statement of what an export was made from, and of a detector Id.
    gap = filled.versions.gap(PANEL_B, valid_from=EARLY, kinds=["gain"], **CORRECT)
    assert list_named(gap) == [(2, "would be refused now")]
    done = filled.versions.add(PANEL_B, tmp_path / "2", valid_from=EARLY, kinds=["gain"], **CORRECT)
    assert list_named(done) == [(2, again)]
    # Of a run by its time, and by its detector.
    filled.runs.withdraw("exp=xcs1:run=1", comment="never taken")
    assert list_named(filled.runs.add("exp=xcs1:run=1", begin=MIDDLE, **CORRECT)) == [(1, again)]
    filled.detectors.configure("xcs1", SOURCE, PANEL_B, first_run=1, **CORRECT)
    done = filled.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1, **CORRECT)
    assert list_named(done) == [(1, again), (3, again)]
    assert list_stale(filled) == []
    filled.runs.withdraw("exp=xcs1:run=1", comment="never taken")
    shown = Calreg(location, pytest.MonkeyPatch()).run(
        "run", "add", "exp=xcs1:run=1", "--begin", MIDDLE, "--supersede", "--comment", "it was"
    )
    assert f"note: 1 recorded export {again}: export 1\n" in shown.stderr


@pytest.mark.slow
@pytest.mark.parametrize("panel", [PANEL_A, PANEL_B])
def test_a_write_names_the_exports_that_were_refused_and_would_be_made_from_other_constants(
    filled: Registry, tmp_path: Path, panel: str
) -> None:
    other = write_panel_folder(tmp_path / "other", seed=9)
    expected = {1, 3} if panel == PANEL_A else {2}
    for start in (EARLY, MIDDLE):  # in the place of the version that was used, and after it
        filled.versions.gap(panel, valid_from=start, **(CORRECT if start == EARLY else {"comment": "away"}))
        assert {row.export for row in filled.exports.list(stale=True) if row.is_refused} == expected
        done = filled.versions.add(panel, other, valid_from=start, **CORRECT)
        named = {(row.export, row.consequence) for row in done.affected_exports}
        assert named == {(number, "would be made from other constants now") for number in expected}
        live = filled.versions.list(panel)
        filled.versions.withdraw(
            *(row.version for row in live if str(row.valid_from) == start), comment="once more"
        )
        if start == EARLY:
            filled.versions.add(
                panel, tmp_path / ("1" if panel == PANEL_A else "2"), valid_from=EARLY, **CORRECT
            )
        assert list_stale(filled) == []


@pytest.mark.slow
def test_other_segment_numbers_make_an_export_stale(filled: Registry) -> None:
    done = filled.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1, segments="4", **CORRECT)
    words = "from the same constants with other panel Ids or segment numbers now"
    assert f"2 recorded exports would be made {words}: export 1, export 3" in done.warnings
    runs = "would get the same constants with other segment numbers from now on"
    assert f"1 recorded run {runs}: exp=xcs1:run=1" in done.warnings
    stale = "its panels have other segment numbers"
    assert list_stale(filled) == [(3, stale), (1, stale)]


@pytest.mark.slow
def test_other_panel_ids_with_the_same_constants_are_not_said_to_be_other_constants(
    filled: Registry, tmp_path: Path
) -> None:
    filled.panels.add(NEW_A, carry_from=PANEL_A, valid_from=EARLY)
    done = filled.detectors.configure("xcs1", SOURCE, NEW_A, first_run=1, **CORRECT)
    assert "1 recorded run would get the same constants with other panel Ids from now on: exp=xcs1:run=1" in (
        done.warnings
    )
    assert not [text for text in done.warnings if "other constants" in text]
    stale = "it has other panel Ids with the same constants"
    assert list_stale(filled) == [(3, stale), (1, stale)]
    # One kind is the same, the other is not.
    other = write_panel_folder(tmp_path / "other", seed=9)
    filled.versions.add(NEW_A, other, valid_from=EARLY, kinds=["gain"], **CORRECT)
    filled.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1, **CORRECT)
    done = filled.detectors.configure("xcs1", SOURCE, NEW_A, first_run=1, **CORRECT)
    assert [text for text in done.warnings if "recorded run " in text] == [
        "1 recorded run would get other constants from now on (gain): exp=xcs1:run=1",
        "1 recorded run would get the same constants with other panel Ids from now on (offset): exp=xcs1:run=1",
    ]
    assert "1 recorded export would be made from other constants now: export 1" in done.warnings


@pytest.mark.slow
def test_the_list_of_exports_is_printed_and_refused_as_others(
    filled: Registry, location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(location, monkeypatch)
    filled.versions.gap(PANEL_B, valid_from=EARLY, kinds=["gain"], **CORRECT)
    answer = calreg.run("exports", "--stale", "--json").json
    assert [(row["export"], row["is_refused"], row["first_run"]) for row in answer] == [(2, True, None)]
    text = calreg.run("exports", "--limit", "2")
    lines = text.stdout.splitlines()
    assert lines[0].startswith("export 3  ")
    assert lines[1] == f"  exp=xcs1:run=1  {SOURCE}  at {LATE}"
    assert f"  stale: would be refused: it starts in a gap: gain of {PANEL_B}" in lines
    assert text.stderr == "note: there are more; --before 2 lists the next ones\n"
    calreg.assert_refused(2, "exports", "--limit", "0")
    calreg.assert_refused(3, "exports", "--experiment", "xcs2")
    calreg.assert_refused(3, "exports", "--as-of", "999")
    with assert_refused(RequestError):
        filled.exports.list(limit=0)
    with assert_refused(NotFoundError, experiment="xcs2"):
        filled.exports.list(experiment="xcs2")


@pytest.mark.on_both_databases
@pytest.mark.slow
def test_every_page_of_exports_is_listed_once(filled: Registry, tmp_path: Path) -> None:
    for number in range(3):
        filled.export(PANEL_B, tmp_path / f"again {number}", at=MIDDLE, types=["pixel_gain"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("registry.api.recorded_exports._PAGE_SIZE", 2)
        assert [row.export for row in filled.exports.iterate()] == [6, 5, 4, 3, 2, 1]
        assert [row.export for row in filled.exports.iterate(experiment="xcs1")] == [3, 1]
        assert [row.export for row in filled.exports.list(limit=3)] == [6, 5, 4]
