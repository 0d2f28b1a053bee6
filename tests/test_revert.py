"""A revision is undone by another one: completely, with everything that was recorded, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry import schema
from registry.api import Registry, create_registry
from registry.errors import ConflictError, NotFoundError, RequestError
from registry.lookup.fact_lines import FACT_TABLES
from registry.lookup.revision_facts import list_place_columns
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C, SOURCE, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.copies import read_rows
from tests.refusals import assert_refused
from tests.test_statements import record_statements

pytestmark = [pytest.mark.small_panels, pytest.mark.sqlite_suffices]

T1, T2, T3 = (f"201{year}-01-01T00:00:00Z" for year in (7, 8, 9))
RUN = "exp=xcsls3716:run=631"
OWN_COLUMNS = {"id", "recorded_in", "withdrawn_in", "latest_start"}


@pytest.fixture
def filled(registry: Registry, tmp_path: Path) -> Registry:
    """Two modules (revisions 1 and 2) with the gain and offset of M068 from T1 on (revision 3)."""
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(PANEL_B, alias="M088")
    add(registry, tmp_path, T1, seed=1)
    return registry


def add(registry: Registry, folder: Path, start: str, *, seed: int, panel: str = "M068", **options) -> int:
    """Register a folder's gain and offset; return the revision."""
    source = write_panel_folder(folder / f"maps-{seed}", seed)
    return registry.versions.add(panel, source, valid_from=start, **options).revision


def list_live(registry: Registry, as_of: int | None = None) -> list[tuple]:
    """Return everything that is live, without the numbers of rows and revisions."""
    versions = [
        (row.panel, row.kind, row.valid_from, row.valid_to, row.constants, row.comment)
        for row in registry.versions.list(as_of=as_of)
    ]
    aliases = [
        (row.alias, row.panel, row.valid_from, row.same_module) for row in registry.aliases.list(as_of=as_of)
    ]
    runs = [(row.experiment, row.run, row.begin, row.end) for row in registry.runs.list(as_of=as_of)]
    detectors = [
        (row.experiment, row.source, row.first_run, row.last_run, row.panels, row.segments)
        for row in registry.detectors.list(as_of=as_of)
    ]
    return [versions, aliases, runs, detectors]


@pytest.mark.on_both_databases
def test_what_was_recorded_is_withdrawn_and_what_answers_now_is_said(
    filled: Registry, tmp_path: Path
) -> None:
    before = list_live(filled)
    added = add(filled, tmp_path, T2, seed=2)
    outcome = filled.revert(added, comment="the wrong folder")
    assert outcome.revision == added + 1
    assert [version.version for version in outcome.withdrawn] == [3, 4]
    assert outcome.versions == ()
    assert any("from 2018-01-01T00:00:00Z on, the valid one is version 1" in note for note in outcome.notes)
    assert list_live(filled) == before
    assert filled.log(limit=1)[0].comment == "the wrong folder"


@pytest.mark.on_both_databases
def test_what_was_withdrawn_is_stated_again_with_everything_that_was_recorded_with_it(
    filled: Registry, location: RegistryLocation, tmp_path: Path
) -> None:
    filled.panels.add(PANEL_C, alias="M044")
    gain = tmp_path / "maps-1"
    options = {"valid_from": T1, "same_as": ["M068"], "allow_nonfinite": True, "allow_odd": True}
    filled.versions.add("M044", gain, comment="the same files, meant", **options)
    before = read_versions(location)
    withdrawn = filled.versions.withdraw(3, 4, comment="all wrong").revision
    outcome = filled.revert(withdrawn, comment="it was right")
    assert [(row.version, row.same_as, row.comment) for row in outcome.versions] == [
        (5, "M068", "the same files, meant"),
        (6, "M068", "the same files, meant"),
    ]
    assert all(row.nonfinite_allowed and row.source_path for row in outcome.versions)
    rows = read_versions(location)
    assert [without_history(row) for row in rows[4:]] == [without_history(row) for row in before[2:]]


