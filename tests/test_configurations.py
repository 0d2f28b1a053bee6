"""Detector configurations: which panels answer for a source over which runs, and how that is corrected."""

from __future__ import annotations

import itertools
import re
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry import sample
from registry.api import Registry
from registry.errors import ConflictError, IdentifierError, NotFoundError, RegistryError, Remedy, RequestError
from registry.records import Detector, Outcome
from registry.registration.configurations import ConfigurationStatement, record_configurations
from testing.panels import NEW_A, PANEL_A, PANEL_B, PANEL_C
from tests.refusals import assert_refused
from tests.selection import examples

EXPERIMENT = "xcsls3716"
SOURCE, OTHER, TENTH = (f"XcsEndstation.0:Jungfrau.{number}" for number in (0, 1, 10))
CONFIG_V1 = "psana.Jungfrau.ConfigV1"
DETECTOR = f"{PANEL_A}_{PANEL_B}"

Range = tuple[int, int | None, str]
Step = tuple[tuple[int, int | None], str, bool]

_experiments = (f"e{number}" for number in itertools.count(1))


def list_ranges(registry: Registry, experiment: str = EXPERIMENT, as_of: int | None = None) -> list[Range]:
    """Return (first run, last run, panels or object) of every configuration."""
    return [
        (item.first_run, item.last_run, "_".join(item.panels) or str(item.object_name))
        for item in registry.detectors.list(experiment, as_of=as_of)
    ]


def without_ids(registry: Registry, first_run: int, last_run: int | None, name: str = CONFIG_V1) -> Outcome:
    """Record a configuration whose object carries no panel Ids, as an imported table does."""
    statement = ConfigurationStatement(EXPERIMENT, SOURCE, first_run, last_run, (), name)
    return registry._backend.record_revision(
        lambda change: record_configurations(change, [statement], supersede=False)
    )


def test_a_configuration_applies_to_its_runs_from_the_first_to_the_last(registry: Registry) -> None:
    registry.panels.add(PANEL_A)
    outcome = registry.detectors.configure(
        EXPERIMENT, SOURCE, f"jungfrau_{DETECTOR}", first_run=5, last_run=9
    )
    assert outcome.facts == (
        f"+ panel {PANEL_B} (jungfrau)",
        f"+ detector of {EXPERIMENT} {SOURCE} runs 5-9: {DETECTOR}",
    )
    assert outcome.notes == (f"panel {PANEL_B} was not known; it is recorded with its detector",)
    registry.detectors.configure(EXPERIMENT, SOURCE, f"{PANEL_B}_{PANEL_A}", first_run=10)
    again = registry.detectors.configure(EXPERIMENT, SOURCE, DETECTOR, first_run=5, last_run=9)
    assert (again.revision, again.facts, again.notes) == (None, (), ())

    registry.runs.add(f"exp={EXPERIMENT}:run=9", begin="20180201000000")
    assert registry.detectors.show(f"exp={EXPERIMENT}:run=9") == Detector(
        experiment=EXPERIMENT,
        run=9,
        source=SOURCE,
        detector_id=DETECTOR,
        panels=(PANEL_A, PANEL_B),
        begin=registry.runs.list()[0].begin,
        object_name=None,
        segments=(0, 1),
    )
    for run, panels in ((5, DETECTOR), (10, f"{PANEL_B}_{PANEL_A}"), (2**31 - 1, f"{PANEL_B}_{PANEL_A}")):
        assert registry.detectors.show(f"exp={EXPERIMENT}:run={run}").detector_id == panels
    with pytest.raises(NotFoundError) as caught:
        registry.detectors.show(f"exp={EXPERIMENT}:run=4")
    assert str(caught.value) == (
        f"run 4 of {EXPERIMENT} is not known; near: 9; configured: runs 5-9 of {SOURCE}, 10-end of {SOURCE}"
    )
    registry.runs.add(f"exp={EXPERIMENT}:run=4")
    with assert_refused(NotFoundError, f"exp={EXPERIMENT}:run=4"):
        registry.detectors.show(f"exp={EXPERIMENT}:run=4")


