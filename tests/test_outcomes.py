"""Outcomes of every recorded run as of every revision, and consequences of changes for runs and exports."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.api import Registry
from registry.database.change import Change
from registry.errors import ConflictError, NotFoundError, NotValidError, RequestError
from registry.identifiers import Dataset
from registry.instants import BEGINNING, Instant, parse_instant
from registry.lookup import versions
from registry.lookup.answers import Answers
from registry.lookup.outcomes import Scope, list_affected_runs
from registry.lookup.panels import find_panels
from registry.lookup.resolution import ArrayRequest, resolve
from registry.lookup.revisions import read_newest_revision
from registry.lookup.runs import choose_configurations, list_configurations, list_runs
from registry.records import AffectedRun, ChangedConstants, Outcome
from registry.registration.configuration_withdrawal import withdraw_configuration
from registry.registration.configurations import (
    ConfigurationStatement,
    record_configurations,
)
from registry.registration.panels import add_panels
from registry.registration.planning import VersionStatement
from registry.registration.run_withdrawal import withdraw_runs
from registry.registration.runs import RunStatement, record_runs
from registry.registration.versions import (
    record_constants,
    record_gap,
    record_versions,
    withdraw_versions,
)
from registry.run_ranges import RunSelection
from testing.panels import PANEL_A, PANEL_B, PANEL_C, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.constants import constants_without_files
from tests.refusals import assert_refused
from tests.selection import examples

pytestmark = pytest.mark.small_panels

KINDS = ("gain", "offset")
ALL_KINDS = ("gain", "offset", "pedestals", "rms", "status", "status_extra", "min", "max", "mask")
SOURCES = ("XcsEndstation.0:Jungfrau.0", "XcsEndstation.0:Jungfrau.1")
SOURCE = SOURCES[0]
DETECTOR = f"{PANEL_A}_{PANEL_B}"
T = parse_instant("2018-01-01T00:00:00Z")
STARTS = (BEGINNING, T, Instant(T + 1), Instant(T + 3_600_000_000))
BEGINS = sorted({Instant(start + step) for start in STARTS[1:] for step in (-1, 0, 1)})
EARLY, MIDDLE, LATE = "2018-01-01T00:00:00Z", "2018-06-01T00:00:00Z", "2019-01-01T00:00:00Z"


RunSource = tuple[Dataset, str]
Arrays = dict[tuple[RunSource, str], tuple[tuple[str, str], ...]]
"""By run, source and kind: (panel, SHA-256 of its constants), in the order of the array."""

SHA256 = {
    (kind, content): constants_without_files(kind, content).sha256 for kind in KINDS for content in "ABC"
}


def begin(registry: Registry, panels: Sequence[str] = (PANEL_A, PANEL_B, PANEL_C)) -> None:
    """Record panels, and what can be stated of them."""

    def act(change: Change) -> None:
        add_panels(change, panels)
        record_constants(change, [constants_without_files(*key) for key in SHA256])

    registry._backend.record_revision(act)


def record(
    registry: Registry,
    panels: Sequence[str],
    content: str | None,
    valid_from: str,
    *,
    kinds: Sequence[str] = KINDS,
    supersede: bool = False,
    dry_run: bool = False,
) -> Outcome:
    """Record the same constants of each kind for the panels; ``None`` means a gap."""
    start = parse_instant(valid_from)
    statements = [
        VersionStatement(panel, kind, start, None if content is None else SHA256[kind, content])
        for panel in panels
        for kind in kinds
    ]
    return registry._backend.record_revision(
        lambda change: record_versions(change, statements, supersede=supersede), "a step", dry_run=dry_run
    )


def list_affected(registry: Registry, since: int) -> list[tuple[int, str, str]]:
    return [(run.run, run.source, run.change) for run in registry.list_affected_runs(since)]


def newest(registry: Registry) -> int:
    return registry.log()[0].revision


# Random histories over few panels and runs, so that they collide; each step is a revision, or refused.

version_keys = st.tuples(st.integers(0, 2), st.sampled_from(KINDS), st.sampled_from(STARTS))
run_numbers = st.integers(1, 3)
sources = st.sampled_from(SOURCES)
detectors = st.lists(st.integers(0, 2), max_size=3, unique=True)  # of no panels: one that carries no Ids
complete = st.tuples(st.lists(st.integers(0, 2), min_size=1), st.sampled_from(STARTS), st.sampled_from("ABC"))
steps = st.one_of(
    st.tuples(st.just("state"), complete),
    st.tuples(
        st.just("state some"),
        st.lists(st.tuples(version_keys, st.sampled_from(["A", "B", None])), min_size=1),
    ),
    st.tuples(st.just("gap"), st.tuples(st.integers(0, 2), st.sampled_from(STARTS))),
    st.tuples(st.just("withdraw"), st.integers(0, 30)),
    st.tuples(st.just("run"), st.tuples(run_numbers, st.sampled_from([*BEGINS, None]))),
    st.tuples(st.just("withdraw run"), run_numbers),
    st.tuples(
        st.just("configure"), st.tuples(sources, run_numbers, st.none() | st.integers(0, 2), detectors)
    ),
    st.tuples(st.just("withdraw configuration"), st.tuples(sources, run_numbers)),
)
usual = st.tuples(
    st.tuples(st.just("configure"), st.tuples(sources, st.just(1), st.none(), detectors.filter(bool))),
    st.tuples(st.just("state"), complete),
    st.tuples(st.just("configure"), st.tuples(sources, run_numbers, st.none(), detectors.filter(bool))),
    st.tuples(st.just("runs"), st.lists(st.sampled_from(BEGINS), min_size=3, max_size=3)),
)
histories = st.builds(lambda first, rest: [*first, *rest], usual, st.lists(steps, min_size=2, max_size=8))

_numbers = itertools.count(1)


class Story:
    """One example's history, under an experiment and panels of its own."""

    def __init__(self, registry: Registry) -> None:
        number = next(_numbers)
        self.registry = registry
        self.experiment = f"e{number}"
        self.panels = [f"{number:x}-1-{panel:x}" for panel in range(3)]
        begin(registry, self.panels)

    def take(self, what: str, values: Any) -> Outcome | None:
        """Take a step; None where the registry refuses it, or it changes nothing."""
        act = self._act(what, values)
        try:
            outcome = self.registry._backend.record_revision(act, "a step")
        except (ConflictError, NotFoundError, NotValidError, RequestError):
            return None
        return outcome if outcome.revision else None

    def _act(self, what: str, values: Any) -> Callable[[Change], None]:
        if what in ("run", "runs", "withdraw run"):
            return self._run(what, values)
        if what in ("configure", "withdraw configuration"):
            return self._configuration(what, values)
        return self._versions(what, values)

    def _versions(self, what: str, values: Any) -> Callable[[Change], None]:
        if what == "gap":
            panel, start = self.panels[values[0]], values[1]
            return lambda change: record_gap(
                change,
                find_panels(change.connection, [panel], change.visible_revision),
                None,
                start,
                supersede=True,
            )
        if what == "withdraw":

            def withdraw(change: Change) -> None:
                known = versions.list_validity_ranges(
                    change.connection, self.panels, None, change.visible_revision
                )
                if known:
                    withdraw_versions(change, [known[values % len(known)].version])

            return withdraw
        if what == "state":
            panels, start, content = values
            wanted = {(panel, kind, start): content for panel in panels for kind in KINDS}
        else:
            wanted = dict(values)
        statements = [
            VersionStatement(
                self.panels[panel], kind, start, None if content is None else SHA256[kind, content]
            )
            for (panel, kind, start), content in wanted.items()
        ]
        return lambda change: record_versions(change, statements, supersede=True)

    def _run(self, what: str, values: Any) -> Callable[[Change], None]:
        if what == "withdraw run":
            return lambda change: withdraw_runs(change, RunSelection(self.experiment, ((values, values),)))
        begins = enumerate(values, 1) if what == "runs" else [values]
        statements = [RunStatement(Dataset(self.experiment, number), instant) for number, instant in begins]
        return lambda change: record_runs(change, statements, supersede=True)

    def _configuration(self, what: str, values: Any) -> Callable[[Change], None]:
        if what == "withdraw configuration":
            source, first = values
            return lambda change: withdraw_configuration(change, self.experiment, source, first, None)
        source, first, more, panels = values
        statement = ConfigurationStatement(
            experiment=self.experiment,
            source=source,
            first_run=first,
            last_run=None if more is None else first + more,
            panels=tuple(self.panels[panel] for panel in panels),
            object_name=None if panels else "JungfrauConfigV1",
        )
        return lambda change: record_configurations(change, [statement], supersede=True)

    def resolve_all(self, connection: sa.Connection, revision: int) -> Arrays:
        """Ask for every array of every registered run and source, one by one, as an export would."""
        arrays: Arrays = {}
        known = list_configurations(connection, revision, {self.experiment})
        for run in list_runs(connection, revision, {self.experiment}):
            dataset = Dataset(run.experiment, run.run)
            for source, kind in itertools.product(choose_configurations(known, run.run), KINDS):
                request = ArrayRequest(str(dataset), source, types=(f"pixel_{kind}",))
                try:
                    answer = resolve(connection, request, revision).resolution
                except (NotFoundError, NotValidError):
                    continue
                arrays[(dataset, source), kind] = tuple(
                    (panel.panel, panel.constants[0].constants) for panel in answer.panels
                )
        return arrays

    def answer_all(self, connection: sa.Connection, revision: int) -> Arrays:
        """Return the same, found for all runs at once."""
        answers = Answers(connection, {self.experiment}, None, revision)
        answered = (
            ((Dataset(run.experiment, run.run), source[1]), answers.find(source, run.run, run.begin))
            for run in list_runs(connection, revision, {self.experiment})
            for source in answers.sources
        )
        return {
            (run_source, kind): tuple(zip(answer.panels, answer.constants[kind], strict=True))
            for run_source, answer in answered
            for kind in KINDS
            if answer.is_possible(kind)
        }