def read_versions(location: RegistryLocation) -> list[dict[str, object]]:
    return sorted(read_rows(location.database)["version"], key=lambda row: row["id"])


def without_history(row: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if name not in OWN_COLUMNS}


@pytest.mark.on_both_databases
def test_a_supersession_is_undone_and_the_undoing_too(filled: Registry, tmp_path: Path) -> None:
    first = list_live(filled)
    superseded = add(filled, tmp_path, T1, seed=2, supersede=True, comment="measured again")
    second = list_live(filled)
    undone = filled.revert(superseded, comment="worse than before").revision
    assert list_live(filled) == first
    again = filled.revert(undone, comment="better after all").revision
    assert list_live(filled) == second
    filled.revert(again, comment="no")
    assert list_live(filled) == first
    assert list_live(filled, superseded) == second  # and nothing recorded has changed


def test_a_dry_run_says_the_same_and_records_nothing(filled: Registry, tmp_path: Path) -> None:
    added = add(filled, tmp_path, T2, seed=2)
    state = filled.log(), filled.versions.list(withdrawn=True)
    dry = filled.revert(added, comment="the wrong folder", dry_run=True)
    assert (dry.revision, dry.dry_run) == (None, True)
    assert (filled.log(), filled.versions.list(withdrawn=True)) == state
    real = filled.revert(added, comment="the wrong folder")
    assert (dry.facts, dry.notes, dry.warnings) == (real.facts, real.notes, real.warnings)


def test_a_revision_is_undone_once(filled: Registry, tmp_path: Path) -> None:
    added = add(filled, tmp_path, T2, seed=2)
    undone_in = filled.revert(added, comment="the wrong folder").revision
    with assert_refused(ConflictError, added, undone_in, problems=1, undone_in=undone_in):
        filled.revert(added, comment="the wrong folder")
    superseded = add(filled, tmp_path, T1, seed=3, supersede=True, comment="measured again")
    undone_in = filled.revert(superseded, comment="no").revision
    with assert_refused(ConflictError, superseded, undone_in, problems=1, undone_in=undone_in):
        filled.revert(superseded, comment="no")


@pytest.mark.on_both_databases
def test_what_later_revisions_withdrew_or_stated_is_listed_and_nothing_is_changed(
    filled: Registry, tmp_path: Path
) -> None:
    added = add(filled, tmp_path, T2, seed=2)  # versions 3 and 4
    withdrawn = filled.versions.withdraw(3, comment="a cold module").revision
    other = add(filled, tmp_path, T2, seed=3, kinds=["gain"])  # version 5 at the place of 3
    state = filled.log(), filled.versions.list(withdrawn=True)
    with assert_refused(
        ConflictError, "version 3", f"revision {withdrawn}", "version 5", f"revision {other}", problems=2
    ):
        filled.revert(added, comment="the wrong folder")
    assert (filled.log(), filled.versions.list(withdrawn=True)) == state


def test_another_version_where_one_was_withdrawn_is_not_trampled(filled: Registry, tmp_path: Path) -> None:
    withdrawn = filled.versions.withdraw(1, 2, comment="a cold module").revision
    other = add(filled, tmp_path, T1, seed=2, kinds=["gain"])
    with assert_refused(ConflictError, "version 3", f"revision {other}", problems=1):
        filled.revert(withdrawn, comment="it was right")
    filled.revert(other, comment="neither")
    filled.revert(withdrawn, comment="it was right")
    assert [row.kind for row in filled.versions.list("M068")] == ["gain", "offset"]


def test_what_was_stated_again_and_withdrawn_once_more_does_not_come_back(
    filled: Registry, tmp_path: Path
) -> None:
    withdrawn = filled.versions.withdraw(1, 2, comment="a cold module").revision
    restored = add(filled, tmp_path, T1, seed=1, supersede=True, comment="not so cold")
    final = filled.versions.withdraw(3, 4, comment="cold enough").revision
    with assert_refused(ConflictError, "version 3", "version 4", f"revision {restored}", f"revision {final}"):
        filled.revert(withdrawn, comment="it was right")