def test_an_impossible_configuration_is_refused(registry: Registry) -> None:
    def refuse(
        *names: object,
        error_class: type[RegistryError] = IdentifierError,
        remedy: Remedy | None = None,
        **changed: object,
    ) -> None:
        arguments = {
            "experiment": EXPERIMENT,
            "source": SOURCE,
            "detector_id": DETECTOR,
            "first_run": 1,
        } | changed
        with assert_refused(error_class, *names, remedy=remedy):
            registry.detectors.configure(**arguments)

    refuse(PANEL_A, detector_id=f"{DETECTOR}_{PANEL_A}")
    refuse("write xcsls3716", experiment="XCSLS3716")
    refuse("'Jungfrau.0'", source="Jungfrau.0")
    refuse("write XcsEndstation.0:Jungfrau.1", source="XcsEndstation.0:Jungfrau.01")
    refuse("'M068'", detector_id="M068")
    refuse("'cspad'", detector_id=f"cspad_{PANEL_A}")
    refuse(PANEL_A, "jungfrau", detector_id=f"epix10ka_{PANEL_A}")
    refuse(f"write {PANEL_A}", detector_id=PANEL_A.upper())
    refuse("run 4", "run 5", error_class=RequestError, first_run=5, last_run=4)
    for number in (0, -1, 2**31, 10**40):
        refuse(f"'{number}'", "2147483647", first_run=number)
        refuse(f"'{number}'", "2147483647", last_run=number)
        with assert_refused(IdentifierError, number):
            registry.detectors.withdraw(EXPERIMENT, SOURCE, first_run=number, comment="no")
    for comment in (None, "  "):
        refuse(error_class=RequestError, remedy=Remedy.GIVE_COMMENT, supersede=True, comment=comment)
    assert registry.log() == []
    assert registry.panels.list() == []


def test_ranges_that_overlap_are_refused(registry: Registry) -> None:
    registry.detectors.configure(EXPERIMENT, SOURCE, DETECTOR, first_run=10, last_run=20)
    registry.detectors.configure(EXPERIMENT, SOURCE, DETECTOR, first_run=30)
    for first, last, overlapped in (
        (1, 10, "10-20"),
        (20, 25, "10-20"),
        (12, 15, "10-20"),
        (10, 20, "10-20"),
        (30, None, "30-end"),
        (25, 2**31 - 1, "30-end"),
        (40, 40, "30-end"),
        (1, None, "10-20, 30-end"),
    ):
        wanted = "40" if last == first else f"{first}-{'end' if last is None else last}"
        names = (f"{SOURCE} in {EXPERIMENT}, runs {runs}" for runs in (wanted, *overlapped.split(", ")))
        with assert_refused(ConflictError, *names, problems=1, remedy=Remedy.SUPERSEDE_CONFIGURATION):
            registry.detectors.configure(EXPERIMENT, SOURCE, PANEL_C, first_run=first, last_run=last)
    # The same panels over a part of the range are an overlap too: nothing is guessed to be meant.
    with assert_refused(ConflictError, "10-19", remedy=Remedy.SUPERSEDE_CONFIGURATION):
        registry.detectors.configure(EXPERIMENT, SOURCE, DETECTOR, first_run=10, last_run=19)
    assert PANEL_C not in {panel.panel for panel in registry.panels.list()}
    assert len(registry.log()) == 2
    for experiment, source, first, last in (
        (EXPERIMENT, SOURCE, 1, 9),
        (EXPERIMENT, SOURCE, 21, 29),
        (EXPERIMENT, OTHER, 10, 20),
        ("cxi11216", SOURCE, 1, None),
    ):
        registry.detectors.configure(experiment, source, PANEL_C, first_run=first, last_run=last)
    assert len(registry.log()) == 6


