"""Rows of the look-ups at an instant: in short and long histories, as of now and of earlier revisions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import sqlalchemy as sa

from benchmarks import works
from benchmarks.bench import Bench, Scale
from benchmarks.history import Answer, History
from benchmarks.loading import load_history
from benchmarks.raw import prepare_raw_look_up, prepare_raw_ranges, to_raw_row
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Task, accept_any
from registry.api import Registry
from registry.database.driver_connections import DriverConnection
from registry.database.kept_statements import PreparedText
from registry.instants import Instant
from registry.records import Validity
from testing.registries import RegistryLocation


@dataclass(frozen=True, slots=True)
class LoadedHistory:
    """An open registry with a history."""

    scale: Scale
    dialect: str
    history: History
    location: RegistryLocation
    registry: Registry

    def make_query(self, instant: Instant, revision: int | None = None) -> Callable[[], Validity]:
        """Return the look-up of all panels, both kinds."""
        detector_id = self.history.detector_id
        return lambda: self.registry.validity(detector_id, at=instant, as_of=revision)


def measure_look_ups(bench: Bench) -> Iterator[Row]:
    """Measure look-ups on each database."""
    for dialect in bench.databases:
        with ExitStack() as closing:
            yield from _measure_look_ups_on(bench, dialect, closing)


def _measure_look_ups_on(bench: Bench, dialect: str, closing: ExitStack) -> Iterator[Row]:
    panels, (few, many) = bench.scale.look_up_panels, bench.scale.starts
    short = load(bench, dialect, History(panels, few), closing)
    long = load(bench, dialect, History(panels, many), closing)
    freed = load(bench, dialect, History(panels, many, withdrawn=True), closing)
    size, small = format_count(long.history.versions), format_count(short.history.versions)

    yield _compare_with_raw(bench, f"{panels} panels of {size}, head", long, closing)
    head = _make_head_task(short, 0.5)
    yield compare(bench, f"{small} -> {size}, head", long, _make_head_task(long, 0.5), head, 1.5)
    yield compare(
        bench, f"{small} -> {size}, 9 of 10 withdrawn", freed, _make_head_task(freed, 1.0), head, 1.5
    )
    for name, part in (("half", 0.5), ("an early one", 0.01)):
        yield _compare_as_of_with_head(bench, f"{size}, as of {name}", long, part)


def measure_worst(bench: Bench) -> Iterator[Row]:
    """Measure the worst case of the field's benchmark on each database."""
    for dialect in bench.databases:
        with ExitStack() as closing:
            yield from _measure_worst_on(bench, dialect, closing)


def _measure_worst_on(bench: Bench, dialect: str, closing: ExitStack) -> Iterator[Row]:
    scale = bench.scale
    huge = load(bench, dialect, History(scale.worst_panels, scale.worst_starts), closing)
    long = load(bench, dialect, History(scale.look_up_panels, scale.starts[1]), closing)
    size, other = format_count(huge.history.versions), format_count(long.history.versions)

    yield _compare_with_raw(bench, f"{scale.worst_panels} panels of {size}, head", huge, closing)
    ours = _make_head_task(huge, 0.5, share=huge.history.panels)
    baseline = _make_head_task(long, 0.5, share=long.history.panels)
    yield compare(bench, f"a panel of it, against one of {other}", huge, ours, baseline, 1.5)
    for name, part in (("half", 0.5), ("an early one", 0.01)):
        yield _compare_as_of_with_head(bench, f"{size}, as of {name}", huge, part)
    yield _measure_all_ranges(bench, huge, closing)


def _measure_all_ranges(bench: Bench, known: LoadedHistory, closing: ExitStack) -> Row:
    panel = known.history.panel_ids[0]
    raw = prepare_raw_ranges(known.location, panel, closing)

    def check(_: Path, validity: Validity) -> None:
        require_equal(sorted(map(to_raw_row, validity.versions), key=str), sorted(raw(), key=str))

    tasks = {
        "ours": Task(lambda _: works.validity(known.registry, panel), check=check),
        "baseline": Task(lambda _: raw()),
    }
    return make_timed_row(
        f"all {format_count(known.history.versions // known.history.panels)} ranges of a panel",
        bench.time(tasks, 7),
        database=known.dialect,
        statements=count_statements(lambda: works.validity(known.registry, panel)),
    )


