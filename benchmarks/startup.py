"""Rows of the start-up: whole processes against the import of their libraries alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.history import History
from benchmarks.loading import load_history
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Task


def measure_start_up(bench: Bench) -> Iterator[Row]:
    """Measure ``calreg --help`` and a look-up on SQLite as processes."""
    history = History(2, 16)
    location = bench.factory.make()
    load_history(location, history)
    at = str(history.instant_at(0.5))
    calreg = Path(sys.executable).with_name("calreg")
    program = [str(calreg)] if calreg.exists() else [sys.executable, "-m", "registry"]
    options = ["--database", location.database, "--store", str(location.store)]
    look_up = [*options, "validity", history.panel_ids[0], "--at", at]
    for work, database, arguments, imports, output, reach in (
        ("calreg --help", "", ["--help"], "typer", b"validity", 1.5),
        ("calreg validity X --at T", "sqlite", look_up, "typer, sqlalchemy.orm", b"offset", 1.3),
    ):
        tasks = {
            "ours": _make_process_task([*program, *arguments], output),
            "baseline": _make_process_task([sys.executable, "-c", f"import {imports}"], b""),
        }
        yield make_timed_row(work, bench.time(tasks, 15), database=database, reach=reach)


def _make_process_task(command: list[str], expected: bytes) -> Task:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALREG_")}

    def run(folder: Path) -> bytes:
        return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True).stdout

    def check(_: Path, output: bytes) -> None:
        if expected not in output:
            raise AssertionError(f"{command} did not print {expected!r}")

    return Task(run, check=check)