@pytest.mark.sqlite_suffices
def test_a_batch_that_overlaps_itself_is_refused_as_a_whole(registry: Registry, tmp_path: Path) -> None:
    def table(*rows: tuple[int, str, str]) -> Path:
        file = tmp_path / "datasets.txt"
        lines = [f"exp={EXPERIMENT}:run={run} {runs} {SOURCE} {panels}" for run, runs, panels in rows]
        file.write_text("\n".join(lines) + "\n")
        return file

    with assert_refused(ConflictError, problems=2, remedy=Remedy.SUPERSEDE_CONFIGURATION) as caught:
        registry.runs.import_table(table((9, "1-9", DETECTOR), (20, "9-20", PANEL_C), (30, "5-30", PANEL_C)))
    assert [re.findall(r"runs (\S+)", sentence) for sentence in caught.value.details] == [
        ["9-20", "1-9"],
        ["5-30", "1-9"],
    ]
    assert registry.log() == []
    assert registry.panels.list() == []
    assert registry.runs.list() == []

    twice = registry.runs.import_table(table((9, "1-9", DETECTOR), (9, "1-9", DETECTOR)))
    assert list_ranges(registry) == [(1, 9, DETECTOR)]
    assert [fact for fact in twice.facts if "run=9" in fact] == [
        f"+ run exp={EXPERIMENT}:run=9, begin not known"
    ]
    with assert_refused(ConflictError, "9-end", remedy=Remedy.SUPERSEDE_CONFIGURATION):
        registry.runs.import_table(table((9, "9-end", PANEL_C)))
    assert len(registry.log()) == 1


@pytest.mark.slow
def test_a_supersession_records_what_is_left_in_the_same_revision(registry: Registry) -> None:
    old, new = DETECTOR, PANEL_C
    cases: list[tuple[list[Range], tuple[int, int | None], list[Range]]] = [
        # what is configured; what supersedes; what is left
        ([(10, 20, old)], (5, 14), [(5, 14, new), (15, 20, old)]),
        ([(10, 20, old)], (15, 25), [(10, 14, old), (15, 25, new)]),
        ([(10, 20, old)], (12, 17), [(10, 11, old), (12, 17, new), (18, 20, old)]),
        ([(10, 20, old)], (10, 20), [(10, 20, new)]),
        ([(10, 20, old)], (1, None), [(1, None, new)]),
        ([(10, 20, old)], (20, 20), [(10, 19, old), (20, 20, new)]),
        ([(10, 20, old)], (10, 10), [(10, 10, new), (11, 20, old)]),
        ([(10, 20, old)], (21, 30), [(10, 20, old), (21, 30, new)]),
        ([(10, None, old)], (15, 20), [(10, 14, old), (15, 20, new), (21, None, old)]),
        ([(10, None, old)], (15, None), [(10, 14, old), (15, None, new)]),
        ([(10, None, old)], (10, None), [(10, None, new)]),
        (
            [(1, 4, old), (5, 9, NEW_A), (10, 20, old), (30, None, NEW_A)],
            (3, 12),
            [(1, 2, old), (3, 12, new), (13, 20, old), (30, None, NEW_A)],
        ),
        ([(1, 4, old), (8, 9, NEW_A), (20, None, old)], (3, None), [(1, 2, old), (3, None, new)]),
    ]
    for number, (before, (first, last), after) in enumerate(cases):
        experiment = f"case{number}"
        for first_run, last_run, panels in before:
            registry.detectors.configure(experiment, SOURCE, panels, first_run=first_run, last_run=last_run)

        supersede = partial(
            registry.detectors.configure,
            experiment,
            SOURCE,
            new,
            first_run=first,
            last_run=last,
            supersede=True,
            comment="cables",
        )
        dry = supersede(dry_run=True)
        assert list_ranges(registry, experiment) == before
        real = supersede()
        assert (dry.facts, dry.notes) == (real.facts, real.notes)
        assert real.revision is not None
        assert list_ranges(registry, experiment) == after
        assert list_ranges(registry, experiment, real.revision - 1) == before, "as it was"
        kept = [item for item in before if item in after]
        assert sum(fact.startswith("- detector") for fact in real.facts) == len(before) - len(kept)
        assert sum(fact.startswith("+ detector") for fact in real.facts) == len(after) - len(kept)
        assert supersede().revision is None, "said already"


