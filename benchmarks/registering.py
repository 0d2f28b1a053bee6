"""Row of the registration: a version of six files, with new content each time."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import baselines, works
from benchmarks.bench import Bench
from benchmarks.detector import panel_id
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Task
from registry.api import Registry
from registry.instants import Instant, parse_instant
from registry.records import Outcome
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation


def measure_registration(bench: Bench) -> Iterator[Row]:
    """Measure check, statistics, hash, durable copy and one revision against cp, sha256sum and fsync."""
    seeds = itertools.count(1000)
    panel = panel_id(0)

    def prepare(folder: Path) -> None:
        write_panel_folder(folder / "source", next(seeds), noisy=True)
        for path in (folder / "source").iterdir():
            baselines.sync(path)
        (folder / "copies").mkdir()

    def make_registry() -> RegistryLocation:
        location = bench.factory.make()
        with location.open() as registry:
            registry.panels.add(panel)
        return location

    def arguments(folder: Path) -> list[str]:
        write_panel_folder(folder / "source", next(seeds), noisy=True)
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
    ours = bench.measure_peak(works.register, arguments, make_registry)
    yield Row(work="peak memory, registration", database="sqlite", unit="MiB", ours=ours)


def _make_registration(registry: Registry, panel: str) -> Callable[[Path], tuple[Registry, Outcome]]:
    starts = itertools.count(parse_instant("2010-01-01T00:00:00Z"), 1_000_000)

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
        raise AssertionError("the registered files are not those of the folder")
