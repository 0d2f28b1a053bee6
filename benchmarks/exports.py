"""Rows of the exports: ``.npy``, text, arrays in memory, and their peak memory."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from sysconfig import get_paths

import numpy as np
from numpy.typing import NDArray

import registry
from benchmarks import baselines, merge, works
from benchmarks.bench import Bench
from benchmarks.programs import evict, find_calreg, make_process_task
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Task
from registry.api import Registry
from registry.api.detector_constants import DetectorConstants
from registry.records import Export

_NPY_REACH: dict[int, tuple[float, tuple[float, ...]]] = {8: (0.9, (0.5,)), 32: (0.5, ())}
_PROGRAM_REACH = {2: 2.2, 8: 1.4, 32: 0.8}

Arrays = dict[str, NDArray[np.float32]]


def measure_npy(bench: Bench) -> Iterator[Row]:
    """Measure the export to ``.npy``, every byte checksummed, against the bare merge."""
    with bench.detector.location.open() as registry:
        for panels in bench.scale.panels:
            yield _measure_npy_row(bench, registry, panels, durable=False)
        for panels in bench.scale.panels[1:]:
            yield _measure_npy_row(bench, registry, panels, durable=True)
    yield _measure_npy_memory(bench, max(bench.scale.panels))


def _measure_npy_row(bench: Bench, registry: Registry, panels: int, *, durable: bool) -> Row:
    target, sources = bench.detector.dataset(panels), bench.detector.sources(panels)
    expected = baselines.merge_in_memory(sources)
    tasks = {
        "ours": Task(
            lambda folder: works.export(registry, target, str(folder)),
            check=lambda _, export: _check_files(export, expected, np.load),
        ),
        "baseline": Task(
            lambda folder: baselines.merge_npy(sources, str(folder), durable=durable),
        ),
        "copied": Task(lambda folder: baselines.copy_once(sources, str(folder))),
        "hashed": Task(lambda _: baselines.hash_once(sources)),
    }
    seconds = bench.time(tasks, 5 if panels > 8 or durable else 9)
    if durable:
        return make_timed_row(f"export .npy, {panels} panels, merge + fsync", seconds)
    reach, earlier_targets = _NPY_REACH.get(panels, (None, ()))
    return make_timed_row(
        f"export .npy, {panels} panels", seconds, reach=reach, earlier_targets=earlier_targets
    )


def _measure_npy_memory(bench: Bench, panels: int) -> Row:
    target, sources = bench.detector.dataset(panels), bench.detector.sources(panels)
    ours = bench.measure_peak(
        works.export, lambda folder: [target, str(folder)], lambda: bench.detector.location
    )
    baseline = bench.measure_peak(baselines.merge_npy, lambda folder: [sources, str(folder)])
    return Row(work=f"peak memory, .npy, {panels} panels", unit="MiB", ours=ours, baseline=baseline, reach=24)


def measure_programs(bench: Bench) -> Iterator[Row]:
    """Measure ``calreg export`` as a process against one that merges with numpy, with what both read cached or not."""
    for panels in bench.scale.panels:
        for is_cold in (False, True):
            yield _measure_program_row(bench, panels, is_cold=is_cold)


def _measure_program_row(bench: Bench, panels: int, *, is_cold: bool) -> Row:
    target, sources = bench.detector.dataset(panels), bench.detector.sources(panels)
    location = bench.detector.location
    expected = baselines.merge_in_memory(sources)
    options = ["--database", location.database, "--store", str(location.store)]
    read = [Path(registry.__file__).parent, location.folder, bench.detector.tree]
    read += [Path(get_paths()[name]) for name in ("stdlib", "purelib")]

    def check(folder: Path, _: object) -> None:
        for name, array in expected.items():
            _check_equal(np.load(folder / f"{name}.npy"), array)

    def prepare(_: Path) -> None:
        if is_cold:
            evict(read)

    tasks = {
        "ours": make_process_task(
            lambda folder: [*find_calreg(), *options, "export", target, "--output", str(folder)],
            prepare=prepare,
            check=check,
        ),
        "baseline": make_process_task(
            lambda folder: [sys.executable, str(merge.__file__), str(folder), *sources],
            prepare=prepare,
            check=check,
        ),
    }
    seconds = bench.time(tasks, 9 if panels <= 8 else 5)
    work = f"calreg export, {panels} panels" + (", not cached" if is_cold else "")
    return make_timed_row(work, seconds, reach=_PROGRAM_REACH.get(panels))


def measure_text(bench: Bench) -> Iterator[Row]:
    """Measure the export to text without loss of digits against `np.savetxt`, which loses some."""
    with bench.detector.location.open() as registry:
        for panels in bench.scale.text_panels:
            yield _measure_text_row(bench, registry, panels)
    yield _measure_text_memory(bench, min(8, max(bench.scale.text_panels)))


def _measure_text_row(bench: Bench, registry: Registry, panels: int) -> Row:
    target, sources = bench.detector.dataset(panels), bench.detector.sources(panels)
    expected = baselines.merge_in_memory(sources)
    tasks = {
        "ours": Task(
            lambda folder: works.export(registry, target, str(folder), "psana"),
            check=lambda _, export: _check_files(export, expected, _read_text),
        ),
        "baseline": Task(lambda folder: baselines.merge_text(sources, str(folder))),
    }
    few = panels > 8
    seconds = bench.time(tasks, 2 if few else 4, warm_up=not few)
    return make_timed_row(f"export text, exact, {panels} panels", seconds, reach=0.15)


def _measure_text_memory(bench: Bench, panels: int) -> Row:
    target, sources = bench.detector.dataset(panels), bench.detector.sources(panels)
    ours = bench.measure_peak(
        works.export,
        lambda folder: [target, str(folder), "psana"],
        lambda: bench.detector.location,
    )
    baseline = bench.measure_peak(baselines.merge_text, lambda folder: [sources, str(folder)])
    return Row(work=f"peak memory, text, {panels} panels", unit="MiB", ours=ours, baseline=baseline)


def measure_arrays(bench: Bench) -> Iterator[Row]:
    """Measure `Registry.constants` against load and stack."""
    with bench.detector.location.open() as registry:
        for panels in bench.scale.panels:
            yield _measure_arrays_row(bench, registry, panels)
    yield _measure_arrays_memory(bench, max(bench.scale.panels))


def _measure_arrays_row(bench: Bench, registry: Registry, panels: int) -> Row:
    detector = bench.detector
    target, sources = detector.dataset(panels), detector.sources(panels)
    expected = baselines.merge_in_memory(sources)

    def check(_: Path, constants: DetectorConstants) -> None:
        for name, array in expected.items():
            _check_equal(constants[name], array)

    tasks = {
        "ours": Task(lambda _: works.constants(registry, target), check=check),
        "baseline": Task(lambda _: baselines.merge_in_memory(sources)),
        "hashed": Task(lambda _: baselines.hash_once(sources)),
    }
    seconds = bench.time(tasks, 7 if panels > 8 else 9)
    return make_timed_row(f"arrays in memory, {panels} panels", seconds, reach=1.0)


def _measure_arrays_memory(bench: Bench, panels: int) -> Row:
    target, sources = bench.detector.dataset(panels), bench.detector.sources(panels)
    ours = bench.measure_peak(works.constants, lambda _: [target], lambda: bench.detector.location)
    baseline = bench.measure_peak(baselines.merge_in_memory, lambda _: [sources])
    work = f"peak memory, arrays, {panels} panels"
    return Row(work=work, unit="MiB", ours=ours, baseline=baseline)


def _check_files(export: Export, expected: Arrays, read: Callable[[str], NDArray[np.float32]]) -> None:
    paths = {output.type: output.path for output in export.outputs}
    if set(paths) != set(expected):
        raise AssertionError(f"{sorted(paths)} were written, not {sorted(expected)}")
    for name, path in paths.items():
        _check_equal(read(path).reshape(expected[name].shape), expected[name])


def _check_equal(array: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    """Compare bit for bit."""
    if array.dtype != np.float32 or not np.array_equal(array.view(np.uint32), expected.view(np.uint32)):
        raise AssertionError("an array is not as expected")


def _read_text(path: str) -> NDArray[np.float32]:
    """Read the numbers of a text file without its comments."""
    with Path(path).open() as file:
        rows = [np.fromstring(line, sep=" ") for line in file if line.strip() and not line.startswith("#")]
    return np.array(rows).astype(np.float32)
