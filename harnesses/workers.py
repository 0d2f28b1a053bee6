"""Workers on one open registry: forked, in pools, and threads; each write that is acknowledged must be there."""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec

from harnesses.processes import CONTEXT
from registry.api import Registry
from registry.errors import NotFoundError
from registry.instants import Instant, parse_instant
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation

_FIRST_BEGIN = parse_instant("2021-01-01T00:00:00Z")
_MINUTE = 60_000_000
_PATIENCE_SECONDS = 120  # a worker that waits for ever says where, and counts as lost
_POOL_METHODS = ("fork", "spawn", "forkserver")


class WorkerPlan(msgspec.Struct, frozen=True):
    """The number of forked workers, of threads, and of the runs that each of them records."""

    workers: int
    threads: int
    runs: int
    panel: str
    seed: int


class Report(msgspec.Struct):
    """The runs that were acknowledged, with their revisions; the documents of recorded exports; what went wrong."""

    runs: dict[str, int] = {}
    exports: list[str] = []
    problems: list[str] = []

    def __add__(self, other: Report) -> Report:
        return Report(self.runs | other.runs, self.exports + other.exports, [*self.problems, *other.problems])


def run_workers(location: RegistryLocation, plan: WorkerPlan) -> Report:
    """Let workers of every sort use one open registry; return what they report, and what is wrong with it."""
    constants = write_panel_folder(location.folder / "constants", kinds=("gain",))
    with location.open() as registry:
        registry.versions.add(plan.panel, constants, valid_from="beginning", kinds=["gain"])
        known = registry.log(limit=1)[0].revision
    # In a process of its own, so that what is forked is only the registry.
    process = CONTEXT.Process(target=_run_in_process, args=(location, plan))
    process.start()
    process.join()
    report = _read_report(location.folder / "workers.json", "the process with the workers")
    with location.open() as registry:
        report.problems += _find_problems(registry, report, known)
    return report


def _run_in_process(location: RegistryLocation, plan: WorkerPlan) -> None:
    report = Report()
    for name, run in (
        ("forked", _run_forked),
        ("within", _run_forked_in_transaction),
        ("threads", _run_threads),
        *((method, _run_pool) for method in _POOL_METHODS),
    ):
        try:
            report += run(location, plan, name)
        except Exception as error:  # noqa: BLE001 - any error is a finding
            report.problems.append(f"{name}: {type(error).__name__}: {error}")
    (location.folder / "workers.json").write_bytes(msgspec.json.encode(report))


def _run_forked(location: RegistryLocation, plan: WorkerPlan, name: str) -> Report:
    """Fork workers, half of them beside a thread that writes; the registry is closed before they end, or after."""
    report = Report()
    for closes_first in (True, False):
        prefix = f"{name}{closes_first:d}"
        with location.open() as registry, ThreadPoolExecutor(1) as pool:
            registry.log()
            beside = pool.submit(_record_runs, registry, location, plan, f"{prefix}beside")
            forked = [_fork(registry, location, plan, f"{prefix}x{number}") for number in range(plan.workers)]
            report += beside.result()
            if closes_first:
                registry.close()
            report += _wait_for(forked)
    return report


def _run_forked_in_transaction(location: RegistryLocation, plan: WorkerPlan, name: str) -> Report:
    """Fork workers while their parent is in a transaction."""
    with location.open() as registry, registry._backend.read_transaction() as view:  # noqa: SLF001
        report = _wait_for([_fork(registry, location, plan, f"{name}x{number}") for number in range(2)])
        if registry.log(as_of=view.revision, limit=1)[0].revision != view.revision:
            report.problems.append(f"{name}: the view of the parent has changed")
        return report


def _run_threads(location: RegistryLocation, plan: WorkerPlan, name: str) -> Report:
    with location.open() as registry, ThreadPoolExecutor(plan.threads) as pool:
        prefixes = [f"{name}x{number}" for number in range(plan.threads)]
        reports = pool.map(lambda prefix: _record_runs(registry, location, plan, prefix, count=2), prefixes)
        return sum(reports, Report())


