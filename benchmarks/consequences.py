"""Rows of the consequences: a registration in a registry with many recorded runs, which it concerns or does not."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from benchmarks import baselines, works
from benchmarks.bench import Bench
from benchmarks.detector import panel_id
from benchmarks.lookups import format_count
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Task
from registry import schema
from registry.api import Registry
from registry.instants import Instant, parse_instant
from registry.records import Outcome
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation
from testing.sealing import record_raw_revision

_EXPERIMENT, _SOURCE = "xcsls3716", "XcsEndstation.0:Jungfrau.0"
_FIRST_START = parse_instant("2018-01-01T00:00:00Z")
_FIRST_RUN = parse_instant("2018-02-01T00:00:00Z")
_AFTER_ALL = parse_instant("2020-01-01T00:00:00Z")
_SECOND = 1_000_000
_REACH, _MAX_SECONDS = 1.5, 3.0


def measure_consequences(bench: Bench) -> Iterator[Row]:
    """Measure a registration beside many runs against one beside none, and one that concerns all of them."""
    for dialect in bench.databases:
        with ExitStack() as closing:
            yield from _measure_on(bench, dialect, closing)


def _measure_on(bench: Bench, dialect: str, closing: ExitStack) -> Iterator[Row]:
    seeds = itertools.count(1000)
    runs, count = bench.scale.runs, format_count(bench.scale.runs)
    many, none = (_make_registry(bench, dialect, number, closing) for number in (runs, 0))
    late = {
        name: Task(
            _make_registration(registry, _AFTER_ALL), partial(_prepare, seeds), partial(_check, concerned=0)
        )
        for name, registry in (("ours", many), ("baseline", none))
    }
    yield make_timed_row(
        f"register, none of {count} runs concerned", bench.time(late, 15), database=dialect, reach=_REACH
    )
    early = Task(
        _make_registration(many, _FIRST_START), partial(_prepare, seeds), partial(_check, concerned=runs)
    )
    seconds = bench.time({"ours": early}, 5)
    yield Row(
        work=f"register, all of {count} runs concerned",
        database=dialect,
        ours=statistics.median(seconds["ours"]),
        reach=_MAX_SECONDS,
        seconds=seconds,
    )


def _make_registry(bench: Bench, dialect: str, runs: int, closing: ExitStack) -> Registry:
    """Make a registry of one detector with constants, and its recorded runs, a second apart."""
    location = bench.factory.make(dialect)
    registry = closing.enter_context(location.open())
    panels = [panel_id(number) for number in range(bench.scale.look_up_panels)]
    folder = write_panel_folder(bench.folder / f"constants-{dialect}-{runs}")
    for panel in panels:
        registry.panels.add(panel)
        same_as = [panels[0]] if panel != panels[0] else []
        registry.versions.add(panel, folder, valid_from=_FIRST_START, same_as=same_as)
    registry.detectors.configure(_EXPERIMENT, _SOURCE, "_".join(panels), first_run=1)
    _insert_runs(location, runs)
    return registry


def _insert_runs(location: RegistryLocation, runs: int) -> None:
    """Insert runs in a revision of their own."""
    rows = [
        {
            "id": number,
            "experiment": _EXPERIMENT,
            "number": number,
            "begin_at": _FIRST_RUN + number * _SECOND,
        }
        for number in range(1, runs + 1)
    ]
    engine = location.engine()
    if rows:
        with record_raw_revision(engine) as (connection, revision):
            connection.execute(schema.run.insert(), [{**row, "recorded_in": revision} for row in rows])
    if not location.is_sqlite:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("ANALYZE"))  # the server does it by itself sooner or later
    engine.dispose()


def _prepare(seeds: Iterator[int], folder: Path) -> None:
    write_panel_folder(folder / "source", next(seeds), noisy=True)
    for path in (folder / "source").iterdir():
        baselines.sync(path)


def _make_registration(registry: Registry, first: Instant) -> Callable[[Path], Outcome]:
    starts = itertools.count(first + _SECOND, _SECOND)
    panel = panel_id(0)

    def run(folder: Path) -> Outcome:
        return works.register(registry, panel, str(folder / "source"), str(Instant(next(starts))))

    return run


def _check(_: Path, outcome: Outcome, *, concerned: int) -> None:
    """Compare the number of runs that the outcome names with those that get other constants."""
    named = sum(last - first + 1 for group in outcome.affected_runs for first, last in group.runs)
    if named != concerned or outcome.revision is None:
        raise AssertionError(f"{named} runs are named, not {concerned}")