def test_a_configuration_without_ids_overlaps_nothing_and_applies_only_where_no_other_does(
    registry: Registry,
) -> None:
    without_ids(registry, 1, 100)
    assert without_ids(registry, 1, 100).revision is None
    without_ids(registry, 50, None, "psana.Jungfrau.ConfigV2")
    registry.detectors.configure(EXPERIMENT, SOURCE, DETECTOR, first_run=10, last_run=20)
    without_ids(registry, 15, 30)

    def answer(run: int) -> tuple[str | None, str | None]:
        detector = registry.detectors.show(f"exp={EXPERIMENT}:run={run}")
        return detector.detector_id, detector.object_name

    assert answer(9) == answer(21) == (None, CONFIG_V1)
    assert answer(10) == answer(15) == answer(20) == (DETECTOR, None)
    assert answer(101) == (None, "psana.Jungfrau.ConfigV2")
    dataset, remedy = f"exp={EXPERIMENT}:run=9", Remedy.CONFIGURE_DETECTOR
    values = {"experiment": EXPERIMENT, "source": SOURCE, "first_run": 1}
    with assert_refused(NotFoundError, dataset, CONFIG_V1, remedy=remedy, **values):
        registry.constants(dataset, at="20180101000000")

    # What a hand supersedes is only what has Ids.
    registry.detectors.configure(
        EXPERIMENT, SOURCE, PANEL_C, first_run=1, last_run=200, supersede=True, comment="found in the logbook"
    )
    assert sorted(list_ranges(registry)) == [
        (1, 100, CONFIG_V1),
        (1, 200, PANEL_C),
        (15, 30, CONFIG_V1),
        (50, None, "psana.Jungfrau.ConfigV2"),
    ]
    withdrawn = registry.detectors.withdraw(EXPERIMENT, SOURCE, first_run=1, comment="wrong")
    assert withdrawn.facts == (f"- detector of {EXPERIMENT} {SOURCE} runs 1-200: {PANEL_C}",)
    assert answer(10) == (None, CONFIG_V1)
    withdrawn = registry.detectors.withdraw(
        EXPERIMENT, SOURCE, first_run=1, last_run=100, comment="wrong too"
    )
    assert withdrawn.facts == (f"- detector of {EXPERIMENT} {SOURCE} runs 1-100: {CONFIG_V1}",)


@pytest.mark.sqlite_suffices
def test_a_configuration_is_withdrawn_once(registry: Registry) -> None:
    def withdraw(first_run: int, **other: object) -> Outcome:
        arguments = {"source": SOURCE, "comment": "wrong cable"} | other
        return registry.detectors.withdraw(EXPERIMENT, first_run=first_run, **arguments)

    with assert_refused(NotFoundError, SOURCE, EXPERIMENT, "run 1"):
        withdraw(1)
    registry.detectors.configure(EXPERIMENT, SOURCE, DETECTOR, first_run=1, last_run=9)
    registry.detectors.configure(EXPERIMENT, SOURCE, DETECTOR, first_run=10)
    ranges = f"{SOURCE} in {EXPERIMENT}, runs 1-9, {SOURCE} in {EXPERIMENT}, runs 10-end"
    for arguments, names in (
        ({"first_run": 2}, ("run 2", ranges)),
        ({"first_run": 1, "last_run": 8}, ("run 1", "run 8", ranges)),
        ({"first_run": 1, "source": OTHER}, (OTHER, SOURCE)),
    ):
        with assert_refused(NotFoundError, *names):
            withdraw(**arguments)
    with assert_refused(NotFoundError, EXPERIMENT):
        registry.detectors.withdraw(f"{EXPERIMENT}x", SOURCE, first_run=1, comment="wrong cable")
    with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
        withdraw(1, comment=" ")
    assert len(registry.log()) == 2

    dry = withdraw(1, dry_run=True)
    assert list_ranges(registry) == [(1, 9, DETECTOR), (10, None, DETECTOR)]
    real = withdraw(1, last_run=9)
    assert dry.facts == real.facts == (f"- detector of {EXPERIMENT} {SOURCE} runs 1-9: {DETECTOR}",)
    for arguments in ({}, {"last_run": 9}):
        with assert_refused(ConflictError, SOURCE, EXPERIMENT, "run 1", withdrawn_in=3):
            withdraw(1, **arguments)
    assert list_ranges(registry) == [(10, None, DETECTOR)]
    with assert_refused(NotFoundError, EXPERIMENT, "10-end"):
        registry.detectors.show(f"exp={EXPERIMENT}:run=5")
    assert registry.detectors.show(f"exp={EXPERIMENT}:run=5", as_of=2).detector_id == DETECTOR
    assert registry.detectors.configure(EXPERIMENT, SOURCE, PANEL_C, first_run=1, last_run=9).revision == 4


