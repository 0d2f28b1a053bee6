"""Runs: when they began, and what that means for the constants of an export."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry import sample
from registry.api import Registry
from registry.errors import (
    ConflictError,
    IdentifierError,
    InstantError,
    NotFoundError,
    NotValidError,
    Remedy,
    RequestError,
)
from registry.instants import parse_instant
from registry.records import Run
from testing.panels import PANEL_A, write_panel_folder
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.refusals import assert_refused

pytestmark = pytest.mark.small_panels

DATASET = "exp=xcsls3716:run=631"
BEGIN, LATER, END = "2018-02-01T10:00:00Z", "2018-02-01T11:00:00Z", "2018-02-01T12:00:00Z"
SOURCE = "XcsEndstation.0:Jungfrau.0"


def times(registry: Registry, dataset: str = DATASET) -> tuple[str | None, str | None]:
    run = registry.runs.show(dataset)
    return run.begin and str(run.begin), run.end and str(run.end)


def test_a_run_is_recorded_once(registry: Registry) -> None:
    added = registry.runs.add(DATASET, begin=BEGIN, end=END)
    assert (added.revision, added.facts) == (1, (f"+ run {DATASET}, {BEGIN} to {END}",))
    assert registry.runs.show(DATASET) == Run(
        "xcsls3716", 631, parse_instant(BEGIN), parse_instant(END), recorded_in=1, withdrawn_in=None
    )
    for known in ({"begin": BEGIN, "end": END}, {"begin": BEGIN}, {"end": END}, {}):
        again = registry.runs.add(DATASET, **known)
        assert (again.revision, again.facts) == (None, ()), "saying less takes nothing away"
    registry.runs.add("exp=xcsls3716:run=7")
    registry.runs.add("exp=cxi11216:run=54", begin="20180201020304")
    assert [(run.experiment, run.run) for run in registry.runs.list()] == [
        ("cxi11216", 54),
        ("xcsls3716", 7),
        ("xcsls3716", 631),
    ]
    assert [run.run for run in registry.runs.list("xcsls3716")] == [7, 631]
    assert [run.run for run in registry.runs.list("xcsls3716", as_of=1)] == [631]
    assert registry.runs.list("nobody") == []
    assert times(registry, "exp=cxi11216:run=54") == ("2018-02-01T02:03:04Z", None)


def test_a_run_known_without_a_time_receives_it(registry: Registry) -> None:
    registry.runs.add(DATASET)
    assert times(registry) == (None, None)
    dry = registry.runs.add(DATASET, begin=BEGIN, dry_run=True)
    assert times(registry) == (None, None)
    real = registry.runs.add(DATASET, begin=BEGIN)
    assert dry.facts == real.facts == (f"- run {DATASET}, begin not known", f"+ run {DATASET}, begin {BEGIN}")
    assert registry.runs.add(DATASET, end=END).revision == 3
    assert times(registry) == (BEGIN, END)
    assert registry.runs.show(DATASET, as_of=1).begin is None
    assert registry.runs.show(DATASET, as_of=2).end is None


def test_another_start_time_is_a_conflict_until_it_supersedes(registry: Registry) -> None:
    registry.runs.add(DATASET, begin=BEGIN, end=END)
    with assert_refused(ConflictError, DATASET, BEGIN, END, LATER, problems=1, remedy=Remedy.SUPERSEDE_RUN):
        registry.runs.add(DATASET, begin=LATER)
    with assert_refused(ConflictError, LATER, remedy=Remedy.SUPERSEDE_RUN):
        registry.runs.add(DATASET, end=LATER)
    for comment in (None, " "):
        with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
            registry.runs.add(DATASET, begin=LATER, supersede=True, comment=comment)
    assert len(registry.log()) == 1
    outcome = registry.runs.add(DATASET, begin=LATER, supersede=True, comment="clock was wrong")
    assert outcome.revision == 2
    assert times(registry) == (LATER, END), "the end that was not spoken of stays"
    assert str(registry.runs.show(DATASET, as_of=1).begin) == BEGIN
    assert registry.runs.add(DATASET, begin=LATER, supersede=True, comment="again").revision is None


def test_a_run_does_not_end_before_it_starts(registry: Registry) -> None:
    with assert_refused(RequestError, DATASET, BEGIN, LATER, problems=1):
        registry.runs.add(DATASET, begin=LATER, end=BEGIN)
    assert registry.log() == []
    registry.runs.add(DATASET, begin=LATER)
    with assert_refused(RequestError, DATASET, BEGIN, LATER, problems=1):
        registry.runs.add(DATASET, end=BEGIN)
    registry.runs.add(DATASET, end=LATER)  # of no length, and legal
    with assert_refused(RequestError, LATER, END):
        registry.runs.add(DATASET, begin=END, supersede=True, comment="clock was wrong")
    assert times(registry) == (LATER, LATER)
    assert len(registry.log()) == 2


def test_malformed_datasets_and_times_are_refused(registry: Registry) -> None:
    for dataset, named in {
        "xcsls3716:631": "'xcsls3716:631'",
        "exp=XCSLS3716:run=631": "write xcsls3716",
        "exp=xcsls3716:run=0": "'0'",
        "exp=xcsls3716:run=-1": "'-1'",
        "exp=xcsls3716:run=2147483648": "'2147483648'",
        "exp=../x:run=1": "'../x'",
        f"exp=xcsls3716:run={'9' * 10_000}": "(10000 characters)",
    }.items():
        for call in (
            lambda dataset=dataset: registry.runs.add(dataset, begin=BEGIN),
            lambda dataset=dataset: registry.runs.show(dataset),
            lambda dataset=dataset: registry.runs.withdraw(dataset, comment="no"),
        ):
            with assert_refused(IdentifierError, named):
                call()
    for begin in ("2018-02-30", "beginning", "tomorrow", ""):
        with pytest.raises(InstantError):
            registry.runs.add(DATASET, begin=begin)
    assert registry.log() == []
    assert registry.runs.add("exp=xcsls3716:run=2147483647", begin=BEGIN).revision == 1


def test_a_run_is_withdrawn_once(registry: Registry) -> None:
    registry.runs.add(DATASET, begin=BEGIN)
    with assert_refused(RequestError, remedy=Remedy.GIVE_COMMENT):
        registry.runs.withdraw(DATASET, comment="")
    dry = registry.runs.withdraw(DATASET, comment="not ours", dry_run=True)
    assert times(registry) == (BEGIN, None)
    real = registry.runs.withdraw(DATASET, comment="not ours")
    assert dry.facts == real.facts == (f"- run {DATASET}, begin {BEGIN}",)
    assert registry.runs.list() == []
    with assert_refused(ConflictError, DATASET, withdrawn_in=2):
        registry.runs.withdraw(DATASET, comment="again")
    with assert_refused(NotFoundError, "xcsls3716"):
        registry.runs.withdraw("exp=xcsls3716:run=630", comment="never was")
    assert len(registry.log()) == 2
    assert registry.runs.add(DATASET, begin=LATER).revision == 3, "a withdrawn run may be registered anew"
    assert registry.runs.withdraw(DATASET, comment="and off").revision == 4


@pytest.mark.slow
def test_near_runs_and_experiments_are_named(registry: Registry) -> None:
    for run in (1, 5, 6, 8, 12, 100, 631):
        registry.runs.add(f"exp=xcsls3716:run={run}", begin=BEGIN)
    registry.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=600, last_run=700)
    registry.detectors.configure("cxi11216", SOURCE, PANEL_A, first_run=1)
    for ask in (
        registry.runs.show,
        lambda dataset: registry.runs.withdraw(dataset, comment="no"),
        registry.detectors.show,
    ):
        with assert_refused(NotFoundError, "7", "1, 5, 6, 8, 12", "600-700", SOURCE):
            ask("exp=xcsls3716:run=7")
        with assert_refused(NotFoundError, "xcsls3717", "xcsls3716"):
            ask("exp=xcsls3717:run=7")
        with assert_refused(NotFoundError, "mfx", "cxi11216, xcsls3716"):
            ask("exp=mfx:run=7")


@pytest.mark.slow
def test_the_constants_of_a_run_are_those_valid_at_its_start_time(registry: Registry, tmp_path: Path) -> None:
    early, late = (
        write_panel_folder(tmp_path / name, seed) for seed, name in enumerate(("early", "late"), 1)
    )
    middle = "2018-02-01T11:30:00Z"
    registry.panels.add(PANEL_A)
    registry.versions.add(PANEL_A, early, valid_from=BEGIN)
    registry.versions.add(PANEL_A, late, valid_from=middle, kinds=["gain"])
    registry.detectors.configure("xcsls3716", SOURCE, PANEL_A, first_run=1)

    def choose(run: int, at: str | None = None) -> tuple[list[int], tuple[str, ...]]:
        document = registry.constants(f"exp=xcsls3716:run={run}", at=at, types=["pixel_gain"]).provenance
        (panel,) = document.resolution.panels
        assert document.request.at == at
        assert document.resolution.instant_is == ("request" if at else "begin of the run")
        return [constants.version for constants in panel.constants], document.warnings

    for run, begin, end in (
        (1, BEGIN, END),
        (2, BEGIN, middle),
        (3, BEGIN, "2018-02-01T11:29:59.999999Z"),
        (4, middle, END),
        (5, BEGIN, None),
        (6, None, END),
    ):
        registry.runs.add(f"exp=xcsls3716:run={run}", begin=begin, end=end)

    def inside(run: int, end: str, taken: str) -> str:
        return (
            f"another gain of {PANEL_A} starts at {middle}, during exp=xcsls3716:run={run} (until {end});"
            f" the one valid at {taken} is used for the whole run"
        )

    assert choose(1) == ([1], (inside(1, END, "its start time"),))
    assert choose(2) == ([1], (inside(2, middle, "its start time"),))
    assert choose(3) == ([1], ())
    assert choose(4) == ([3], ())
    assert choose(5) == ([1], ()), "it is not known when it ended"

    # A time that overrides the start time is used, with a warning.
    override = f"exp=xcsls3716:run=4 started at {middle}; the constants of {LATER} are used, as requested"
    assert choose(4, at=LATER) == ([1], (override,)), "what starts with the run does not start during it"
    assert choose(4, at=middle) == ([3], ()), "the start time itself overrides nothing"
    document = registry.constants("exp=xcsls3716:run=4", at=LATER, types=["pixel_gain"]).provenance
    assert document.resolution.run is not None
    assert (document.resolution.run.begin, document.resolution.instant) == (middle, LATER)

    # For a run without a start time a time must be given.
    for run in (6, 7):
        with assert_refused(
            NotValidError, remedy=Remedy.RECORD_START_TIME, dataset=f"exp=xcsls3716:run={run}"
        ):
            choose(run)
    assert choose(6, at=LATER) == ([1], (inside(6, END, LATER),))
    assert choose(7, at=LATER) == ([1], ())
    with assert_refused(NotValidError, BEGIN):
        choose(7, at="2018-02-01T09:59:59.999999Z")


def test_withdrawn_runs_are_shown_by_number(registry: Registry) -> None:
    for run in (7, 5, 12, 6):
        registry.runs.add(f"exp=xcsls3716:run={run}")
    registry.runs.add("exp=xcsls3716:run=5", begin=BEGIN, supersede=True, comment="its time is known")
    dry = registry.runs.withdraw("exp=xcsls3716:run=5-12", comment="not ours", dry_run=True)
    done = registry.runs.withdraw("exp=xcsls3716:run=5-12", comment="not ours")
    assert [fact.split(",")[0] for fact in done.facts] == [
        f"- run exp=xcsls3716:run={run}" for run in (5, 6, 7, 12)
    ]
    assert dry.facts == done.facts


def test_a_withdrawn_run_comes_back_only_by_supersession(registry: Registry, tmp_path: Path) -> None:
    sample.write_dataset_table(tmp_path / "datasets.txt")
    registry.runs.import_table(tmp_path / "datasets.txt")
    registry.runs.withdraw("exp=xcslr6316:run=17", comment="never taken")
    with assert_refused(ConflictError, "exp=xcslr6316:run=17", "revision 2", remedy=Remedy.SUPERSEDE_RUN):
        registry.runs.import_table(tmp_path / "datasets.txt")
    assert len(registry.log()) == 2
    registry.runs.add("exp=xcslr6316:run=17", supersede=True, comment="taken after all")
    assert registry.runs.import_table(tmp_path / "datasets.txt").revision is None


def test_withdrawn_runs_and_detectors_are_listed_on_request_as_of_any_revision(registry: Registry) -> None:
    registry.runs.add(DATASET, begin=BEGIN)
    registry.runs.withdraw(DATASET, comment="not ours")
    registry.runs.add(DATASET, begin=LATER)
    registry.detectors.configure("xcsls3716", "X.0:Jungfrau.0", PANEL_A, first_run=1)
    registry.detectors.withdraw("xcsls3716", "X.0:Jungfrau.0", first_run=1, comment="not ours")
    every = registry.runs.list("xcsls3716", withdrawn=True)
    assert [(str(run.begin), run.recorded_in, run.withdrawn_in) for run in every] == [
        (BEGIN, 1, 2),
        (LATER, 3, None),
    ]
    (then,) = registry.runs.list(withdrawn=True, as_of=1)
    assert then.withdrawn_in is None
    assert [run.recorded_in for run in registry.runs.list()] == [3]
    (gone,) = registry.detectors.list(withdrawn=True)
    assert (gone.recorded_in, gone.withdrawn_in) == (4, 5)
    assert registry.detectors.list() == []


@pytest.mark.slow
def test_the_list_of_all_shows_what_was_withdrawn(
    sqlite_location: RegistryLocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    calreg = Calreg(sqlite_location, monkeypatch)
    calreg.run("run", "add", DATASET, "--begin", BEGIN)
    calreg.run("run", "withdraw", DATASET, "--comment", "not ours")
    calreg.run("detector", "configure", "xcsls3716", "X.0:Jungfrau.0", PANEL_A, "--first-run", "1")
    calreg.run("detector", "withdraw", "xcsls3716", "X.0:Jungfrau.0", "--first-run", "1", "--comment", "no")
    assert calreg.run("run", "list").stdout == "experiment  run  begin  end  revision\n"
    heading, row = calreg.run("run", "list", "--all").stdout.splitlines()
    assert heading.split()[-2:] == ["withdrawn", "in"]
    assert row.split() == ["xcsls3716", "631", BEGIN, "1", "2"]
    assert calreg.run("detector", "list").stdout == ""
    assert "runs 1-end  (revision 3, withdrawn in 4)\n" in calreg.run("detector", "list", "--all").stdout


def test_runs_are_withdrawn_by_ranges_in_one_revision(registry: Registry) -> None:
    for run in (2, 5, 6, 7, 9, 12, 13, 20, 21):
        registry.runs.add(f"exp=xcs1:run={run}", begin=BEGIN)
    registry.runs.add("exp=xcs2:run=6", begin=BEGIN)
    registry.runs.withdraw("exp=xcs1:run=7", comment="alone")
    dry = registry.runs.withdraw("exp=xcs1:run=5-9,12", comment="a test", dry_run=True)
    real = registry.runs.withdraw("exp=xcs1:run=5-9,12", comment="a test")
    assert dry.facts == real.facts == tuple(f"- run exp=xcs1:run={n}, begin {BEGIN}" for n in (5, 6, 9, 12))
    assert (dry.revision, real.revision) == (None, 12)
    (note,) = real.notes
    assert all(text in note for text in ("4 recorded runs", "5-6,9,12", "1 more withdrawn before: 7"))
    assert [run.run for run in registry.runs.list("xcs1")] == [2, 13, 20, 21]
    assert [run.run for run in registry.runs.list("xcs2")] == [6]
    # Ranges may overlap and be open; a number that repeats is one run.
    registry.runs.withdraw("exp=xcs1:run=12-13,13,20-end,1-20", comment="the rest")
    assert registry.runs.list("xcs1") == []


def test_what_cannot_be_withdrawn_is_refused_all_at_once(registry: Registry) -> None:
    for run in (5, 6, 7, 12):
        registry.runs.add(f"exp=xcs1:run={run}", begin=BEGIN)
    registry.runs.withdraw("exp=xcs1:run=6-7", comment="not ours")
    newest = len(registry.log())

    def refuse(error: type[NotFoundError | ConflictError], runs: str, *names: object, problems: int) -> None:
        with assert_refused(error, "xcs1", *names, problems=problems):
            registry.runs.withdraw(f"exp=xcs1:run={runs}", comment="no")

    refuse(ConflictError, "6", "revision 5", problems=1)
    refuse(ConflictError, "5,6", "run=6", problems=1)
    refuse(ConflictError, "5-7,6-7,7", "6-7", "run=7", "revision 5", problems=2)
    refuse(NotFoundError, "5,13", "run 13 ", problems=1)
    refuse(NotFoundError, "5,6,8-11,13,20-end", "run=6", "8-11", "run 13 ", "20-end", problems=4)
    refuse(NotFoundError, "8-11", "8-11", problems=1)
    with assert_refused(NotFoundError, near=[5, 12], runs=["8-11", "13"]):
        registry.runs.withdraw("exp=xcs1:run=8-11,13", comment="no")
    with assert_refused(NotFoundError, "xcs9", near=["xcs1"], experiment="xcs9"):
        registry.runs.withdraw("exp=xcs9:run=1-1000000000", comment="no")
    assert len(registry.log()) == newest
    assert registry.runs.withdraw("exp=xcs1:run=1-2147483647", comment="all").revision == newest + 1


def test_malformed_ranges_of_runs_are_refused(registry: Registry) -> None:
    for runs, named in {
        "": "''",
        "5-": "'5-'",
        "-5": "'-5'",
        "9-5": "'9-5'",
        "5,": "''",
        "5, 6": "' 6'",
        "5..6": "'5..6'",
        "0-3": "'0'",
        "1-2147483648": "'2147483648'",
        "end": "'end'",
        "1-2-3": "'1-2-3'",
        "\u0661": "'\u0661'",
        ",".join(map(str, range(1, 1003))): "1000 ranges",
    }.items():
        with assert_refused(IdentifierError, named):
            registry.runs.withdraw(f"exp=xcs1:run={runs}", comment="no")
    assert registry.log() == []
