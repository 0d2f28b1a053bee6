"""Rows of the start-up: whole processes against the import of their libraries alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.history import History
from benchmarks.loading import load_history
from benchmarks.programs import find_calreg, make_process_task
from benchmarks.rows import Row, make_timed_row


def measure_start_up(bench: Bench) -> Iterator[Row]:
    """Measure ``calreg --help`` and a look-up on SQLite as processes."""
    history = History(2, 16)
    location = bench.factory.make()
    load_history(location, history)
    at = str(history.instant_at(0.5))
    program = find_calreg()
    options = ["--database", location.database, "--store", str(location.store)]
    look_up = [*options, "validity", history.panel_ids[0], "--at", at]
    for work, database, arguments, imports, output, reach in (
        ("calreg --help", "", ["--help"], "typer", b"validity", 1.5),
        ("calreg validity X --at T", "sqlite", look_up, "typer, sqlalchemy.orm", b"offset", 1.3),
    ):
        tasks = {
            "ours": make_process_task(_repeat([*program, *arguments]), output),
            "baseline": make_process_task(_repeat([sys.executable, "-c", f"import {imports}"])),
        }
        yield make_timed_row(work, bench.time(tasks, 15), database=database, reach=reach)


def _repeat(command: list[str]) -> Callable[[Path], list[str]]:
    return lambda _: command
