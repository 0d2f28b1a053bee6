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
from benchmarks.bench import Bench
from benchmarks.history import Answer, History
from benchmarks.loading import load
from benchmarks.places import Place
from benchmarks.raw import RawRow, as_raw, raw_look_up, raw_ranges
from benchmarks.rows import Row, timed_row
from benchmarks.timing import Task
from registry.api import Registry
from registry.instants import Instant
from registry.records import Validity

_LONG_ENOUGH = 0.03
"""Seconds that one run should take: it makes as many calls as that needs."""


@dataclass(frozen=True, slots=True)
class Known:
    """A registry that holds a history, open."""

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

    seconds = bench.time(_against_raw(long, closing), 15)
    yield timed_row(f"look-up among {size}, {dialect}", seconds, reach=4)
    yield _statements(f"its statements a call, {dialect}", long.ask(long.history.instant(0.5)))

    middle = {known: _head(known, 0.5) for known in (short, long)}
    yield _compared(bench, f"head, {small} -> {size}, {dialect}", middle[long], middle[short], 1.5)
    yield _compared(
        bench, f"head, 9 of 10 withdrawn, {size}, {dialect}", _head(freed, 1.0), middle[short], 1.5
    )
    for name, part in (("half", 0.5), ("an early one", 0.01)):
        work = f"as of {name}, {size}, {dialect}"
        yield _compared(bench, work, _as_of(long, part), _head(long, 1.0), 3)
        yield _statements(f"its statements a call, {dialect}", _asking_as_of(long, part))


def worst(bench: Bench) -> Iterator[Row]:
    """Measure the worst case of the field's benchmark on each database."""
    for dialect in bench.databases:
        with ExitStack() as closing:
            yield from _worst_on(bench, dialect, closing)


def _worst_on(bench: Bench, dialect: str, closing: ExitStack) -> Iterator[Row]:
    scale = bench.scale
    huge = _known(bench, dialect, History(scale.worst_panels, scale.worst_starts), closing)
    long = _known(bench, dialect, History(scale.asked, scale.starts[1]), closing)
    size = _short(huge.history.versions)

    seconds = bench.time(_against_raw(huge, closing), 11)
    yield timed_row(f"all panels, worst case, {size}, {dialect}", seconds, reach=4)
    yield _statements(f"its statements a call, {dialect}", huge.ask(huge.history.instant(0.5)))
    yield _compared(
        bench,
        f"a panel of it, against {_short(long.history.versions)}, {dialect}",
        _head(huge, 0.5, share=huge.history.panels),
        _head(long, 0.5, share=long.history.panels),
        1.5,
    )
    for name, part in (("half", 0.5), ("an early one", 0.01)):
        yield _compared(bench, f"worst case as of {name}, {dialect}", _as_of(huge, part), _head(huge, 1.0), 3)

    panel = huge.history.panel_ids[0]
    raw = raw_ranges(huge.place, panel, closing)

    def check(_: Path, found: Validity) -> None:
        _must_equal(sorted(map(as_raw, found.versions), key=str), sorted(raw(), key=str))

    tasks = {
        "ours": Task(lambda _: works.validity(huge.registry, panel), check=check),
        "baseline": Task(lambda _: raw()),
    }
    count = scale.worst_starts * 2
    yield timed_row(f"all {_short(count)} ranges of a panel, {dialect}", bench.time(tasks, 7))
    yield _statements(f"its statements, {dialect}", lambda: works.validity(huge.registry, panel))


def _known(bench: Bench, dialect: str, history: History, closing: ExitStack) -> Known:
    place = bench.ground.new_place(dialect)
    load(place, history)
    return Known(history, place, closing.enter_context(place.open()))


def _against_raw(known: Known, closing: ExitStack) -> dict[str, Task]:
    instant = known.history.instant(0.5)
    raw = raw_look_up(known.place, known.history, instant, closing)
    ask = known.ask(instant)
    _must_equal(sorted(map(as_raw, ask().versions), key=str), sorted(raw(), key=str))
    return {"ours": _head(known, 0.5), "baseline": _repeated(raw)}


def _head(known: Known, part: float, share: int = 1) -> Task:
    instant = known.history.instant(part)
    expected = _naive(known.history, instant, known.history.revisions)
    return _repeated(known.ask(instant), expected, share)


def _asking_as_of(known: Known, part: float) -> Callable[[], Validity]:
    return known.ask(known.history.instant(1.0), known.history.revision_after(part))


def _as_of(known: Known, part: float) -> Task:
    """Return the hard case: an instant after the last start, as of a revision before most were recorded."""
    expected = _naive(known.history, known.history.instant(1.0), known.history.revision_after(part))
    return _repeated(_asking_as_of(known, part), expected)


def _repeated(
    call: Callable[[], Validity] | Callable[[], list[RawRow]], expected: Answer | None = None, share: int = 1
) -> Task:
    """Return a task of enough calls; its time is that of one, divided by `share`."""
    call()
    start = time.perf_counter()
    call()
    count = max(1, round(_LONG_ENOUGH / (time.perf_counter() - start)))

    def run(_: Path) -> object:
        for _ in range(count - 1):
            call()
        return call()

    def check(_: Path, found: Any) -> None:
        if expected is not None:
            answer = {
                (each.panel, each.kind): (each.version, each.valid_from, each.valid_to, each.constants)
                for each in found.versions
            }
            _must_equal(answer, expected)

    return Task(run, check=check, calls=count * share)


@cache
def _naive(history: History, instant: int, revision: int) -> Answer:
    return history.naive_answer(instant, revision)


def _must_equal(found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError("a look-up's answer is not what it must be")


def _compared(bench: Bench, work: str, ours: Task, baseline: Task, reach: float) -> Row:
    """Return the row of one look-up against another of ours."""
    return timed_row(work, bench.time({"ours": ours, "baseline": baseline}, 11), reach=reach)


def _statements(work: str, call: Callable[[], object]) -> Row:
    """Count the statements of one call, once it has been made; the words that begin a transaction apart."""
    call()
    with _counting() as statements:
        call()
    return Row(work=work, unit="statements", ours=len(statements), reach=1)


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
    """Write a large number in few characters: 1e6, 5.2e6, 26e3."""
    if number < 1000:
        return str(number)
    power = 6 if number >= 10**6 else 3
    return f"{round(number / 10**power, 1):g}e{power}"
