"""Row of the registration: a version of six files, new content each time."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import baselines, works
from benchmarks.bench import Bench
from benchmarks.detector import panel_id, write_module
from benchmarks.places import RegistryLocation
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Task
from registry.api import Registry
from registry.instants import Instant
from registry.records import Outcome


def measure_registration(bench: Bench) -> Iterator[Row]:
    """Measure check, statistics, hash, durable copy and one revision against cp, sha256sum and fsync."""
    seeds = itertools.count(1000)
    panel = panel_id(0)

    def prepare(folder: Path) -> None:
        write_module(folder / "source", next(seeds))
        for path in (folder / "source").iterdir():
            baselines.sync(path)
        (folder / "copies").mkdir()

    def place() -> RegistryLocation:
        made = bench.factory.make()
        with made.open() as registry:
            registry.panels.add(panel)
        return made

    def arguments(folder: Path) -> list[str]:
        write_module(folder / "source", next(seeds))
        return [panel, str(folder / "source"), "2018-01-01T00:00:00Z"]

    for dialect in bench.databases:
        with bench.factory.make(dialect).open() as registry:
            registry.panels.add(panel)
            tasks = {
                "ours": Task(_make_registration(registry, panel), prepare, _check),
                "baseline": Task(
                    lambda folder: baselines.copy_hash_sync(str(folder / "source"), str(folder / "copies")),
                    prepare,
                ),
            }
            yield make_timed_row("register six files", bench.time(tasks, 15), database=dialect, reach=2)
    ours = bench.measure_peak(works.register, arguments, place)
    yield Row(work="peak memory, registration", database="sqlite", unit="MiB", ours=ours)


def _make_registration(registry: Registry, panel: str) -> Callable[[Path], tuple[Registry, Outcome]]:
    starts = itertools.count(Instant(0) + 1, 1_000_000)

    def run(folder: Path) -> tuple[Registry, Outcome]:
        outcome = works.register(registry, panel, str(folder / "source"), str(Instant(next(starts))))
        return registry, outcome

    return run


def _check(folder: Path, result: tuple[Registry, Outcome]) -> None:
    """Compare the checksums that were recorded with those of the files."""
    registry, outcome = result
    recorded = {
        file.sha256 for version in outcome.versions for file in registry.versions.show(version.version)[1]
    }
    files = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (folder / "source").iterdir()}
    if recorded != files or outcome.revision is None:
        raise AssertionError("what was registered is not what was in the folder")