@pytest.mark.sqlite_suffices
def test_a_source_may_be_a_part_that_fits_one(registry: Registry) -> None:
    dataset = f"exp={EXPERIMENT}:run=5"
    registry.detectors.configure(EXPERIMENT, OTHER, PANEL_A, first_run=1)
    assert registry.detectors.show(dataset).source == OTHER, "the only one need not be named"
    registry.detectors.configure(EXPERIMENT, TENTH, PANEL_B, first_run=1)
    registry.detectors.configure(EXPERIMENT, SOURCE, PANEL_C, first_run=6)
    for part, source in (
        ("Jungfrau.1", OTHER),
        (OTHER, OTHER),
        ("XcsEndstation.0:Jungfrau.10", TENTH),
        ("Jungfrau.10", TENTH),
    ):
        assert registry.detectors.show(dataset, source=part).source == source
    for part in (None, "XcsEndstation.0", "Jungfrau"):
        with assert_refused(RequestError, repr(part) if part else dataset, f"{OTHER}, {TENTH}"):
            registry.detectors.show(dataset, source=part)
    for part, known in (
        (SOURCE, f"near: {TENTH}, {OTHER}"),  # it answers from run 6 on
        ("Epix", f"known: {OTHER}, {TENTH}"),
        ("Jungfrau.", f"known: {OTHER}, {TENTH}"),
        ("ungfrau.1", f"known: {OTHER}, {TENTH}"),
        (".*", f"known: {OTHER}, {TENTH}"),
        ("", f"known: {OTHER}, {TENTH}"),
        ("x" * 10_000, f"known: {OTHER}, {TENTH}"),
    ):
        with assert_refused(NotFoundError, dataset, known) as caught:
            registry.detectors.show(dataset, source=part)
        assert len(str(caught.value)) < 250
    assert registry.detectors.show(f"exp={EXPERIMENT}:run=6", source="Jungfrau.0").source == SOURCE
    assert registry.detectors.show(dataset, as_of=1).source == OTHER


# Runs are few, so that ranges collide: the model is one list entry a run.

LAST = 12
ranges = st.tuples(st.integers(1, LAST), st.one_of(st.none(), st.integers(0, LAST))).map(
    lambda pair: (pair[0], None if pair[1] is None else min(pair[0] + pair[1], LAST))
)
steps = st.tuples(ranges, st.sampled_from([PANEL_A, PANEL_B, DETECTOR]), st.booleans())


def runs_of(first: int, last: int | None) -> range:
    """Return the places in the model of these runs."""
    return range(first - 1, LAST + 1 if last is None else last)


@pytest.mark.sqlite_suffices
@pytest.mark.slow
@given(history=st.lists(steps, min_size=2, max_size=6))
@settings(max_examples=examples(15))
def test_every_run_has_the_detector_that_was_stated_last(registry: Registry, history: list[Step]) -> None:
    experiment = next(_experiments)
    model: list[str | None] = [None] * (LAST + 1)  # the last one: every run after
    then: dict[int, list[str | None]] = {}
    for (first, last), panels, supersede in history:
        configure = partial(
            registry.detectors.configure, experiment, SOURCE, panels, first_run=first, last_run=last
        )
        known = (first, last, panels) in list_ranges(registry, experiment)
        if not known and not supersede and any(model[run] for run in runs_of(first, last)):
            with pytest.raises(ConflictError):
                configure()
            continue
        outcome = configure(supersede=supersede, comment="a step")
        assert (outcome.revision is None) is known
        for run in runs_of(first, last):
            model[run] = panels
        if outcome.revision is not None:
            then[outcome.revision] = model.copy()
    for revision, expected in then.items():
        answer: list[list[str]] = [[] for _ in model]
        for first, last, panels in list_ranges(registry, experiment, revision):
            for run in runs_of(first, last):
                answer[run].append(panels)
        assert answer == [[] if panels is None else [panels] for panels in expected]


