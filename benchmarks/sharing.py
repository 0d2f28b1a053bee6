"""Rows of constants that processes share: eight processes that read the same run at once, against one."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.context import ForkContext, SpawnContext
from pathlib import Path
from typing import Any, Literal

from benchmarks.bench import Bench
from benchmarks.rows import Row
from benchmarks.timing import Spread, compute_ratio
from registry import open_registry
from testing.registries import RegistryLocation

_Context = ForkContext | SpawnContext

_PROCESSES = 8
_CONTEXTS: tuple[_Context, ...] = (multiprocessing.get_context("fork"), multiprocessing.get_context("spawn"))
_PAGE = 1024  # values of four bytes: each touches a page


@dataclass(frozen=True, slots=True)
class _Reading:
    """The seconds from the first process that begins to the last that is done, and the MiB of all together."""

    seconds: float
    memory: float


@dataclass(frozen=True, slots=True)
class _Case:
    """A way to read constants: the words for it, its options, and whether the cache is empty before."""

    words: str
    options: dict[str, Any]
    is_cold: bool = False


_SHARED = (
    _Case("shared, verified by each", {"shared": True}),
    _Case("shared, verified once", {"shared": True, "verify": "once"}),
    _Case("shared, made first, verified once", {"shared": True, "verify": "once"}, is_cold=True),
)
_OWN = _Case("of its own", {})


def measure_sharing(bench: Bench) -> Iterator[Row]:
    """Measure eight processes that read the constants of a run at once, against one with arrays of its own."""
    for context in _CONTEXTS:
        for case in (*_SHARED, _OWN):
            yield from _measure_case(bench, context, case)


def measure_sharing_on(bench: Bench, dialect: str) -> Iterator[Row]:
    """Measure forked processes that find the arrays made, with a registry on a database."""
    for case in _SHARED[:2]:
        yield from _measure_case(bench, _CONTEXTS[0], case, dialect)


def _measure_case(bench: Bench, context: _Context, case: _Case, dialect: str = "sqlite") -> Iterator[Row]:
    detector = bench.find_detector(dialect)
    source = (detector.location, detector.dataset(max(bench.scale.panels)))
    many, one = [], []
    with tempfile.TemporaryDirectory(dir=bench.folder) as folder:
        if not case.is_cold:
            _read(context, source, case, 1, Path(folder))
        for _ in range(bench.count(3)):
            one.append(_read(context, source, _OWN, 1, Path(folder)))
            many.append(_read(context, source, case, _PROCESSES, Path(folder)))
    is_shared = case is not _OWN
    work = f"{_PROCESSES} processes, {max(bench.scale.panels)} panels {case.words} ({context.get_start_method()})"
    seconds = {"ours": [run.seconds for run in many], "baseline": [run.seconds for run in one]}
    yield _make_row(work, dialect, "s", seconds, 1.5 if is_shared else None)
    memory = {"ours": [run.memory for run in many], "baseline": [run.memory for run in one]}
    yield _make_row(f"memory, {work}", dialect, "MiB", memory, 1.3 if is_shared else None)


def _make_row(
    work: str, dialect: str, unit: Literal["s", "MiB"], values: dict[str, list[float]], reach: float | None
) -> Row:
    ratio: Spread = compute_ratio(values)
    ours, baseline = (sorted(values[name])[len(values[name]) // 2] for name in ("ours", "baseline"))
    return Row(work=work, database=dialect, unit=unit, ours=ours, baseline=baseline, ratio=ratio, reach=reach)


def _read(
    context: _Context, source: tuple[RegistryLocation, str], case: _Case, count: int, folder: Path
) -> _Reading:
    """Let processes read the constants at once, and return what that takes."""
    if case.is_cold:
        for path in folder.rglob("*-*"):
            path.unlink()
    location, target = source
    barrier, answers = context.Barrier(count), context.Queue()
    arguments = (location.database, str(location.store), target, case.options, str(folder / "cache"), barrier)
    processes = [context.Process(target=_work, args=(*arguments, answers)) for _ in range(count)]
    for process in processes:
        process.start()
    results = [answers.get() for _ in processes]
    for process in processes:
        process.join()
    seconds = max(result[1] for result in results) - min(result[0] for result in results)
    return _Reading(seconds, sum(result[2] for result in results) / 1024)


def _work(
    database: str,
    store: str,
    target: str,
    options: dict[str, Any],
    cache: str,
    barrier: Any,
    answers: Any,
) -> None:
    """Read the constants in a process; answer when it began and was done, and the KiB that this takes."""
    os.environ["CALREG_CACHE"] = cache
    with open_registry(database, store) as registry:
        registry.constants(target, types=["pixel_gain"], lazy=True)  # modules are imported before
        before = _read_proportional_size()
        barrier.wait()
        start = time.perf_counter()  # one clock for all processes
        constants = registry.constants(target, **options)
        end = time.perf_counter()
        total = sum(float(array.reshape(-1)[::_PAGE].sum()) for array in constants.values())
        barrier.wait()  # each has all pages now
        size = _read_proportional_size() - before
        barrier.wait()
        answers.put((start, end, size, total, _list_warnings(constants.warnings)))


def _list_warnings(warnings: Sequence[str]) -> list[str]:
    """Return the warnings, none of which may say that the arrays are not shared."""
    if any("not shared" in warning for warning in warnings):
        raise RuntimeError(f"the arrays are not shared: {warnings}")
    return list(warnings)


def _read_proportional_size() -> int:
    """Return the KiB of this process, of what it shares with others its part."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