SEVERITY = ("no longer possible", "changed", "now possible")


def compare(before: Arrays, after: Arrays) -> dict[RunSource, dict[str, str]]:
    """Return what becomes of the arrays of each run, by kind."""
    changes: dict[RunSource, dict[str, str]] = {}
    for key in {*before, *after}:
        if before.get(key) != after.get(key):
            becomes = "no longer possible" if key not in after else "changed"
            changes.setdefault(key[0], {})[key[1]] = "now possible" if key not in before else becomes
    return changes


def find_worst(arrays: dict[str, str]) -> str:
    return min(arrays.values(), key=SEVERITY.index)


KEYWORDS = {
    "can be exported": "now possible",
    "other constants": "changed",
    "the same constants with": "changed",
    "refused": "no longer possible",
    "withdrawn": "withdrawn",
}

Consequence = tuple[int, str, str, list[str]]
"""(number, run or export, what becomes of them, the first few names)."""


def consequences(sentences: Sequence[str]) -> list[Consequence]:
    """Return what notes and warnings say of recorded runs and exports."""
    parsed = []
    for sentence in sentences:
        if "live version" in sentence:
            continue  # on the same constants elsewhere
        match = re.match(r"(\d+) recorded (run|export)s? ", sentence)
        assert match, sentence
        (change,) = [name for words, name in KEYWORDS.items() if words in sentence]
        names = sentence.rpartition(": ")[2].replace(" and ", ", and ").split(", ")
        if match[2] == "run":
            names = [name for text in names for name in expand_ranges(text)]
        parsed.append((int(match[1]), match[2], change, names))
    return parsed


