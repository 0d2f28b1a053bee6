"""Rows of the look-ups: what is valid at an instant, in short and long histories, now and as of earlier."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks import works
from benchmarks.bench import Bench, Scale
from benchmarks.history import Answer, History
from benchmarks.loading import load
from benchmarks.places import Place
from benchmarks.raw import as_raw, raw_look_up, raw_ranges
from benchmarks.rows import Row, timed_row
from benchmarks.timing import Task, unchecked
from registry.api import Registry
from registry.instants import Instant
from registry.records import Validity


@dataclass(frozen=True, slots=True)
class Known:
    """A registry that holds a history, open."""

    scale: Scale
    dialect: str
    history: History
    place: Place
    registry: Registry

    def ask(self, instant: Instant, revision: int | None = None) -> Callable[[], Validity]:
        """Return the look-up of all panels, both kinds."""
        detector_id = self.history.detector_id
        return lambda: self.registry.validity(detector_id, at=instant, as_of=revision)


def look_ups(bench: Bench) -> Iterator[Row]:
    """Measure look-ups on each database."""
    for dialect in bench.databases:
        with ExitStack() as closing:
            yield from _look_ups_on(bench, dialect, closing)


def _look_ups_on(bench: Bench, dialect: str, closing: ExitStack) -> Iterator[Row]:
    asked, (few, many) = bench.scale.asked, bench.scale.starts
    short = _known(bench, dialect, History(asked, few), closing)
    long = _known(bench, dialect, History(asked, many), closing)
    freed = _known(bench, dialect, History(asked, many, withdrawn=True), closing)
    size, small = _short(long.history.versions), _short(short.history.versions)

    yield _against_raw(bench, f"{asked} panels of {size}, head", long, closing)
    head = _head(short, 0.5)
    yield _compared(bench, f"{small} -> {size}, head", long, _head(long, 0.5), head, 1.5)
    yield _compared(bench, f"{small} -> {size}, 9 of 10 withdrawn", freed, _head(freed, 1.0), head, 1.5)
    for name, part in (("half", 0.5), ("an early one", 0.01)):
        yield _as_of_against_head(bench, f"{size}, as of {name}", long, part)


def worst(bench: Bench) -> Iterator[Row]:
    """Measure the worst case of the field's benchmark on each database."""
    for dialect in bench.databases:
        with ExitStack() as closing:
            yield from _worst_on(bench, dialect, closing)


def _worst_on(bench: Bench, dialect: str, closing: ExitStack) -> Iterator[Row]:
    scale = bench.scale
    huge = _known(bench, dialect, History(scale.worst_panels, scale.worst_starts), closing)
    long = _known(bench, dialect, History(scale.asked, scale.starts[1]), closing)
    size, other = _short(huge.history.versions), _short(long.history.versions)

    yield _against_raw(bench, f"{scale.worst_panels} panels of {size}, head", huge, closing)
    ours = _head(huge, 0.5, share=huge.history.panels)
    baseline = _head(long, 0.5, share=long.history.panels)
    yield _compared(bench, f"a panel of it, against one of {other}", huge, ours, baseline, 1.5)
    for name, part in (("half", 0.5), ("an early one", 0.01)):
        yield _as_of_against_head(bench, f"{size}, as of {name}", huge, part)
    yield _all_ranges(bench, huge, closing)


def _all_ranges(bench: Bench, known: Known, closing: ExitStack) -> Row:
    panel = known.history.panel_ids[0]
    raw = raw_ranges(known.place, panel, closing)

    def check(_: Path, found: Validity) -> None:
        _must_equal(sorted(map(as_raw, found.versions), key=str), sorted(raw(), key=str))

    tasks = {
        "ours": Task(lambda _: works.validity(known.registry, panel), check=check),
        "baseline": Task(lambda _: raw()),
    }
    return timed_row(
        f"all {_short(known.history.versions // known.history.panels)} ranges of a panel",
        bench.time(tasks, 7),
        database=known.dialect,
        statements=_statements(lambda: works.validity(known.registry, panel)),
    )


def _known(bench: Bench, dialect: str, history: History, closing: ExitStack) -> Known:
    place = bench.ground.new_place(dialect)
    closing.callback(bench.ground.remove, place)
    load(place, history)
    return Known(bench.scale, dialect, history, place, closing.enter_context(place.open()))


def _against_raw(bench: Bench, work: str, known: Known, closing: ExitStack) -> Row:
    """Return the row of a look-up at the head against the raw statement that answers the same."""
    instant = known.history.instant(0.5)
    raw = raw_look_up(known.place, known.history, instant, closing)
    ask = known.ask(instant)
    _must_equal(sorted(map(as_raw, ask().versions), key=str), sorted(raw(), key=str))
    seconds = bench.time({"ours": _head(known, 0.5), "baseline": _repeated(bench.scale, raw)}, 15)
    return timed_row(work, seconds, database=known.dialect, reach=4, statements=_statements(ask))


def _compared(bench: Bench, work: str, known: Known, ours: Task, baseline: Task, reach: float) -> Row:
    """Return the row of one look-up against another of ours."""
    seconds = bench.time({"ours": ours, "baseline": baseline}, 11)
    return timed_row(work, seconds, database=known.dialect, reach=reach)


def _as_of_against_head(bench: Bench, work: str, known: Known, part: float) -> Row:
    """Return the row of the hard case: after the last start, as of a revision before most were recorded."""
    instant, revision = known.history.instant(1.0), known.history.revision_after(part)
    ask = known.ask(instant, revision)
    ours = _repeated(bench.scale, ask, _checking(_naive(known.history, instant, revision)))
    seconds = bench.time({"ours": ours, "baseline": _head(known, 1.0)}, 11)
    return timed_row(work, seconds, database=known.dialect, reach=3, statements=_statements(ask))


def _head(known: Known, part: float, share: int = 1) -> Task:
    instant = known.history.instant(part)
    expected = _naive(known.history, instant, known.history.revisions)
    return _repeated(known.scale, known.ask(instant), _checking(expected), share)


def _repeated(
    scale: Scale,
    call: Callable[[], object],
    check: Callable[[Path, Any], None] | None = None,
    share: int = 1,
) -> Task:
    """Return a task of enough calls; its time is that of one, divided by `share`."""
    call()
    start = time.perf_counter()
    call()
    count = max(1, round(scale.run / (time.perf_counter() - start)))

    def run(_: Path) -> object:
        for _more in range(count - 1):
            call()
        return call()

    return Task(run, check=check or unchecked, calls=count * share)


def _checking(expected: Answer) -> Callable[[Path, Validity], None]:
    def check(_: Path, found: Validity) -> None:
        answer = {
            (each.panel, each.kind): (each.version, each.valid_from, each.valid_to, each.constants)
            for each in found.versions
        }
        _must_equal(answer, expected)

    return check


@cache
def _naive(history: History, instant: int, revision: int) -> Answer:
    return history.naive_answer(instant, revision)


def _must_equal(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError("a look-up's answer is not what it must be")


def _statements(call: Callable[[], object]) -> int:
    """Count the statements of one call, but for those that begin a transaction."""
    call()
    with _counting() as statements:
        call()
    return len(statements)


@contextmanager
def _counting() -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith("BEGIN"):
            statements.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


def _short(number: int) -> str:
    """Write a number in few characters: 1e6, 5.2e6, 2.6e4."""
    digits, _, power = f"{number:.1e}".partition("e")
    return f"{float(digits):g}e{int(power)}"