def test_files_that_are_another_modules_since_do_not_come_back(filled: Registry, tmp_path: Path) -> None:
    withdrawn = filled.versions.withdraw(1, 2, comment="these are the maps of M088").revision
    filled.versions.add("M088", tmp_path / "maps-1", valid_from=T1)
    with assert_refused(ConflictError, "version 1", "version 2", "M088", "version 3", problems=2):
        filled.revert(withdrawn, comment="it was right")
    filled.versions.withdraw(3, 4, comment="no, of M068")
    assert len(filled.revert(withdrawn, comment="it was right").versions) == 2


def test_a_gap_at_another_start_does_not_stand_in_the_way(filled: Registry, tmp_path: Path) -> None:
    added = add(filled, tmp_path, T2, seed=2)
    filled.versions.gap("M068", valid_from=T3, comment="at the maker")
    outcome = filled.revert(added, comment="the wrong folder")
    assert any("until 2019-01-01T00:00:00Z, the valid one is version 1" in note for note in outcome.notes)


def test_runs_get_their_times_back(filled: Registry) -> None:
    filled.runs.add(RUN, begin=T1)
    changed = filled.runs.add(RUN, begin=T2, supersede=True, comment="the clock was wrong").revision
    outcome = filled.revert(changed, comment="it was not")
    assert str(filled.runs.show(RUN).begin) == T1
    (run,) = outcome.superseded_runs
    assert (run.run, str(run.begin), str(run.previous_begin)) == (631, T1, T2)
    withdrawn = filled.runs.withdraw(RUN, comment="a test").revision
    filled.revert(withdrawn, comment="not a test")
    assert str(filled.runs.show(RUN).begin) == T1
    later = filled.runs.add(RUN, begin=T3, supersede=True, comment="the third clock").revision
    with assert_refused(ConflictError, RUN, f"revision {later}"):
        filled.revert(withdrawn, comment="not a test")


@pytest.mark.on_both_databases
def test_a_superseded_configuration_comes_back_whole_with_its_segments(filled: Registry) -> None:
    filled.detectors.configure(
        "xcsls3716", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=1, segments=(3, 5), comment="of eight"
    )
    before = list_live(filled)
    changed = filled.detectors.configure(
        "xcsls3716", SOURCE, PANEL_B, first_run=100, last_run=200, supersede=True, comment="one was out"
    ).revision
    assert len(filled.detectors.list()) == 3
    undone = filled.revert(changed, comment="it was not").revision
    assert list_live(filled) == before
    filled.detectors.withdraw("xcsls3716", SOURCE, first_run=1, comment="another detector")
    filled.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=150)
    with assert_refused(ConflictError, "150", problems=2):  # one is withdrawn, one overlaps
        filled.revert(undone, comment="once more")


def test_panels_stay_and_are_named(registry: Registry) -> None:
    added = registry.panels.add(PANEL_A, alias="M068").revision
    outcome = registry.revert(added, comment="a typing error")
    assert any(PANEL_A in note and "never removed" in note for note in outcome.notes)
    assert any("M068 stands for no panel" in note for note in outcome.notes)
    assert [panel.panel for panel in registry.panels.list()] == [PANEL_A]
    assert registry.aliases.list() == []


def test_an_m_number_that_somebody_else_bears_now_does_not_come_back(filled: Registry) -> None:
    withdrawn = filled.aliases.withdraw("M068", PANEL_A, comment="another module").revision
    filled.aliases.add("M067", PANEL_A)
    with assert_refused(ConflictError, PANEL_A, "M067"):
        filled.revert(withdrawn, comment="it was that module")
    filled.panels.add(NEW_A, alias="M067")
    later = filled.aliases.withdraw("M067", PANEL_A, comment="no").revision
    with assert_refused(ConflictError, "M068", NEW_A, "M067"):  # the serial number is another module's by now
        filled.revert(withdrawn, comment="it was that module")
    assert filled.log(limit=1)[0].revision == later