@pytest.mark.sqlite_suffices
def test_a_withdrawn_configuration_comes_back_only_by_supersession(
    registry: Registry, tmp_path: Path
) -> None:
    sample.write_dataset_table(tmp_path / "datasets.txt")
    registry.runs.import_table(tmp_path / "datasets.txt")
    for experiment, source, first_run in (
        ("xcslr6316", "XcsEndstation.0:Jungfrau.1", 4),
        ("xcs11116", "XcsEndstation.0:Jungfrau.0", 4),  # ConfigV2
    ):
        registry.detectors.withdraw(experiment, source, first_run=first_run, comment="never mounted")
    with assert_refused(
        ConflictError, "revision 2", "revision 3", problems=2, remedy=Remedy.SUPERSEDE_CONFIGURATION
    ):
        registry.runs.import_table(tmp_path / "datasets.txt")
    assert len(registry.log()) == 3
    configure = partial(registry.detectors.configure, "xcslr6316", "XcsEndstation.0:Jungfrau.1", PANEL_C)
    assert configure(first_run=4, last_run=17, supersede=True, comment="it was").revision == 4


def test_a_table_supersedes_in_one_revision_and_keeps_what_is_left(
    registry: Registry, tmp_path: Path
) -> None:
    def table(*rows: tuple[int, str, str]) -> Path:
        file = tmp_path / "datasets.txt"
        lines = [f"exp={EXPERIMENT}:run={run} {runs} {SOURCE} {panels}" for run, runs, panels in rows]
        file.write_text("\n".join(lines) + "\n")
        return file

    registry.runs.import_table(table((9, "1-30", DETECTOR), (50, "50-end", DETECTOR)))
    registry.runs.withdraw(f"exp={EXPERIMENT}:run=9", comment="never taken")
    corrected = table((5, "5-9", PANEL_C), (20, "20-60", NEW_A), (9, "5-9", PANEL_C))
    with assert_refused(
        ConflictError, "5-9", "20-60", "run=9", problems=3, remedy=Remedy.SUPERSEDE
    ) as caught:
        registry.runs.import_table(corrected)
    assert caught.value.values["conflicts"] == list(caught.value.details)
    assert list_ranges(registry) == [(1, 30, DETECTOR), (50, None, DETECTOR)]
    dry = registry.runs.import_table(corrected, supersede=True, comment="of 2019", dry_run=True)
    assert list_ranges(registry) == [(1, 30, DETECTOR), (50, None, DETECTOR)]
    outcome = registry.runs.import_table(corrected, supersede=True, comment="of 2019")
    assert (outcome.revision, outcome.facts) == (3, dry.facts)
    # Two rows share what they leave of the first configuration.
    assert list_ranges(registry) == [
        (1, 4, DETECTOR),
        (5, 9, PANEL_C),
        (10, 19, DETECTOR),
        (20, 60, NEW_A),
        (61, None, DETECTOR),
    ]
    assert [run.run for run in registry.runs.list()] == [5, 9, 20, 50]
    assert registry.runs.import_table(corrected, supersede=True, comment="again").revision is None


@pytest.mark.sqlite_suffices
def test_rows_of_one_table_never_supersede_each_other(registry: Registry, tmp_path: Path) -> None:
    file = tmp_path / "datasets.txt"
    rows = (("1-20", DETECTOR), ("5-9", PANEL_C))
    registry.detectors.configure(EXPERIMENT, SOURCE, DETECTOR, first_run=1, last_run=20)
    for order in (rows, rows[::-1]):
        file.write_text(
            "".join(f"exp={EXPERIMENT}:run=5 {runs} {SOURCE} {panels}\n" for runs, panels in order)
        )
        with assert_refused(ConflictError, "5-9", "1-20", problems=1):
            registry.runs.import_table(file, supersede=True, comment="which?")
        with assert_refused(ConflictError, "5-9", "1-20", problems=1):
            registry.runs.import_table(file)
    assert list_ranges(registry) == [(1, 20, DETECTOR)]
