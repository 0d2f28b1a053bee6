"""Long listings in pages: the log and the versions, the newest first or all, as of every revision."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import pytest
import sqlalchemy as sa

from benchmarks.history import History
from benchmarks.loading import load_history
from registry.api import Registry, pages
from registry.database.change import Change
from registry.errors import NotFoundError, RequestError
from registry.instants import parse_instant
from registry.lookup import log, panel_histories, version_pages
from registry.lookup.fact_lines import Subject
from registry.lookup.runs import list_runs
from registry.records import Revision, Version
from registry.registration.planning import VersionStatement
from registry.registration.versions import record_constants, record_versions
from testing.panels import PANEL_A, PANEL_B, PANEL_C, SOURCE
from testing.registries import RegistryLocation
from tests.cli import Calreg
from tests.constants import constants_without_files
from tests.refusals import assert_refused
from tests.selection import keep_first, keep_first_rows

T = parse_instant("2018-01-01T00:00:00Z")
DAY = 86_400_000_000
CONSTANTS = {
    (kind, content): constants_without_files(kind, content) for kind in ("gain", "offset") for content in "AB"
}


def state(registry: Registry, *places: tuple[str, str, int, str], supersede: bool = False) -> None:
    """Record versions as one revision: panel, kind, day and content."""

    def record(change: Change) -> None:
        record_constants(change, list(CONSTANTS.values()))
        statements = [
            VersionStatement(
                panel, kind, parse_instant(f"2018-01-{day:02}T00:00:00Z"), CONSTANTS[kind, content].sha256
            )
            for panel, kind, day, content in places
        ]
        record_versions(change, statements, supersede=supersede)

    registry._backend.record_revision(record, "measured again" if supersede else None)


@pytest.fixture
def filled(registry: Registry) -> Registry:
    """A registry with facts of every sort, of two panels and of a third that little is recorded about."""
    registry.panels.add(PANEL_A, alias="M068")
    registry.panels.add(PANEL_B)
    state(registry, *((panel, kind, 1, "A") for panel in (PANEL_A, PANEL_B) for kind in ("gain", "offset")))
    registry.panels.add(PANEL_C)
    state(registry, (PANEL_C, "gain", 1, "A"))
    for day in range(2, 8):
        state(registry, (PANEL_A if day % 2 else PANEL_B, "gain", day, "A"))
    state(registry, *((PANEL_A, "offset", day, "AB"[day % 2]) for day in range(20, 1, -1)))
    state(registry, (PANEL_A, "gain", 3, "B"), (PANEL_B, "gain", 2, "B"), supersede=True)
    registry.versions.withdraw(1, 8, 9, comment="of another panel")
    registry.aliases.add("M088", [PANEL_B])
    registry.aliases.withdraw("M088", PANEL_B, comment="mixed up")
    for first in (1, 11, 21):
        registry.detectors.configure(
            "xcsls3716", SOURCE, f"{PANEL_A}_{PANEL_B}", first_run=first, last_run=first + 9
        )
    registry.detectors.configure("mfxlr1716", SOURCE, PANEL_C, first_run=1)
    registry.detectors.withdraw("xcsls3716", SOURCE, first_run=11, comment="wrong order")
    registry.runs.add("exp=xcsls3716:run=1", begin="2018-01-05T00:00:00Z")
    registry.tags.add("spring")
    state(registry, (PANEL_B, "gain", 7, "B"))
    return registry


@pytest.fixture(params=keep_first([3, 1]))
def page_size(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    size: int = request.param
    monkeypatch.setattr(pages, "PAGE_SIZE", size)
    return size


TARGETS = (None, PANEL_A, PANEL_B, PANEL_C, "M068", f"{PANEL_B}_{PANEL_A}")


def names_one(line: str, target: str) -> bool:
    return any(panel in line for panel in (PANEL_A if target == "M068" else target).split("_"))


@pytest.mark.slow
@pytest.mark.parametrize("walk", [False, True])
def test_the_log_of_a_target_is_what_of_the_whole_log_names_it(
    filled: Registry, page_size: int, walk: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if walk:  # as if the panels had many configurations
        monkeypatch.setattr(panel_histories, "_FEW_CONFIGURATIONS", 0)
    whole = filled.log()
    newest = len(whole)
    assert [revision.revision for revision in whole] == list(range(newest, 0, -1))
    assert [revision.change_count for revision in whole] == [len(revision.changes) for revision in whole]
    for target in TARGETS[1:]:
        assert target is not None
        lines = {
            revision.revision: tuple(line for line in revision.changes if names_one(line, target))
            for revision in whole
        }
        expected = {number: named for number, named in lines.items() if named}
        listed = {revision.revision: revision.changes for revision in filled.log(target)}
        assert listed == expected, target
        assert list(listed) == sorted(expected, reverse=True)


@pytest.mark.slow
def test_pages_of_the_log_follow_one_another(filled: Registry, page_size: int) -> None:
    for target in (None, PANEL_A, PANEL_C):
        for as_of in (None, 9):
            whole = filled.log(target, as_of=as_of)
            assert list(filled.iterate_log(target, as_of=as_of)) == whole
            for limit in (1, 4, len(whole), len(whole) + 1, 2**62):
                assert filled.log(target, as_of=as_of, limit=limit) == whole[:limit]
            joined: list[Revision] = []
            before = None
            while part := filled.log(target, as_of=as_of, before=before, limit=4):
                joined += part
                before = part[-1].revision
            assert joined == whole
            assert filled.log(target, as_of=as_of, before=1) == []
            assert filled.log(target, as_of=as_of, before=2**62, limit=1) == whole[:1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("revisions", "targets"),
    keep_first_rows([((None, 8), TARGETS[:2]), ((None, -2, 8), TARGETS), ((1,), TARGETS[:2])]),
)
def test_the_newest_versions_come_in_the_reverse_order_of_their_numbers(
    filled: Registry, page_size: int, revisions: Sequence[int | None], targets: Sequence[str | None]
) -> None:
    for as_of in revisions:
        for target in targets:
            for withdrawn in (False, True):
                listed = filled.versions.list(target, withdrawn=withdrawn, as_of=as_of)
                expected = sorted(listed, key=lambda version: -version.version)
                question = {"withdrawn": withdrawn, "as_of": as_of}
                assert filled.versions.list(target, **question, limit=2**62) == expected
                assert filled.versions.list(target, **question, limit=3) == expected[:3]
                for before in (2, 9):
                    below = [version for version in expected if version.version < before]
                    assert filled.versions.list(target, **question, before=before) == below
                    assert filled.versions.list(target, **question, before=before, limit=2) == below[:2]


@pytest.mark.slow
def test_all_versions_come_by_panel_kind_and_start(filled: Registry, page_size: int) -> None:
    order = {panel: number for number, panel in enumerate((PANEL_A, PANEL_B, PANEL_C))}

    def place(version: Version) -> tuple[Any, ...]:
        return order[version.panel], version.kind, version.valid_from, version.version

    every = filled.versions.list(withdrawn=True)
    assert sorted(version.version for version in every) == list(range(1, len(every) + 1))
    assert every == sorted(every, key=place)
    live = [version for version in every if version.withdrawn_in is None]
    assert filled.versions.list() == live
    assert len(every) - len(live) == 5, "three are withdrawn, two superseded"
    of_panels = filled.versions.list(f"{PANEL_B}_{PANEL_A}")
    assert of_panels == [
        version for panel in (PANEL_B, PANEL_A) for version in live if version.panel == panel
    ]
    assert list(filled.versions.iterate(PANEL_A, withdrawn=True)) == [
        version for version in every if version.panel == PANEL_A
    ]


@pytest.mark.slow
def test_runs_are_listed_in_pages_by_experiment_and_number(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (3, 1, 2):
        for experiment in ("xcs2", "xcs1"):
            registry.runs.add(f"exp={experiment}:run={number}", begin="2018-02-10T08:15:00Z")
    for day in (11, 12):
        begin = f"2018-02-{day}T08:15:00Z"
        registry.runs.add("exp=xcs1:run=2", begin=begin, supersede=True, comment="another time")
    registry.runs.withdraw("exp=xcs2:run=3", comment="never taken")
    arguments = [
        {"experiment": experiment, "withdrawn": withdrawn, "as_of": as_of}
        for experiment in (None, "xcs1", "xcs3")
        for withdrawn in (False, True)
        for as_of in (None, 4, 8)
    ]
    for size in (1, 2, 3, 500):
        monkeypatch.setattr(pages, "PAGE_SIZE", size)
        for options in arguments:
            with registry._backend.read_transaction(options["as_of"]) as view:
                experiments = None if options["experiment"] is None else {options["experiment"]}
                whole = list_runs(view.connection, view.revision, experiments, withdrawn=options["withdrawn"])
            assert list(registry.runs.iterate(**options)) == registry.runs.list(**options) == whole
    listed = [(run.experiment, run.run, run.withdrawn_in) for run in registry.runs.iterate(withdrawn=True)]
    of_xcs1 = [("xcs1", 1, None), ("xcs1", 2, 7), ("xcs1", 2, 8), ("xcs1", 2, None), ("xcs1", 3, None)]
    assert listed == [*of_xcs1, ("xcs2", 1, None), ("xcs2", 2, None), ("xcs2", 3, 9)]
    assert registry.runs.experiments() == ["xcs1", "xcs2"]
    assert registry.runs.experiments(as_of=1) == ["xcs2"]


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_what_is_recorded_between_two_pages_is_not_in_them(
    filled: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_SIZE", 2)
    newest = filled.log(limit=1)[0].revision
    listings: list[tuple[Callable[[], Iterator[Any]], list[Any]]] = [
        (filled.iterate_log, filled.log()),
        (lambda: filled.iterate_log(PANEL_B), filled.log(PANEL_B)),
        (filled.versions.iterate, filled.versions.list()),
        (lambda: filled.versions.iterate(PANEL_A), filled.versions.list(PANEL_A)),
        (lambda: filled.versions.iterate(limit=99), filled.versions.list(limit=99)),
        (lambda: filled.versions.iterate(PANEL_A, limit=99), filled.versions.list(PANEL_A, limit=99)),
        (lambda: filled.iterate_changes(12), list(filled.iterate_changes(12))),
        (filled.runs.iterate, filled.runs.list()),
    ]
    started = [(iterate(), expected) for iterate, expected in listings]
    read = [list(islice(items, 3)) for items, _ in started]
    filled.versions.withdraw(2, 3, 10, comment="all wrong")
    state(filled, (PANEL_A, "gain", 28, "A"), (PANEL_B, "offset", 2, "B"))
    for begun, (items, expected) in zip(read, started, strict=True):
        assert [*begun, *items] == expected
    assert filled.versions.list(as_of=newest) == listings[2][1]


@pytest.mark.slow
def test_a_long_revision_is_cut_and_read_in_pages(filled: Registry, page_size: int) -> None:
    whole = filled.log()
    for number in (1, 3, 12, 13):
        (revision,) = filled.log(before=number + 1, limit=1)
        assert list(filled.iterate_changes(number)) == list(revision.changes)
        (of_panel,) = filled.log(PANEL_A, before=number + 1, limit=1)
        assert list(filled.iterate_changes(number, PANEL_A)) == list(of_panel.changes)
    for most in (1, 2, 5):
        cut = filled.log(max_changes=most)
        assert [revision.changes for revision in cut] == [revision.changes[:most] for revision in whole]
        assert [revision.change_count for revision in cut] == [len(revision.changes) for revision in whole]
    assert {line[0] for line in filled.iterate_changes(13)} == {"+", "-"}, "superseded in one revision"
    assert list(filled.iterate_changes(13, PANEL_C)) == []
    assert next(filled.iterate_changes("spring")).startswith("+ run ")
    # An M-number stands for what bears it now, also in a revision before it did.
    assert list(filled.iterate_changes(12, "M068")) == list(filled.iterate_changes(12, PANEL_A))
    with assert_refused(NotFoundError, revision=99):
        list(filled.iterate_changes(99))


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_revisions_with_many_lines_make_short_pages(
    filled: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = filled.log()
    for most in (1, 5, 20, 1000):
        monkeypatch.setattr(log, "_MAX_LINES", most)
        assert filled.log() == whole
        assert filled.log(limit=7) == whole[:7]


@pytest.mark.parametrize("wrong", [0, -1, True, "20", 1.5])
def test_a_limit_is_a_number_of_at_least_one(registry: Registry, wrong: Any) -> None:
    for option in ("limit", "before"):
        for refuse in (registry.log, registry.iterate_log, registry.versions.list, registry.versions.iterate):
            with assert_refused(RequestError, wrong):
                refuse(**{option: wrong})


def test_nothing_is_listed_of_an_empty_registry(registry: Registry) -> None:
    assert registry.log(limit=20) == list(registry.iterate_log()) == []
    assert registry.versions.list(limit=20) == list(registry.versions.iterate(withdrawn=True)) == []
    for refuse in (registry.iterate_log, registry.versions.iterate):
        with assert_refused(NotFoundError, panels=[PANEL_A]):
            list(refuse(PANEL_A, limit=1))


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_cut_list_says_how_to_go_on(filled: Registry, calreg: Calreg) -> None:
    newest = filled.log(limit=1)[0].revision
    for verb, key in (("log", "revision"), ("version list", "version")):
        listed: list[int] = []
        following: list[str] = []
        while True:
            done = calreg.run(*verb.split(), PANEL_A, "--limit", "4", *following, "--json")
            listed += [item[key] for item in done.json]
            if not done.stderr:
                break
            assert done.stderr == f"note: there are more; --before {listed[-1]} lists the next ones\n"
            following = ["--before", str(listed[-1])]
        assert listed == sorted(listed, reverse=True)
        whole = calreg.run(*verb.split(), PANEL_A, "--json").json
        assert sorted(listed) == sorted(item[key] for item in whole)
        exact = calreg.run(*verb.split(), PANEL_A, "--limit", str(len(whole)))
        assert exact.stderr == "", "a list that is complete"
        assert "--before" in calreg.run(*verb.split(), PANEL_A, "--limit", str(len(whole) - 1)).stderr
        nothing = calreg.run(*verb.split(), "--before", "1")
        assert (nothing.stdout, nothing.stderr) == ("", "")
        assert calreg.run(*verb.split(), "--before", "1", "--json").json == []
    text = calreg.run("log", "--limit", "1").stdout
    assert text.startswith(f"revision {newest}  ")
    assert text.count("\n    ") == 1
    earlier = calreg.run("version", "list", "--limit", "1", "--as-of", "5", "--json").json
    assert [version["version"] for version in earlier] == [5]


@pytest.mark.parametrize("value", ["0", "-3", "many", "1.5", ""])
def test_a_limit_that_cannot_be_is_refused_on_the_command_line(sqlite_calreg: Calreg, value: str) -> None:
    for verb in ("log", "version list"):
        for option in ("--limit", "--before"):
            done = sqlite_calreg(*verb.split(), option, value, "--json")
            assert (done.code, done.stdout, done.error["code"]) == (2, "", 2)
            assert sqlite_calreg(*verb.split(), f"{option}={value}").code == 2


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_the_text_of_a_long_revision_shows_its_first_changes(
    filled: Registry, calreg: Calreg, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("registry.cli.log._CHANGES_SHOWN", 2)
    monkeypatch.setattr("registry.cli.log._CHANGES_READ", 3)
    monkeypatch.setattr(pages, "PAGE_SIZE", 4)
    (revision,) = filled.log(before=13, limit=1)
    assert revision.change_count == 19
    lines = calreg.run("log", "--before", "13", "--limit", "1").stdout.splitlines()
    assert lines[-3:] == [
        *(f"    {line}" for line in revision.changes[:2]),
        "    ... and 17 more; --json lists all",
    ]
    for target in ([], ["M068"]):
        answer = calreg.run("log", *target, "--before", "13", "--limit", "1", "--json").json
        assert answer[0]["changes"] == list(revision.changes)
        assert answer[0]["change_count"] == 19


@pytest.mark.slow
def test_the_first_pages_are_read_from_indexes_alone(sqlite_location: RegistryLocation) -> None:
    """No page scans or sorts a table: its cost would grow with the history."""
    statements = [
        (log._read_revisions, (10, 5, log.LogScope())),
        (log._read_revisions, (10, 5, log.LogScope(Subject([1, 2])))),
        *(
            (list_versions, (panels, revision, below, 5, withdrawn))
            for list_versions in (_newest, _in_order)
            for panels in (None, [1])
            for revision in (None, 7)
            for below in (10,)
            for withdrawn in (False, True)
        ),
    ]
    load_history(sqlite_location, History(2, 4))
    plans: dict[str, list[str]] = {}
    with sqlite_location.open() as registry, registry._backend.read_transaction() as view:
        texts: list[tuple[str, Any]] = []
        sa.event.listen(
            view.connection, "before_cursor_execute", lambda *args: texts.append((args[2], args[3]))
        )
        for read, arguments in statements:
            read(view.connection, *arguments)  # type: ignore[operator]
        for text, parameters in texts.copy():
            rows = view.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters)
            plans[text] = [row[3] for row in rows]
    assert len(plans) > 20
    # Small results, the values of a parameter, and indexes in whose order a page is read.
    small = ["numbers", "alias_", "version_", "configuration_", "CONSTANT", "first"]
    small += ["anon_1 VIRTUAL TABLE", "json_each VIRTUAL TABLE"]
    ordered = ["version USING INDEX uq_version_live", "version USING COVERING INDEX ix_version_as_of"]
    for text, plan in plans.items():
        scanned = [step.removeprefix("SCAN ") for step in plan if step.startswith("SCAN ")]
        assert [table for table in scanned if not table.startswith((*small, *ordered))] == [], text
        if text.startswith("SELECT version.id \n"):
            assert "USE TEMP B-TREE FOR ORDER BY" not in plan, text


def _newest(
    connection: sa.Connection, panels: Any, revision: Any, below: int, count: int, withdrawn: bool
) -> None:
    version_pages.list_newest_versions(connection, panels, revision, below, count, withdrawn=withdrawn)


def _in_order(
    connection: sa.Connection, panels: Any, revision: Any, after: int, count: int, withdrawn: bool
) -> None:
    for number in (None, 1):
        version_pages.list_versions_after(connection, panels, revision, number, count, withdrawn=withdrawn)


@pytest.mark.sqlite_suffices
@pytest.mark.slow
def test_a_long_listing_is_written_while_it_is_read(
    filled: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from registry.cli import output

    monkeypatch.setattr(pages, "PAGE_SIZE", 2)

    def stop_after(items: Sequence[Any] | Iterator[Any], number: int) -> Iterator[Any]:
        yield from islice(items, number)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        output.print_json(stop_after(filled.iterate_log(), 3))
    written = capsys.readouterr().out
    newest = filled.log(limit=1)[0].revision
    answer = json.loads(f"{written}]")
    assert [revision["revision"] for revision in answer] == [newest, newest - 1, newest - 2]
