"""Reasons why runs get something else, for every kind and whatever changed; and versions with the same constants."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from registry.api import Registry
from registry.database.change import Change
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import IdentifierError, NotFoundError, RequestError
from registry.instants import Instant, parse_instant
from registry.records import AffectedRun
from registry.registration.planning import VersionStatement
from registry.registration.versions import record_constants, record_versions, withdraw_versions
from testing.panels import PANEL_A, PANEL_B, PANEL_C
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.constants import constants_without_files
from tests.refusals import assert_refused
from tests.test_outcomes import (
    ALL_KINDS,
    DETECTOR,
    EARLY,
    LATE,
    MIDDLE,
    SOURCE,
    SOURCES,
    begin,
    newest,
    record,
)

pytestmark = pytest.mark.small_panels

BEFORE = "2017-01-01T00:00:00Z"


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """Two panels with gains and offsets from the early instant on, and a run in the middle."""
    begin(registry)
    record(registry, [PANEL_A, PANEL_B], "A", EARLY)
    registry.detectors.configure("xcs1", SOURCE, DETECTOR, first_run=1)
    registry.runs.add("exp=xcs1:run=1", begin=MIDDLE)
    return registry


def list_reasons(registry: Registry, since: int) -> list[tuple[int, str, tuple[str, ...], str]]:
    return [(run.run, run.change, run.kinds, run.reason) for run in registry.list_affected_runs(since)]


def record_darks(
    registry: Registry, panels: list[str], content: str, *, supersede: bool = False
) -> list[str]:
    """Record pedestals from the early instant on; return the notes and warnings."""
    constants = constants_without_files("pedestals", content)
    statements = [
        VersionStatement(panel, "pedestals", parse_instant(EARLY), constants.sha256) for panel in panels
    ]

    def act(change: Change) -> None:
        record_constants(change, [constants])
        record_versions(change, statements, supersede=supersede)

    outcome = registry._backend.record_revision(act, "a dark")
    return [*outcome.notes, *outcome.warnings]


@pytest.mark.sqlite_suffices
def test_a_superseded_dark_is_a_consequence_as_much_as_a_gain(filled: Registry) -> None:
    since = newest(filled)
    assert record_darks(filled, [PANEL_A], "dark")[-1:] == []  # the other panel has none: there is no array
    assert list_reasons(filled, since) == []
    assert record_darks(filled, [PANEL_B], "dark") == [
        "1 recorded run can be exported from now on (pedestals): exp=xcs1:run=1"
    ]
    published = newest(filled)
    sentences = record_darks(filled, [PANEL_A], "another", supersede=True)
    assert "1 recorded run would get other constants from now on (pedestals): exp=xcs1:run=1" in sentences
    other = "other constants are valid"
    assert list_reasons(filled, published) == [(1, "changed", ("pedestals",), other)]
    (affected,) = filled.list_affected_runs(published)
    assert [(row.panel, row.kind) for row in affected.constants] == [(PANEL_A, "pedestals")]
    assert list_reasons(filled, since) == [(1, "now possible", ("pedestals",), "constants are valid now")]
    assert filled.list_affected_runs(published, kinds=["gain", "offset"]) == []
    assert filled.list_affected_runs(published, panel=PANEL_B) == []
    assert filled.list_affected_runs(published, panel=PANEL_A, kinds=["pedestals"]) == [
        replace(affected, compared=("pedestals",))
    ]


@pytest.mark.slow
def test_a_start_time_that_moved_is_the_reason_and_what_is_missing_is_named(filled: Registry) -> None:
    since = newest(filled)
    move = {"supersede": True, "comment": "the logbook was wrong"}
    filled.runs.add("exp=xcs1:run=1", begin=BEFORE, **move)
    missing = f"gain of {PANEL_A}, gain of {PANEL_B}, offset of {PANEL_A}, offset of {PANEL_B}"
    moved = f"its start time moved from {MIDDLE} to {BEFORE}"
    reason = f"{moved}; it starts before every validity start: {missing}"
    assert list_reasons(filled, since) == [(1, "no longer possible", ("gain", "offset"), reason)]
    record(filled, [PANEL_B], None, LATE, kinds=["offset"])
    filled.runs.add("exp=xcs1:run=1", begin=LATE, **move)
    moved = f"its start time moved from {MIDDLE} to {LATE}"
    gap = f"{moved}; it starts in a gap: offset of {PANEL_B}"
    assert list_reasons(filled, since) == [(1, "no longer possible", ("offset",), gap)]
    record(filled, [PANEL_B], "B", LATE, kinds=["offset"], supersede=True)
    # The map of the time to which it moved is new too, but that of the old time is what it was.
    assert list_reasons(filled, since) == [(1, "changed", ("offset",), moved)]
    record(filled, [PANEL_A], "C", EARLY, supersede=True, kinds=["gain"])
    both = f"{moved}; other constants are valid"
    assert list_reasons(filled, since) == [(1, "changed", ("gain", "offset"), both)]


@pytest.mark.slow
def test_each_change_of_a_run_or_a_configuration_has_a_reason_of_its_own(filled: Registry) -> None:
    record(filled, [PANEL_C], "A", EARLY)
    since = newest(filled)
    configure = filled.detectors.configure
    correct = {"supersede": True, "comment": "corrected"}
    whole = ("gain", "offset")

    def expect(change: str, reason: str) -> None:
        assert list_reasons(filled, since) == [(1, change, whole, reason)]

    configure("xcs1", SOURCE, f"{PANEL_B}_{PANEL_A}", first_run=1, **correct)
    expect("changed", "its panels are in another order")
    configure("xcs1", SOURCE, DETECTOR, first_run=1, segments="3,5", **correct)
    expect("changed", "its panels have other segment numbers")
    configure("xcs1", SOURCE, f"{PANEL_A}_{PANEL_C}", first_run=1, **correct)
    expect("changed", "it has other panel Ids with the same constants")
    record(filled, [PANEL_C], "B", EARLY, kinds=["gain"], supersede=True)
    expect("changed", "it has other panels")
    record(filled, [PANEL_C], "A", EARLY, kinds=["gain"], supersede=True)
    filled.detectors.withdraw("xcs1", SOURCE, first_run=1, comment="none was mounted")
    expect("no longer possible", "no detector is configured for it any more")
    configure("xcs1", SOURCE, DETECTOR, first_run=1, **correct)
    filled.runs.withdraw("exp=xcs1:run=1", comment="never taken")
    expect("no longer possible", "the run was withdrawn")
    filled.runs.add("exp=xcs1:run=1", **correct)
    expect("no longer possible", "its start time is no longer known")
    filled.runs.add("exp=xcs1:run=1", begin=MIDDLE, **correct)
    assert list_reasons(filled, since) == []
    last = newest(filled) - 1
    assert list_reasons(filled, last) == [(1, "now possible", whole, "its start time is known now")]
    filled.runs.add("exp=xcs1:run=2", begin=MIDDLE)
    assert list_reasons(filled, last + 1) == [(2, "now possible", whole, "the run is recorded now")]


@pytest.mark.sqlite_suffices
def test_an_m_number_that_makes_two_panels_one_module_ends_the_answers_of_their_runs(
    filled: Registry,
) -> None:
    filled.aliases.add("M068", [PANEL_A])
    since = newest(filled)
    outcome = filled.aliases.add("M068", [PANEL_B], valid_from=EARLY, same_module=True, comment="a new board")
    assert "1 recorded run would be refused from now on: exp=xcs1:run=1" in outcome.warnings
    reason = "two of its panels are one module now"
    assert list_reasons(filled, since) == [(1, "no longer possible", ("gain", "offset"), reason)]
    assert filled.aliases.add("M088", [PANEL_C]).warnings == ()


@pytest.mark.sqlite_suffices
def test_live_versions_with_the_constants_of_a_withdrawn_one_are_named_whatever_panel_has_them(
    filled: Registry,
) -> None:
    record(filled, [PANEL_C], "A", LATE, kinds=["gain"])
    outcome = filled._backend.record_revision(
        lambda change: withdraw_versions(change, [1]), "of another module"
    )
    assert [(row.kind, row.panel, row.versions) for row in outcome.same_constants] == [
        ("gain", PANEL_B, (3,)),
        ("gain", PANEL_C, (5,)),
    ]
    assert outcome.warnings[-1] == (
        "2 live versions have the same constants as what was withdrawn:"
        f" gain of {PANEL_B} (version 3), gain of {PANEL_C} (version 5)"
    )
    dry = record(filled, [PANEL_B], "B", EARLY, kinds=["gain"], supersede=True, dry_run=True)
    assert [row.versions for row in dry.same_constants] == [(5,)]
    assert record(filled, [PANEL_B], "B", LATE, kinds=["gain"]).same_constants == ()


@pytest.mark.sqlite_suffices
def test_a_correction_of_many_runs_is_one_group_and_one_sentence(filled: Registry) -> None:
    for number in (2, 3, 7):
        filled.runs.add(f"exp=xcs1:run={number}", begin=Instant(parse_instant(MIDDLE) + number))
    since = newest(filled)
    outcome = record(filled, [PANEL_A], "B", EARLY, supersede=True)
    assert outcome.warnings[0] == "4 recorded runs would get other constants from now on: exp=xcs1:run=1-3,7"
    (group,) = outcome.affected_runs
    assert (group.runs, group.panels, group.kinds) == (((1, 3), (7, 7)), (PANEL_A,), ("gain", "offset"))
    answer = filled.group_affected_runs(since)
    assert (answer.groups, answer.kinds) == ((group,), ALL_KINDS)
    for number in (2, 3):
        begin_at = Instant(parse_instant(BEFORE) + number)
        filled.runs.add(f"exp=xcs1:run={number}", begin=begin_at, supersede=True, comment="wrong year")
    groups = filled.group_affected_runs(since).groups
    assert [(row.runs, row.reason.partition(";")[0]) for row in groups] == [
        (((1, 1), (7, 7)), "other constants are valid"),
        (((2, 3),), "its start time moved"),
    ]


@pytest.mark.sqlite_suffices
def test_the_scope_of_affected_is_refused_where_it_names_nothing_known(
    filled: Registry, location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = newest(filled)
    with assert_refused(RequestError, "gian", known=[kind.name for kind in JUNGFRAU.kinds]):
        filled.list_affected_runs(since, kinds=["gian"])
    with assert_refused(NotFoundError, experiment="xcs2", near=["xcs1"]):
        filled.list_affected_runs(since, experiment="xcs2")
    with pytest.raises(IdentifierError):
        filled.list_affected_runs(since, experiment="XCS")
    with pytest.raises(NotFoundError):
        filled.group_affected_runs(since, panel="M999")
    calreg = Calreg(location, monkeypatch)
    calreg.assert_refused(2, "affected", "--since", str(since), "--kind", "gian")
    calreg.assert_refused(3, "affected", "--since", str(since), "--experiment", "xcs2")
    calreg.assert_refused(3, "affected", "--since", str(since), "--panel", "M999")


def test_only_the_experiment_that_is_asked_for_is_compared(filled: Registry) -> None:
    filled.detectors.configure("xcs2", SOURCES[1], PANEL_A, first_run=1)
    filled.runs.add("exp=xcs2:run=1", begin=MIDDLE)
    since = newest(filled)
    record(filled, [PANEL_A], "B", EARLY, supersede=True)

    def list_experiments(runs: list[AffectedRun]) -> list[str]:
        return [run.experiment for run in runs]

    assert list_experiments(filled.list_affected_runs(since)) == ["xcs1", "xcs2"]
    assert list_experiments(filled.list_affected_runs(since, experiment="xcs2")) == ["xcs2"]