def expand_ranges(text: str) -> list[str]:
    """Return the datasets that a text with ranges of runs names; any other text as it is."""
    if not text.startswith("exp="):
        return [text]
    selection = RunSelection.parse(text)
    return [
        str(Dataset(selection.experiment, run))
        for first, last in selection.ranges
        for run in range(first, (last or first) + 1)
    ]


def count_runs(sentences: Sequence[str]) -> dict[str, set[str]]:
    """Return the runs that notes and warnings name, by what becomes of some of their arrays."""
    runs: dict[str, set[str]] = {}
    for _, what, change, names in consequences([text for text in sentences if "recorded run" in text]):
        assert what == "run"
        runs.setdefault(change, set()).update(names)
    return runs


@pytest.mark.sqlite_suffices
@pytest.mark.slow
@given(history=histories)
@settings(max_examples=examples(12))
def test_every_recorded_run_gets_what_an_export_would_resolve_as_of_every_revision(
    registry: Registry, history: list[tuple[str, Any]]
) -> None:
    story = Story(registry)
    first = newest(registry)
    done = [outcome for step in history if (outcome := story.take(*step)) is not None]
    with registry._backend.read_transaction() as view:
        connection = view.connection
        assert read_newest_revision(connection) == first + len(done)
        got = {
            revision: story.resolve_all(connection, revision) for revision in range(first, view.revision + 1)
        }
        for revision, arrays in got.items():
            assert story.answer_all(connection, revision) == arrays, revision
        for since, upto in {*itertools.pairwise(got), (first, view.revision)}:
            changes = compare(got[since], got[upto])
            affected = list_affected_runs(connection, since, upto, Scope(experiment=story.experiment))
            assert {run_source_of(run): run.change for run in affected} == {
                key: find_worst(arrays) for key, arrays in changes.items()
            }
            assert {run_source_of(run): {*run.kinds} for run in affected} == {
                key: {*arrays} for key, arrays in changes.items()
            }
            assert [run_source_of(run) for run in affected] == sorted(changes)
            assert all(run.reason for run in affected)
            for run in affected:
                if set(changes[run_source_of(run)].values()) == {"changed"}:
                    moved = list_changed_constants(got[since], got[upto], run_source_of(run))
                    assert sorted(run.constants, key=repr) == sorted(moved, key=repr)
        for outcome in done:
            assert outcome.revision is not None
            known = {run.run for run in list_runs(connection, outcome.revision - 1, {story.experiment})}
            expected: dict[str, set[str]] = {}
            for key, arrays in compare(got[outcome.revision - 1], got[outcome.revision]).items():
                for change in arrays.values() if key[0].run in known else ():
                    expected.setdefault(change, set()).add(str(key[0]))
            # Several examples read out panels of one serial number at the same time.
            sentences = [text for text in (*outcome.notes, *outcome.warnings) if "read out twice" not in text]
            assert count_runs(sentences) == expected
            assert not any("recorded run" in note and "can be" not in note for note in outcome.notes)
            assert {change for group in outcome.affected_runs for change in [group.change]} <= {*expected}