def test_the_time_zone_comes_back(filled: Registry, location: RegistryLocation) -> None:
    create_registry(location.database, location.store, timezone="Europe/Zurich", comment="where we are")
    newest = filled.log(limit=1)[0].revision
    outcome = filled.revert(newest, comment="where we are not")
    assert outcome.facts == ("- time zone Europe/Zurich",)
    assert any("Europe/Zurich" in note and "UTC" in note for note in outcome.notes)
    filled.revert(outcome.revision, comment="but we are")
    assert filled.log(limit=1)[0].changes == ("+ time zone Europe/Zurich",)


def test_the_revision_that_made_a_registry_is_not_undone(tmp_path: Path) -> None:
    location = RegistryLocation.in_folder(tmp_path)
    create_registry(location.database, location.store, timezone="Europe/Zurich")
    with location.open() as registry, assert_refused(RequestError, "revision 1", revision=1):
        registry.revert(1, comment="no")


@pytest.mark.parametrize("number", [0, 99, 2**70])
def test_an_unknown_revision_is_not_found(filled: Registry, number: int) -> None:
    with assert_refused(NotFoundError):
        filled.revert(number, comment="why not")


def test_what_cannot_be_undone_is_refused_in_a_sentence(filled: Registry) -> None:
    tagged = filled.tags.add("spring").revision
    with assert_refused(RequestError, tagged, "tag", revision=tagged):
        filled.revert(tagged, comment="no")
    only_panel = filled.panels.add(PANEL_C).revision
    with assert_refused(RequestError, only_panel, "panel", revision=only_panel):
        filled.revert(only_panel, comment="no")
    with assert_refused(RequestError, "spring"):
        filled.revert("spring", comment="no")
    with assert_refused(RequestError):
        filled.revert(3, comment=" ")


def test_a_revision_is_named_by_its_seal_too(filled: Registry) -> None:
    head = filled.log(limit=1)[0]
    with assert_refused(ConflictError):
        filled.revert(f"3:{'0' * 64}", comment="no")
    assert filled.revert(f"3:{head.seal}", comment="yes").revision == 4


def test_every_table_of_facts_can_be_undone() -> None:
    facts = {name for name, table in schema.metadata.tables.items() if table.info.get("fact")}
    assert facts == {fact.name for fact in FACT_TABLES if "withdrawn_in" in fact.columns}
    places = {name: list_place_columns(schema.metadata.tables[name]) for name in facts}
    # One time zone is live, and the ranges of configurations must not overlap; all others differ in some columns.
    assert {name for name, columns in places.items() if not columns} == {"timezone", "configuration"}


@pytest.mark.slow
def test_the_number_of_statements_does_not_grow_with_the_registry(filled: Registry, tmp_path: Path) -> None:
    counts = []
    for seed in range(2, 8):
        added = add(filled, tmp_path, f"2018-01-0{seed}T00:00:00Z", seed=seed)
        with record_statements(filled) as statements:
            filled.revert(added, comment="the wrong folder")
        counts.append(len(statements))
        add(filled, tmp_path, f"2018-02-0{seed}T00:00:00Z", seed=seed + 10)
    assert len(set(counts)) == 1


def test_the_command_line_undoes_a_revision(filled: Registry, calreg: Calreg, tmp_path: Path) -> None:
    added = add(filled, tmp_path, T2, seed=2)
    dry = calreg("revert", str(added), "--comment", "wrong folder", "--dry-run")
    assert dry.stdout.splitlines()[-1] == "dry run: nothing was recorded"
    answer = calreg("revert", str(added), "--comment", "wrong folder", "--json").json
    assert [version["version"] for version in answer["withdrawn"]] == [3, 4]
    assert (answer["revision"], answer["versions"]) == (added + 1, [])
    error = calreg.assert_refused(5, "revert", str(added), "--comment", "wrong folder")
    assert error["undone_in"] == added + 1
    calreg.assert_refused(3, "revert", "99", "--comment", "x")
    calreg.assert_refused(2, "revert", "yesterday", "--comment", "x")
