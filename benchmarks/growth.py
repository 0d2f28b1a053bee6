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

import numpy as np

from benchmarks.bench import Bench
from benchmarks.detector import module_name, panel_id
from benchmarks.grown import SOURCE, Growth
from benchmarks.loading import load_history
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Seconds
from registry.detectors.jungfrau import JUNGFRAU
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation

_REACH = 1.5
_ROUNDS = 7
_ROWS = 200  # of the table of datasets
_PANELS = {
    "panel": panel_id(1),
    "busy": panel_id(0),
    "new": panel_id(9999),
}  # the busy one is in every experiment
_DAY = "2020-01-01"  # of the first thousands of revisions, one each second


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb with its words; ``{...}`` are files, panels, and a number of a version in the middle.

    Of a verb that lists everything only the first `lines` are read.
    """

    words: str
    reach: float = _REACH
    exit_code: int = 0
    lines: int | None = None


VERBS = (
    Verb("validity {panel} --at 2015-01-01T00:00:00Z"),
    Verb("validity {panel} --at 2015-01-01T00:00:00Z --as-of " + f"{_DAY}T00:00:30Z"),
    Verb("affected --since -2"),
    Verb("affected --since -200"),
    Verb("import {tree} --dry-run"),
    Verb("import {tree} --compare", reach=3.0),
    Verb("version add {panel} {files} --valid-from 2015-03-01T12:00:00Z --dry-run"),
    Verb("version gap {panel} --kind gain --valid-from 2016-01-01T12:00:00Z -m gap --dry-run"),
    Verb("version gap {busy} --kind gain --valid-from 2010-01-01T12:00:00Z -m gap --dry-run"),
    Verb("version withdraw {version} -m wrong --dry-run"),
    Verb("version withdraw 1 -m wrong --dry-run"),
    Verb("panel add {new} --dry-run"),
    Verb("version show 5 --as-of 100"),
    Verb("version list --limit 20"),
    Verb("run import {table} --dry-run"),
    Verb("run add exp=xcs00000:run=5000 --begin 2012-01-01T00:00:00Z --dry-run"),
    Verb("log --limit 20"),
    Verb("log --limit 20 --as-of 10"),
    Verb("run show exp=xcs0000x:run=1", exit_code=3),
    *(Verb(words, lines=3) for words in ("log", "version list", "run list")),
    Verb("identify {file}", exit_code=3),
    Verb("identify {array}", exit_code=3),
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
                    words = verb.words.format(**files, **_PANELS, version=growth.versions // 2)
                    seconds[name].append(time_process(words.split(), location, verb.exit_code, verb.lines))
            work = verb.words.replace("{", "").replace("}", "")
            work += "" if verb.lines is None else f", {verb.lines} lines"
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
    array = folder / "array.npy"
    np.save(
        array, np.random.default_rng(1).normal(41.5, 1.0, (3, 8, *JUNGFRAU.panel_shape)).astype(np.float32)
    )
    table = folder / "table.txt"
    table.write_text("".join(_write_rows()))
    return {"tree": tree, "files": files, "file": files / "g0_gain.npy", "array": array, "table": table}


def _write_rows() -> Iterator[str]:
    for row in range(_ROWS):
        panels = "_".join(panel_id(4 + (row + place) % 40) for place in range(8))
        yield f"exp=new{row:04}:run=9   1-9   {SOURCE}   {panels}\n"


def time_process(
    words: Sequence[str], location: RegistryLocation, exit_code: int = 0, lines: int | None = None
) -> float:
    """Return the seconds of a process, from its start to its end, or until its first `lines` are read."""
    calreg = Path(sys.executable).with_name("calreg")
    program = [str(calreg)] if calreg.exists() else [sys.executable, "-m", "registry"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALREG_")}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with subprocess.Popen(
        [*program, *words],
        env={**environment, **location.environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        if lines is None:
            _, errors = process.communicate()
        else:
            errors = _read_lines(process, lines)
    passed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != exit_code:
        raise AssertionError(f"{words} ended with {process.returncode}: {errors.decode()}")
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return processor if location.is_sqlite else passed


def _read_lines(process: subprocess.Popen[bytes], count: int) -> bytes:
    """Read the first lines of a process, and close its output as ``head`` does; return what it says of errors."""
    if process.stdout is None or process.stderr is None:
        raise TypeError("the output of the process is not read")
    for _ in range(count):
        process.stdout.readline()
    process.stdout.close()
    return process.stderr.read()
