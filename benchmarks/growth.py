"""Rows of growth: verbs as whole processes in a registry that has grown, against the same in a small one.

On SQLite they are processor seconds; on PostgreSQL, where the server does the work, the time that passed. Both sizes
are measured one after the other in each round. What records something is tried only (``--dry-run``).
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.detector import module_name, panel_id
from benchmarks.grown import SOURCE, Growth
from benchmarks.loading import load_history
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Seconds
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation

_REACH = 1.5
_ROUNDS = 7
_ROWS = 200  # of the table of datasets
_PANEL = panel_id(1)  # the first one is in every experiment


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb with its words; ``{...}`` are files, a panel, and a number of a version in the middle."""

    words: str
    reach: float = _REACH
    exit_code: int = 0


VERBS = (
    Verb("validity {panel} --at 2015-01-01T00:00:00Z"),
    Verb("affected --since -2"),
    Verb("import {tree} --dry-run"),
    Verb("import {tree} --compare", reach=3.0),
    Verb("version add {panel} {files} --valid-from 2015-03-01T12:00:00Z --dry-run"),
    Verb("version gap {panel} --kind gain --valid-from 2016-01-01T12:00:00Z -m gap --dry-run"),
    Verb("version withdraw {version} -m wrong --dry-run"),
    Verb("version show 5 --as-of 100"),
    Verb("version list --limit 20"),
    Verb("run import {table} --dry-run"),
    Verb("run add exp=xcs00000:run=5000 --begin 2012-01-01T00:00:00Z --dry-run"),
    Verb("log --limit 20"),
    Verb("log --limit 20 --as-of 10"),
    Verb("identify {file}", exit_code=3),
    Verb("database check"),
)


def measure_growth(bench: Bench) -> Iterator[Row]:
    """Measure every verb on each database."""
    files = _write_files(bench.folder / "grown")
    for dialect in bench.databases:
        small, large = ((growth, _load(bench, dialect, growth)) for growth in bench.scale.grown)
        for verb in VERBS:
            seconds: Seconds = {"ours": [], "baseline": []}
            for _ in range(bench.count(_ROUNDS)):
                for name, (growth, location) in (("baseline", small), ("ours", large)):
                    words = verb.words.format(**files, panel=_PANEL, version=growth.versions // 2)
                    seconds[name].append(time_process(words.split(), location, verb.exit_code))
            work = verb.words.replace("{", "").replace("}", "")
            yield make_timed_row(work, seconds, database=dialect, reach=verb.reach)


def _load(bench: Bench, dialect: str, growth: Growth) -> RegistryLocation:
    location = bench.factory.make(dialect)
    load_history(location, growth)
    return location


def _write_files(folder: Path) -> dict[str, Path]:
    """Write a directory of three links, files of a maker, and a table of datasets."""
    tree = folder / "tree"
    for number in range(1, 4):
        write_panel_folder(tree / module_name(number), number, noisy=True)
        (tree / f"{panel_id(number)}-20210101000000").symlink_to(module_name(number))
    files = write_panel_folder(folder / "files", 99, noisy=True)
    table = folder / "table.txt"
    table.write_text("".join(_write_rows()))
    return {"tree": tree, "files": files, "file": files / "g0_gain.npy", "table": table}


def _write_rows() -> Iterator[str]:
    for row in range(_ROWS):
        panels = "_".join(panel_id(4 + (row + place) % 40) for place in range(8))
        yield f"exp=new{row:04}:run=9   1-9   {SOURCE}   {panels}\n"


def time_process(words: Sequence[str], location: RegistryLocation, exit_code: int) -> float:
    """Return the seconds of a process, from its start to its end."""
    calreg = Path(sys.executable).with_name("calreg")
    program = [str(calreg)] if calreg.exists() else [sys.executable, "-m", "registry"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALREG_")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = subprocess.run(
        [*program, *words], env={**environment, **location.environment}, check=False, capture_output=True
    )
    passed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != exit_code:
        raise AssertionError(f"{words} ended with {process.returncode}: {process.stderr.decode()}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return processor if location.is_sqlite else passed