def run_source_of(run: AffectedRun) -> RunSource:
    return Dataset(run.experiment, run.run), run.source


def list_changed_constants(before: Arrays, after: Arrays, run_source: RunSource) -> list[ChangedConstants]:
    old, new = (
        {(panel, kind): sha256 for kind in KINDS for panel, sha256 in arrays.get((run_source, kind), ())}
        for arrays in (before, after)
    )
    return [
        ChangedConstants(*key, old.get(key), new.get(key))
        for key in {*old, *new}
        if old.get(key) != new.get(key)
    ]


# By example.


@pytest.mark.slow
def test_runs_that_changed_became_possible_or_are_refused_now_are_listed(
    location: RegistryLocation, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(registry)
    registry.detectors.configure("xcs1", SOURCE, DETECTOR, first_run=1)
    registry.detectors.configure("xcs1", SOURCES[1], PANEL_C, first_run=5)
    for number, instant in ((1, EARLY), (5, MIDDLE), (9, LATE)):
        registry.runs.add(f"exp=xcs1:run={number}", begin=instant)
    registry.runs.add("exp=xcs1:run=10")  # without a start time: never possible
    record(registry, [PANEL_A, PANEL_B], "A", MIDDLE)
    record(registry, [PANEL_C], "A", EARLY)
    registry.tags.add("as-it-was")
    since = newest(registry)
    assert registry.list_affected_runs(since) == registry.list_affected_runs("as-it-was") == []
    record(registry, [PANEL_A, PANEL_B], "B", EARLY)
    record(registry, [PANEL_A], "C", LATE)
    record(registry, [PANEL_C], None, LATE, kinds=["offset"])
    expected = [
        AffectedRun(
            "xcs1",
            1,
            SOURCE,
            "now possible",
            tuple(
                ChangedConstants(panel, kind, None, SHA256[kind, "B"])
                for panel in (PANEL_A, PANEL_B)
                for kind in KINDS
            ),
            "constants are valid now",
            KINDS,
            ALL_KINDS,
        ),
        AffectedRun(
            "xcs1",
            9,
            SOURCE,
            "changed",
            tuple(ChangedConstants(PANEL_A, kind, SHA256[kind, "A"], SHA256[kind, "C"]) for kind in KINDS),
            "other constants are valid",
            KINDS,
            ALL_KINDS,
        ),
        AffectedRun(
            "xcs1",
            9,
            SOURCES[1],
            "no longer possible",
            (ChangedConstants(PANEL_C, "offset", SHA256["offset", "A"], None),),  # its gain is what it was
            f"it starts in a gap: offset of {PANEL_C}",
            ("offset",),
            ALL_KINDS,
        ),
    ]
    assert registry.list_affected_runs(since) == registry.list_affected_runs("as-it-was") == expected
    # Between two revisions of the past; at the first of them nothing but run 1 had changed.
    assert registry.list_affected_runs(since, as_of=since + 1) == expected[:1]
    calreg = Calreg(location, monkeypatch)
    assert calreg.run("affected", "--since", "as-it-was").stdout.splitlines() == [
        f"exp=xcs1:run=1  {SOURCE}  now possible",
        f"  gain, offset of {PANEL_A}, {PANEL_B}",
        "  because constants are valid now",
        f"exp=xcs1:run=9  {SOURCE}  changed",
        f"  gain, offset of {PANEL_A}",
        "  because other constants are valid",
        f"exp=xcs1:run=9  {SOURCES[1]}  no longer possible",
        f"  offset of {PANEL_C}",
        f"  because it starts in a gap: offset of {PANEL_C}",
        f"2 affected runs since revision {since - 1}",
        f"compared: {', '.join(ALL_KINDS)}",
    ]
    answer = calreg.run("affected", "--since", str(since), "--json").json
    assert [(run["run"], run["source"], run["change"]) for run in answer] == [
        (run.run, run.source, run.change) for run in expected
    ]
    assert answer[1]["constants"][0] == {
        "panel": PANEL_A,
        "kind": "gain",
        "before": SHA256["gain", "A"],
        "after": SHA256["gain", "C"],
    }
    none = calreg.run("affected", "--since", str(newest(registry)), "--json")
    assert (none.json, none.stderr) == ([], f"note: compared: {', '.join(ALL_KINDS)}\n")
    assert {tuple(row["compared"]) for row in answer} == {ALL_KINDS}
    arguments = ("--since", str(since), "--kind", "offset", "--kind", "gain", "--json")
    assert {tuple(row["compared"]) for row in calreg.run("affected", *arguments).json} == {KINDS}
    last = newest(registry)
    assert calreg.run("affected", "--since", str(last), "--kind", "offset").stdout == (
        f"no registered run is affected since revision {last}\ncompared: offset\n"
    )


def test_affected_needs_a_known_revision_that_is_not_after_the_other(
    location: RegistryLocation, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(registry)
    registry.runs.add("exp=xcs1:run=1")
    calreg = Calreg(location, monkeypatch)
    error = calreg.assert_refused(2, "affected", "--since", "2", "--as-of", "1")
    assert (error["kind"], error["since"], error["as_of"]) == ("RequestError", 2, 1)
    error = calreg.assert_refused(3, "affected", "--since", "3")
    assert (error["kind"], error["revision"], error["newest"]) == ("NotFoundError", 3, 2)
    error = calreg.assert_refused(3, "affected", "--since", "final")
    assert (error["kind"], error["tag"], error["near"]) == ("NotFoundError", "final", [])
    error = calreg.assert_refused(2, "affected", "--since", "29990101000000")
    assert (error["kind"], error["as_of"]) == ("InstantError", "2999-01-01T00:00:00Z")
    assert registry.list_affected_runs(2, as_of=2) == []


def test_a_run_whose_panels_changed_their_order_is_affected_without_changed_constants(
    registry: Registry,
) -> None:
    begin(registry)
    record(registry, [PANEL_A, PANEL_B, PANEL_C], "A", EARLY)
    registry.detectors.configure("xcs1", SOURCE, DETECTOR, first_run=1)
    registry.runs.add("exp=xcs1:run=1", begin=MIDDLE)
    since = newest(registry)
    done = registry.detectors.configure(
        "xcs1", SOURCE, f"{PANEL_B}_{PANEL_A}", first_run=1, supersede=True, comment="cabling"
    )
    reason = "its panels are in another order"
    assert registry.list_affected_runs(since) == [
        AffectedRun("xcs1", 1, SOURCE, "changed", (), reason, KINDS, ALL_KINDS)
    ]
    assert consequences(done.warnings) == [(1, "run", "changed", ["exp=xcs1:run=1"])]
    # Back again: since then, nothing is different.
    registry.detectors.configure("xcs1", SOURCE, DETECTOR, first_run=1, supersede=True, comment="it was not")
    assert registry.list_affected_runs(since) == []


@pytest.mark.slow
def test_superseding_or_withdrawing_a_configuration_or_run_warns_of_its_consequences(
    registry: Registry,
) -> None:
    begin(registry)
    record(registry, [PANEL_A, PANEL_B], "A", EARLY)
    record(registry, [PANEL_C], "B", LATE)
    registry.detectors.configure("xcs1", SOURCE, DETECTOR, first_run=1, last_run=8)
    for number in (1, 3, 8, 9):
        outcome = registry.runs.add(f"exp=xcs1:run={number}", begin=MIDDLE)
        assert (outcome.warnings, outcome.notes) == ((), ()), "a new run was never there to be changed"
    configure = registry.detectors.configure
    done = configure("xcs1", SOURCE, PANEL_A, first_run=3, last_run=3, supersede=True, comment="one left")
    assert consequences(done.warnings) == [(1, "run", "changed", ["exp=xcs1:run=3"])]
    done = configure("xcs1", SOURCE, DETECTOR, first_run=9)
    assert done.warnings == ()
    assert consequences(done.notes) == [(1, "run", "now possible", ["exp=xcs1:run=9"])]
    done = configure("xcs1", SOURCE, PANEL_C, first_run=8, supersede=True, comment="another panel")
    assert consequences(done.warnings) == [
        (2, "run", "no longer possible", ["exp=xcs1:run=8", "exp=xcs1:run=9"])
    ]
    done = registry.runs.add("exp=xcs1:run=9", begin=LATE, supersede=True, comment="the logbook was wrong")
    assert done.warnings == ()
    assert consequences(done.notes) == [(1, "run", "now possible", ["exp=xcs1:run=9"])]
    done = registry.runs.add(
        "exp=xcs1:run=1", begin="2017-01-01T00:00:00Z", supersede=True, comment="wrong year"
    )
    assert consequences(done.warnings) == [(1, "run", "no longer possible", ["exp=xcs1:run=1"])]
    assert registry.runs.add("exp=xcs1:run=3", end=LATE).warnings == ()
    before = newest(registry)
    dry = registry.runs.withdraw("exp=xcs1:run=3", comment="a test", dry_run=True)
    assert consequences(dry.warnings) == [(1, "run", "no longer possible", ["exp=xcs1:run=3"])]
    assert registry.detectors.withdraw("xcs1", SOURCE, first_run=3, comment="x", dry_run=True).warnings == (
        dry.warnings
    )
    assert newest(registry) == before
    assert registry.runs.withdraw("exp=xcs1:run=3", comment="a test").warnings == dry.warnings
    # A withdrawn run has no outcome any more.
    assert registry.detectors.withdraw("xcs1", SOURCE, first_run=3, comment="x").warnings == ()


def test_no_consequence_is_reported_where_nothing_changes(registry: Registry) -> None:
    begin(registry)
    record(registry, [PANEL_A, PANEL_B], "A", EARLY)
    registry.detectors.configure("xcs1", SOURCE, DETECTOR, first_run=1)
    registry.runs.add("exp=xcs1:run=1", begin=MIDDLE)
    quiet = {
        "a later start": record(registry, [PANEL_A], "B", "2018-06-01T00:00:00.000001Z"),
        "another panel": record(registry, [PANEL_C], "B", EARLY),
        "a kind that no default export takes": record(registry, [PANEL_A], None, EARLY, kinds=["rms"]),
        "the same content": record(registry, [PANEL_A], "A", "2018-03-01T00:00:00Z"),
        "what held before holds again": registry.versions.withdraw(
            registry.versions.list(PANEL_A)[1].version, comment="it was the same"
        ),
        "what is recorded already": record(registry, [PANEL_B], "A", EARLY),
        "an alias": registry.aliases.add("M068", [PANEL_A]),
        "another experiment": registry.detectors.configure("xcs2", SOURCE, DETECTOR, first_run=1),
        "the same runs again": registry.detectors.configure("xcs1", SOURCE, DETECTOR, first_run=1),
        "a tag": registry.tags.add("here"),
    }
    assert [what for what, outcome in quiet.items() if consequences(outcome.warnings)] == []
    assert [what for what, outcome in quiet.items() if outcome.same_constants] == [
        "what held before holds again"
    ]
    assert not any("recorded run" in note for outcome in quiet.values() for note in outcome.notes)
    assert record(registry, [PANEL_A], "B", MIDDLE).warnings != ()


@pytest.mark.parametrize("runs_there", [1, 9])
def test_the_first_few_ranges_of_runs_are_named_and_the_others_counted(
    registry: Registry, runs_there: int
) -> None:
    begin(registry)
    record(registry, [PANEL_A, PANEL_C], "A", EARLY)
    registry.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1)
    registry.detectors.configure("xcs1", SOURCES[1], PANEL_C, first_run=1)
    statements = [RunStatement(Dataset("xcs1", 2 * number + 1), T) for number in range(runs_there)]
    registry._backend.record_revision(lambda change: record_runs(change, statements, supersede=False))
    names = [str(statement.dataset) for statement in statements]
    shown = names[:8] + (["and 1 more range"] if runs_there == 9 else [])
    # Both detectors of a run change: it is one run all the same.
    dry = record(registry, [PANEL_A, PANEL_C], "B", EARLY, supersede=True, dry_run=True)
    assert consequences(dry.warnings) == [(runs_there, "run", "changed", shown)]
    assert record(registry, [PANEL_A, PANEL_C], "B", EARLY, supersede=True).warnings == dry.warnings
    lost = record(registry, [PANEL_A], None, EARLY, kinds=["offset"], supersede=True)
    assert consequences(lost.warnings) == [(runs_there, "run", "no longer possible", shown)]
    restored = record(registry, [PANEL_A], "A", EARLY, kinds=["offset"], supersede=True)
    assert consequences(restored.notes[-1:]) == [(runs_there, "run", "now possible", shown)]
    assert restored.warnings == ()


# Exports are made from real files.


@pytest.fixture(scope="module")
def arrays(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("arrays")
    return {name: write_panel_folder(base / name, seed) for seed, name in enumerate(("one", "other"))}


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_exports_that_would_be_made_from_other_constants_are_named(
    location: RegistryLocation,
    registry: Registry,
    arrays: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registry.panels.add(PANEL_A)
    registry.panels.add(PANEL_B)
    registry.versions.add(PANEL_A, arrays["one"], valid_from=EARLY)  # versions 1 and 2
    registry.versions.add(PANEL_B, arrays["one"], valid_from=EARLY, same_as=[PANEL_A])  # 3 and 4
    registry.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1)
    registry.runs.add("exp=xcs1:run=1", begin=MIDDLE)
    registry.export("exp=xcs1:run=1", tmp_path / "1", types=["pixel_gain"])
    registry.export(PANEL_B, tmp_path / "2", at=MIDDLE, types=["pixel_offset"])
    calreg = Calreg(location, monkeypatch)

    def warn(*command: str) -> list[Consequence]:
        """Return the consequences, which are the same dry, as text and as JSON."""
        revision = newest(registry)
        dry = calreg.run(*command, "--dry-run", "--json").json
        text = calreg.run(*command, "--dry-run").stderr.splitlines()
        assert newest(registry) == revision
        done = calreg.run(*command, "--json").json
        assert (dry["revision"], done["revision"]) == (None, revision + 1)
        assert dry["warnings"] == done["warnings"]
        assert [line for line in text if line.startswith("warning: ")] == [
            f"warning: {warning}" for warning in done["warnings"]
        ]
        return consequences(done["warnings"])

    add = ("version", "add", PANEL_A, str(arrays["other"]), "--comment", "c")
    other_run = (1, "run", "changed", ["exp=xcs1:run=1"])

    def other_export(number: int) -> Consequence:
        return 1, "export", "changed", [f"export {number}"]

    assert warn(*add, "--valid-from", LATE) == []
    # A new version in between: the run and the export would get it.
    assert warn(*add, "--valid-from", MIDDLE, "--kind", "gain") == [other_run, other_export(1)]
    # The export was of other constants already.
    version = str(registry.validity(PANEL_A, kinds=["gain"], at=MIDDLE).versions[0].version)
    registry.export("exp=xcs1:run=1", tmp_path / "3", types=["pixel_gain"])
    assert warn("version", "withdraw", version, "--comment", "wrong") == [
        other_run,
        other_export(3),
    ]
    # Export 1 is of the gain alone; a run takes both.
    assert warn("version", "gap", PANEL_A, "--kind", "offset", "--valid-from", MIDDLE, "--comment", "c") == [
        (1, "run", "no longer possible", ["exp=xcs1:run=1"])
    ]
    # An input that a recorded export was made from is withdrawn, and nothing takes its place.
    assert warn("version", "withdraw", "4", "--comment", "wrong") == [
        (1, "export", "no longer possible", ["export 2"])
    ]
    assert warn("version", "withdraw", "3", "--comment", "wrong") == []
    supersede = (*add, "--supersede", "--valid-from", EARLY, "--kind", "gain")
    assert warn(*supersede) == [other_run, other_export(1)]


def test_an_export_that_would_be_made_from_the_same_constants_again_is_named_only_when_its_version_is_withdrawn(
    registry: Registry, arrays: dict[str, Path], tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    add = registry.versions.add
    add(PANEL_A, arrays["one"], valid_from=EARLY)
    again = add(PANEL_A, arrays["one"], valid_from="2018-03-01T00:00:00Z", kinds=["gain"])
    registry.export(PANEL_A, tmp_path / "out", at=MIDDLE, types=["pixel_gain"])
    assert add(PANEL_A, arrays["one"], valid_from="2018-04-01T00:00:00Z", kinds=["gain"]).warnings == ()
    outcome = registry.versions.withdraw(again.versions[0].version + 1, comment="again")
    assert consequences(outcome.warnings) == []
    assert outcome.same_constants[0].versions == (1, 3)
    withdrawn = registry.versions.withdraw(again.versions[0].version, comment="again")
    assert consequences(withdrawn.warnings) == [(1, "export", "withdrawn", ["export 1"])]


def test_more_than_five_exports_are_counted(
    registry: Registry, arrays: dict[str, Path], tmp_path: Path
) -> None:
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, arrays["one"], valid_from=EARLY)
    for number in range(1, 7):
        registry.export(PANEL_A, tmp_path / str(number), at=MIDDLE, types=["pixel_gain"])
    done = registry.versions.gap(PANEL_A, valid_from=EARLY, comment="broken", supersede=True, dry_run=True)
    shown = [*(f"export {number}" for number in range(1, 6)), "and 1 more"]
    assert consequences(done.warnings) == [(6, "export", "no longer possible", shown)]


@contextmanager
def count_statements(registry: Registry) -> Iterator[list[str]]:
    """Count the statements that the registry sends to its database."""
    sent: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        sent.append(statement)

    engine = registry._backend.database._engine
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)


@pytest.mark.slow
def test_the_number_of_statements_does_not_grow_with_the_runs(registry: Registry) -> None:
    begin(registry)
    record(registry, [PANEL_A, PANEL_B], "A", EARLY)
    registry.detectors.configure("xcs1", SOURCE, DETECTOR, first_run=1)

    def statements(numbers: Sequence[int]) -> tuple[int, int]:
        facts = [RunStatement(Dataset("xcs1", number), T) for number in numbers]
        registry._backend.record_revision(lambda change: record_runs(change, facts, supersede=False))
        since = newest(registry)
        with count_statements(registry) as writing:
            done = record(registry, [PANEL_A], "B", EARLY, supersede=True)
        with count_statements(registry) as reading:
            assert len(registry.list_affected_runs(since)) == numbers[-1]
        assert consequences(done.warnings)[0][0] == numbers[-1]
        record(registry, [PANEL_A], "A", EARLY, supersede=True)
        return len(writing), len(reading)

    few = statements([1])
    assert statements(range(2, 51)) == few
    assert few[1] < 20


def test_a_refused_write_has_no_consequences(registry: Registry) -> None:
    begin(registry)
    record(registry, [PANEL_A], "A", EARLY)
    registry.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1)
    registry.runs.add("exp=xcs1:run=1", begin=MIDDLE)
    before = newest(registry)
    with assert_refused(ConflictError, problems=2):
        record(registry, [PANEL_A], "B", EARLY)
    assert newest(registry) == before
    assert registry.list_affected_runs(1) == registry.list_affected_runs(1, as_of=before)
    assert list_affected(registry, before) == []


@pytest.mark.slow
def test_an_export_of_a_run_with_other_panels_now_is_named(registry: Registry, tmp_path: Path) -> None:
    for panel, seed in ((PANEL_A, 1), (PANEL_B, 2)):
        registry.panels.add(panel)
        registry.versions.add(panel, write_panel_folder(tmp_path / str(seed), seed), valid_from="beginning")
    registry.detectors.configure("xcs1", SOURCE, PANEL_A, first_run=1, last_run=9)
    registry.export("exp=xcs1:run=5", tmp_path / "registered never", at=MIDDLE)
    registry.export(f"jungfrau_{PANEL_A}", tmp_path / "by panels", at=MIDDLE)
    configure = {"first_run": 4, "last_run": 6, "supersede": True, "comment": "it was the other one"}
    for dry_run in (True, False):
        outcome = registry.detectors.configure("xcs1", SOURCE, PANEL_B, dry_run=dry_run, **configure)
        assert consequences(outcome.warnings) == [(1, "export", "changed", ["export 1"])]
    elsewhere = registry.detectors.configure(
        "xcs1", SOURCE, PANEL_B, first_run=1, last_run=2, supersede=True, comment="before run 3"
    )
    assert elsewhere.warnings == ()
