"""Rows of the field's reference scenario: 100 payload types with 5000 starts each, asked by 1, 4 and 8 processes.

Here a type is a panel's gain or offset. Every question is for all types, at an instant of its own. The baseline is
what a conditions database asks of its tables: the last start at or before the instant and its payload, as one
statement on an open connection of the bare driver; it knows neither the end of the range nor who bears which
M-number. Both are asked by processes that are connected and warm, and the seconds are those of one answer: what all
processes took together, by the number of their answers.
"""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.history import History
from benchmarks.lookups import LoadedHistory, format_count, load, require_equal
from benchmarks.raw import prepare_field_look_up
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Task
from registry.instants import Instant
from testing.registries import RegistryLocation

_READERS = (1, 4, 8)
_QUESTIONS = 800  # of a round, by all readers together
_CONTEXT = multiprocessing.get_context("fork")

Ask = Callable[[Instant], Sequence[object]]
"""Answers for all types at an instant: one element for each."""


def measure_scenario(bench: Bench) -> Iterator[Row]:
    """Measure the scenario on each database, against the bare statement and with 8 readers against 4."""
    history = History(bench.scale.scenario_panels, bench.scale.scenario_starts)
    for dialect in bench.databases:
        with ExitStack() as closing:
            yield from _measure_on(bench, load(bench, dialect, history, closing))


def _measure_on(bench: Bench, known: LoadedHistory) -> Iterator[Row]:
    history, location = known.history, known.location
    _require_same_answers(location, history)
    types, ranges = format_count(2 * history.panels), format_count(history.versions)
    ours: dict[int, list[float]] = {}
    for readers in _READERS:
        share = max(1, round(_QUESTIONS * bench.scale.effort) // readers)
        with (
            _run_readers(readers, _open_registry, location, history, share) as ask_ours,
            _run_readers(readers, _open_bare, location, history, share) as ask_bare,
        ):
            tasks = {
                "ours": Task(ask_ours, calls=readers * share),
                "baseline": Task(ask_bare, calls=readers * share),
            }
            seconds = bench.time(tasks, 7)
        ours[readers] = seconds["ours"]
        work = f"{types} types of {ranges} ranges, {readers} reader{'s' * (readers > 1)}"
        # The goal is 0.8 of the bare statement's answers a second, on a server.
        reach = 1 / 0.8 if known.dialect == "postgresql" else None
        yield make_timed_row(work, seconds, database=known.dialect, reach=reach)
    fewer, most = _READERS[-2:]
    yield make_timed_row(
        f"{most} readers of it, against {fewer}",
        {"ours": ours[most], "baseline": ours[fewer]},
        database=known.dialect,
        reach=1.05,
    )


def _require_same_answers(location: RegistryLocation, history: History) -> None:
    """Raise if the bare statement finds other versions."""
    with ExitStack() as closing:
        bare, ours = (opener(location, history, closing) for opener in (_open_bare, _open_registry))
        for part in (0, 0.5, 1):
            instant = history.instant_at(part)
            numbers = sorted(version.version for version in ours(instant))  # type: ignore[attr-defined]
            require_equal(numbers, sorted(row[0] for row in bare(instant)))  # type: ignore[index]


def _open_registry(location: RegistryLocation, history: History, closing: ExitStack) -> Ask:
    registry = closing.enter_context(location.open())
    return lambda instant: registry.validity(history.detector_id, at=instant).versions


def _open_bare(location: RegistryLocation, history: History, closing: ExitStack) -> Ask:
    return prepare_field_look_up(location, history, closing)


@contextmanager
def _run_readers(
    count: int,
    opener: Callable[[RegistryLocation, History, ExitStack], Ask],
    location: RegistryLocation,
    history: History,
    share: int,
) -> Iterator[Callable[[Path], None]]:
    """Start processes that are connected; yield the function that lets each ask its share, and waits for all."""
    with ExitStack() as stack:
        pipes = [_start_reader(stack, number, opener, location, history, share) for number in range(count)]

        def ask_all(_: Path) -> None:
            for pipe in pipes:
                pipe.send(True)
            for pipe in pipes:
                if not pipe.recv():
                    raise AssertionError("a reader did not get an answer for every type")

        yield ask_all


def _start_reader(stack: ExitStack, *arguments: Any) -> Connection:
    question_end, answer_end = _CONTEXT.Pipe()
    process = _CONTEXT.Process(target=_read, args=(answer_end, *arguments), daemon=True)
    process.start()
    stack.callback(process.join)
    stack.callback(question_end.send, False)  # called first, and ends it
    return question_end


def _read(
    pipe: Connection,
    number: int,
    opener: Callable[[RegistryLocation, History, ExitStack], Ask],
    location: RegistryLocation,
    history: History,
    share: int,
) -> None:
    choices = random.Random(number)  # noqa: S311 - the same instants in every run
    with ExitStack() as closing:
        ask = opener(location, history, closing)
        while pipe.recv():
            instants = [history.instant_at(choices.random()) for _ in range(share)]
            pipe.send(all(len(ask(instant)) == 2 * history.panels for instant in instants))
