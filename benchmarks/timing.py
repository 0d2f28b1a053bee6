"""Time tasks in rounds, each task once per round; a ratio is taken within a round, so that disturbances cancel."""

from __future__ import annotations

import gc
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Seconds = dict[str, list[float]]
"""Times by task, one per round."""


def do_nothing(folder: Path) -> None:
    """Prepare nothing."""


def accept_any(folder: Path, result: object) -> None:
    """Accept any result."""


@dataclass(frozen=True, slots=True)
class Task:
    """Work to time; each run has its own empty folder.

    The folder is removed after the run, so that the system need not write to the disk what is still cached.

    Attributes
    ----------
    prepare, check
        Called before and after the run, not timed. `check` raises if the result is wrong.
    calls
        Number of calls in one run, if a single one is too short for the clock.
    """

    run: Callable[[Path], object]
    prepare: Callable[[Path], object] = do_nothing
    check: Callable[[Path, Any], None] = accept_any
    calls: int = 1


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with its quartiles."""

    median: float
    lower: float
    upper: float


def compute_spread(values: list[float]) -> Spread:
    """Return the median and the quartiles."""
    if len(values) == 1:
        return Spread(values[0], values[0], values[0])
    lower, median, upper = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, lower, upper)


def compute_ratio(seconds: Seconds, ours: str = "ours", baseline: str = "baseline") -> Spread:
    """Return the spread of the ratios of two tasks, each ratio within one round."""
    return compute_spread(
        [mine / other for mine, other in zip(seconds[ours], seconds[baseline], strict=True)]
    )


def time_rounds(tasks: Mapping[str, Task], count: int, folder: Path, *, warm_up: bool = True) -> Seconds:
    """Time the tasks in rounds, after one that is not counted; every other round has the reverse order."""
    seconds: Seconds = {name: [] for name in tasks}
    names = list(tasks)
    for number in range(-1 if warm_up else 0, count):
        for name in names if number % 2 else reversed(names):
            duration = _time_task(tasks[name], folder)
            if number >= 0:
                seconds[name].append(duration)
    return seconds


def _time_task(task: Task, folder: Path) -> float:
    work_folder = Path(tempfile.mkdtemp(dir=folder))
    try:
        task.prepare(work_folder)
        gc.collect()
        start = time.perf_counter()
        result = task.run(work_folder)
        duration = time.perf_counter() - start
        task.check(work_folder, result)
    finally:
        shutil.rmtree(work_folder)
    return duration / task.calls