def load(bench: Bench, dialect: str, history: History, closing: ExitStack) -> LoadedHistory:
    """Return a new registry with a history, removed when `closing` is."""
    location = bench.factory.make(dialect)
    closing.callback(bench.factory.remove, location)
    load_history(location, history)
    return LoadedHistory(bench.scale, dialect, history, location, closing.enter_context(location.open()))


def _compare_with_raw(bench: Bench, work: str, known: LoadedHistory, closing: ExitStack) -> Row:
    """Return the row of a look-up at the head against the raw statement for the same question."""
    instant = known.history.instant_at(0.5)
    raw = prepare_raw_look_up(known.location, known.history, instant, closing)
    ask = known.make_query(instant)
    require_equal(sorted(map(to_raw_row, ask().versions), key=str), sorted(raw(), key=str))
    seconds = bench.time(
        {"ours": _make_head_task(known, 0.5), "baseline": make_repeated_task(bench.scale, raw)}, 15
    )
    statements = count_statements(ask)
    return make_timed_row(
        work, seconds, database=known.dialect, reach=1.3, earlier_targets=(4,), statements=statements
    )


def compare(bench: Bench, work: str, known: LoadedHistory, ours: Task, baseline: Task, reach: float) -> Row:
    """Return the row of one look-up against another of ours."""
    seconds = bench.time({"ours": ours, "baseline": baseline}, 11)
    return make_timed_row(work, seconds, database=known.dialect, reach=reach)


def _compare_as_of_with_head(bench: Bench, work: str, known: LoadedHistory, part: float) -> Row:
    """Return the row of the hard case: after the last start, as of a revision before most versions."""
    instant, revision = known.history.instant_at(1.0), known.history.revision_after(part)
    ask = known.make_query(instant, revision)
    ours = make_repeated_task(bench.scale, ask, _make_check(_find_expected(known.history, instant, revision)))
    seconds = bench.time({"ours": ours, "baseline": _make_head_task(known, 1.0)}, 11)
    return make_timed_row(work, seconds, database=known.dialect, reach=3, statements=count_statements(ask))


def _make_head_task(known: LoadedHistory, part: float, share: int = 1) -> Task:
    instant = known.history.instant_at(part)
    expected = _find_expected(known.history, instant, known.history.revisions)
    return make_repeated_task(known.scale, known.make_query(instant), _make_check(expected), share)


def make_repeated_task(
    scale: Scale,
    call: Callable[[], object],
    check: Callable[[Path, Any], None] | None = None,
    share: int = 1,
) -> Task:
    """Return a task of enough calls for the clock; its time is that of one call, divided by `share`."""
    call()
    start = time.perf_counter()
    call()
    count = max(1, round(scale.run / (time.perf_counter() - start)))

    def run(_: Path) -> object:
        for _more in range(count - 1):
            call()
        return call()

    return Task(run, check=check or accept_any, calls=count * share)


def _make_check(expected: Answer) -> Callable[[Path, Validity], None]:
    def check(_: Path, validity: Validity) -> None:
        answer = {
            (version.panel, version.kind): (
                version.version,
                version.valid_from,
                version.valid_to,
                version.constants,
            )
            for version in validity.versions
        }
        require_equal(answer, expected)

    return check


@cache
def _find_expected(history: History, instant: int, revision: int) -> Answer:
    return history.find_naive_answer(instant, revision)


def require_equal(answer: object, expected: object) -> None:
    """Raise if an answer is wrong."""
    if answer != expected:
        raise AssertionError("a look-up's answer is not as expected")


def count_statements(call: Callable[[], object]) -> int:
    """Return the number of statements of one call, without those that begin a transaction."""
    call()
    with _record_statements() as statements:
        call()
    return len(statements)


@contextmanager
def _record_statements() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    fetch = DriverConnection.fetch

    def note_kept(connection: DriverConnection, prepared: PreparedText, parameters: Mapping[str, Any]) -> Any:
        statements.append(prepared.text)
        return fetch(connection, prepared, parameters)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        with mock.patch.object(DriverConnection, "fetch", note_kept):
            yield statements
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def format_count(number: int) -> str:
    """Write a number in few characters: 1e6, 5.2e6, 2.6e4."""
    digits, _, power = f"{number:.1e}".partition("e")
    return f"{float(digits):g}e{int(power)}"