def _run_pool(location: RegistryLocation, plan: WorkerPlan, method: str) -> Report:
    """Let a pool inherit the registry by a fork, or open it in each worker."""
    tasks = [(location, plan, f"{method}x{number}") for number in range(plan.workers)]
    context = multiprocessing.get_context(method)
    with ExitStack() as closing:
        initializer: tuple[Callable[..., None] | None, Sequence[object]] = (_open_in_worker, (location,))
        if method == "fork":
            _shared["registry"] = closing.enter_context(location.open())
            initializer = (None, ())
        pool = closing.enter_context(context.Pool(min(plan.workers, 4), *initializer))
        return sum(pool.starmap(_record_in_pool, tasks), Report())


_shared: dict[str, Registry] = {}


def _open_in_worker(location: RegistryLocation) -> None:
    _shared["registry"] = location.open()


def _record_in_pool(location: RegistryLocation, plan: WorkerPlan, prefix: str) -> Report:
    return _record_runs(_shared["registry"], location, plan, prefix)


def _fork(registry: Registry, location: RegistryLocation, plan: WorkerPlan, prefix: str) -> tuple[int, Path]:
    """Fork a worker; return its number, and the file of its report."""
    file = location.folder / f"{prefix}.json"
    process = os.fork()
    if not process:
        faulthandler.dump_traceback_later(_PATIENCE_SECONDS, exit=True)
        with suppress(BaseException):
            file.write_bytes(msgspec.json.encode(_record_runs(registry, location, plan, prefix)))
            registry.close()
        os._exit(0)
    return process, file


def _wait_for(forked: Sequence[tuple[int, Path]]) -> Report:
    for process, _ in forked:
        os.waitpid(process, 0)
    return sum((_read_report(file, file.stem) for _, file in forked), Report())


def _read_report(file: Path, name: str) -> Report:
    if not file.exists():
        return Report(problems=[f"{name} ended without a report"])
    return msgspec.json.decode(file.read_bytes(), type=Report)


def _record_runs(
    registry: Registry, location: RegistryLocation, plan: WorkerPlan, prefix: str, count: int | None = None
) -> Report:
    """Record runs and an export, and compare every answer with the question."""
    report = Report(runs={}, exports=[], problems=[])
    rng = random.Random(f"{plan.seed} {prefix}")  # noqa: S311 - repeatable on purpose
    try:
        for run in range(1, (count or plan.runs) + 1):
            dataset, begin = f"exp={prefix}:run={run}", Instant(_FIRST_BEGIN + rng.randrange(10**6) * _MINUTE)
            report.runs[dataset] = registry.runs.add(dataset, begin=begin).revision or 0
            shown = registry.runs.show(dataset)
            if (shown.experiment, shown.run, shown.begin) != (prefix, run, begin):
                report.problems.append(f"{dataset} from {begin} was answered with {shown}")
        if count is None:
            folder = location.folder / prefix
            export = registry.export(plan.panel, folder, at=_FIRST_BEGIN, types=["pixel_gain"])
            Path(export.outputs[0].path).unlink()
            report.exports += [export.provenance] if export.recorded else []
            report.problems += export.notes
    except Exception as error:  # noqa: BLE001 - any error is a finding
        report.problems.append(f"{prefix}: {type(error).__name__}: {error}")
    return report


def _find_problems(registry: Registry, report: Report, known: int) -> Iterator[str]:
    """Compare what is recorded with what the workers were told."""
    recorded = {f"exp={run.experiment}:run={run.run}": run.recorded_in for run in registry.runs.list()}
    for dataset, revision in report.runs.items():
        if recorded.get(dataset) != revision:
            yield f"{dataset} was acknowledged in revision {revision}, and is in {recorded.get(dataset)}"
    for document in report.exports:
        try:
            registry.identify(document)
        except NotFoundError as error:
            yield f"an export that was acknowledged is not recorded: {error}"
    numbers = [entry.revision for entry in registry.log()]
    if numbers != list(range(len(numbers), 0, -1)):
        yield "the numbers of the revisions have gaps"
    if sorted(report.runs.values()) != list(range(known + 1, numbers[0] + 1)):
        yield "the revisions are not those that the workers were given"
    yield from (f"{problem.path}: {problem.problem}" for problem in registry.verify().problems)
