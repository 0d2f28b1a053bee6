"""Rows of what clients of the service read: many on one machine at once, and one against the registry itself."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from numpy.typing import NDArray

from benchmarks import works
from benchmarks.bench import Bench
from benchmarks.rows import Row, make_timed_row
from benchmarks.servers import Server
from benchmarks.timing import Task, compute_ratio, compute_spread
from registry import open_registry

_PROCESSES, _THREADS = 8, 8
_CONTEXT = multiprocessing.get_context("fork")
_FEW_PANELS = 8
_SENT = 'calreg_requests_total{kind="objects",status="200"} '


def measure_readers(bench: Bench, dialect: str, server: Server) -> Iterator[Row]:
    """Measure readers of which each reads every file of a run, from an empty cache and from a full one."""
    panels = bench.scale.read_panels
    target = bench.find_detector(dialect).dataset(panels)
    seconds: dict[str, list[float]] = {"ours": [], "baseline": []}
    sizes: dict[str, list[float]] = {"ours": [], "baseline": []}
    for _ in range(bench.count(3)):
        with (
            tempfile.TemporaryDirectory(dir=bench.folder) as folder,
            _use_cache(Path(folder) / "cache") as cache,
        ):
            before = _count_sent(server.url)
            seconds["ours"].append(_let_read(server.url, target))
            sent = _count_sent(server.url) - before
            seconds["baseline"].append(_let_read(server.url, target))
            files = [path.stat().st_size / 2**20 for path in cache.glob("object-*")]
            sizes["ours"].append(sent * files[0])  # they have one size
            sizes["baseline"].append(sum(files))
    work = f"{_PROCESSES * _THREADS} readers of {panels} panels by HTTP"
    yield make_timed_row(f"{work}, none kept yet", seconds, database=dialect, reach=1.3)
    yield Row(
        work=f"sent to {work}",
        database=dialect,
        unit="MiB",
        ours=compute_spread(sizes["ours"]).median,
        baseline=compute_spread(sizes["baseline"]).median,
        ratio=compute_ratio(sizes),
        reach=1,
    )


def _let_read(url: str, target: str) -> float:
    """Return the seconds in which all readers are done, from the moment when all are ready."""
    barrier = _CONTEXT.Barrier(_PROCESSES + 1)
    processes = [
        _CONTEXT.Process(target=_read_in_threads, args=(url, target, barrier)) for _ in range(_PROCESSES)
    ]
    for process in processes:
        process.start()
    barrier.wait()
    start = time.perf_counter()
    for process in processes:
        process.join()
        if process.exitcode:
            raise RuntimeError("a reader failed")
    return time.perf_counter() - start


def _read_in_threads(url: str, target: str, barrier: Any) -> None:
    with open_registry(url) as registry:
        arrays = list(registry.constants(target, lazy=True).values())
        barrier.wait()

        def read() -> None:
            """Read panel after panel, so that the readers need little memory."""
            for array in arrays:
                for panel in range(array.shape[1]):
                    if not array[:, panel].any():
                        raise AssertionError("a panel has no values")

        with ThreadPoolExecutor(_THREADS) as pool:
            for reader in [pool.submit(read) for _ in range(_THREADS)]:
                reader.result()


def _count_sent(url: str) -> int:
    """Return the number of files that a service has sent."""
    with urlopen(f"{url}/metrics") as answer:  # noqa: S310 - of this benchmark
        lines = answer.read().decode().splitlines()
    return sum(int(line.removeprefix(_SENT)) for line in lines if line.startswith(_SENT))


def measure_constants(bench: Bench, dialect: str, server: Server) -> Row:
    """Measure constants through a service, of files that the cache has, against those of the registry itself."""
    panels = min(_FEW_PANELS, max(bench.scale.panels))
    detector = bench.find_detector(dialect)
    target = detector.dataset(panels)
    with (
        tempfile.TemporaryDirectory(dir=bench.folder) as folder,
        _use_cache(Path(folder) / "cache"),
        open_registry(server.url) as remote,
        detector.location.open() as local,
    ):
        expected = dict(works.constants(local, target))

        def check(_: Path, constants: Mapping[str, NDArray[Any]]) -> None:
            if any(not np.array_equal(constants[name], array) for name, array in expected.items()):
                raise AssertionError("an array is not as expected")

        tasks = {
            "ours": Task(lambda _: works.constants(remote, target), check=check),
            "baseline": Task(lambda _: works.constants(local, target), check=check),
        }
        seconds = bench.time(tasks, 11)
    return make_timed_row(
        f"arrays of {panels} panels by HTTP, all kept", seconds, database=dialect, reach=1.2
    )


@contextmanager
def _use_cache(folder: Path) -> Iterator[Path]:
    """Let this process and its children have a cache of their own."""
    former = os.environ.get("CALREG_CACHE")
    os.environ["CALREG_CACHE"] = str(folder)
    try:
        yield folder
    finally:
        del os.environ["CALREG_CACHE"]
        if former is not None:
            os.environ["CALREG_CACHE"] = former
