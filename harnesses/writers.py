"""Run many writers and readers at once: every registration lands once or is refused, and no reader sees half of one."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, pairwise
from multiprocessing.synchronize import Barrier
from pathlib import Path

import msgspec

from harnesses.collectors import register_beside_collector
from harnesses.mirrors import follow_meanwhile
from harnesses.processes import CONTEXT
from harnesses.quoted_heads import find_wrong_heads, quote_heads
from harnesses.readers import ReaderResult, run_reader
from harnesses.workers import WorkerPlan, run_workers
from registry.api import Registry, create_registry
from registry.errors import ConflictError
from registry.identifiers import format_count
from registry.instants import Instant, parse_instant
from registry.records import Revision, Version
from testing.panels import PANELS, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation

# Modules of two panel Ids each: a registration under an M-number is two versions in one revision. Their serial numbers
# differ, so that the readers can ask for both as a detector.
MODULES = {
    f"M{number:03}": (f"170505-149520170815-3d00{number:02x}", f"171113-154920171025-3e00{number:02x}")
    for number in (1, 2, 3, 4)
}
_CONTENT_COUNT = 3  # of each module: no file is that of another one
_SHARED_FRACTION = 0.25  # of the registrations are for starts that all writers want
_FIRST_START = parse_instant("2020-01-01T00:00:00Z")
_MINUTE = 60_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """The number of processes, and of what each of them does."""

    writers: int
    registrations: int
    readers: int
    duels: int
    collections: int
    seed: int
    workers: int = 0
    threads: int = 0
    worker_runs: int = 0
    mirrors: int = 0


class Attempt(msgspec.Struct, frozen=True):
    """One registration: ``result`` is the revision, ``unchanged``, ``conflict``, or an error's text."""

    module: str
    slot: int
    content: int
    result: int | str = ""


@dataclass(slots=True)
class WriterResult:
    """The result of the writers and readers of one database."""

    database: str
    plan: Plan
    seconds: float = 0.0
    results: Counter[str] = field(default_factory=Counter)
    duels: Counter[str] = field(default_factory=Counter)
    reader_result: ReaderResult = field(default_factory=ReaderResult)
    collected: int = 0
    worker_writes: int = 0
    followed: int = 0
    problems: list[str] = field(default_factory=list)


def run_writers(factory: RegistryFactory, dialect: str, plan: Plan) -> WriterResult:
    """Run the processes of a plan on a new registry, and compare what is recorded with what they report."""
    location = factory.make_empty(dialect)
    create_registry(location.database, str(location.store))
    contents = [
        write_panel_folder(location.folder / f"content{seed}", 1 + seed, ("gain",))
        for seed in range(_CONTENT_COUNT * len(MODULES))
    ]
    collected_content = write_panel_folder(location.folder / "collected", 1 + len(contents), ("gain",))
    with location.open() as registry:
        for module, panels in MODULES.items():
            for panel in panels:
                registry.panels.add(panel, alias=module, same_module=True, comment="a new board")
        registry.panels.add(PANELS[1])
        known = registry.log()[0].revision
    result = WriterResult(dialect, plan)
    quoted: list[str] = []
    with (
        quote_heads(location, quoted),
        follow_meanwhile(factory, location, plan.mirrors, plan.seed) as following,
    ):
        attempts = _run_race(location, contents, result)
        duels = _run_duels(location, contents, plan)
    result.followed = following.kills
    result.problems += following.problems
    result.results = Counter(_classify(attempt) for attempt in attempts)
    result.duels = Counter(_classify_duels(duels))
    with location.open() as registry:
        result.problems += _find_problems(registry, [*attempts, *duels], contents, known)
    collected = register_beside_collector(location, collected_content, PANELS[1], plan.collections)
    result.collected = collected.files
    with location.open() as registry:
        result.problems += collected.problems
        result.problems += [f"{problem.path}: {problem.problem}" for problem in registry.verify().problems]
    result.problems += find_wrong_heads(location, quoted)
    if plan.workers:
        worker_plan = WorkerPlan(plan.workers, plan.threads, plan.worker_runs, PANELS[1], plan.seed)
        report = run_workers(location, worker_plan)
        result.worker_writes = len(report.runs) + len(report.exports)
        result.problems += report.problems
        result.problems += find_wrong_heads(location, quoted)
    if result.duels.keys() - {"conflict and landed"}:
        result.problems.append(f"a duel did not end with one version and one conflict: {result.duels}")
    factory.remove(location)
    return result


def _run_race(location: RegistryLocation, contents: Sequence[Path], result: WriterResult) -> list[Attempt]:
    """Run the writers, and the readers for as long as a writer works; return the attempts of the writers."""
    plan = result.plan
    done = CONTEXT.Event()
    files = [location.folder / f"writer{number}.json" for number in range(plan.writers)]
    reader_files = [location.folder / f"reader{number}.json" for number in range(plan.readers)]
    readers = [
        CONTEXT.Process(
            target=run_reader, args=(location, tuple(MODULES.items()), f"{plan.seed} {file.name}", done, file)
        )
        for file in reader_files
    ]
    writers = [
        CONTEXT.Process(
            target=run_writer, args=(location, contents, _plan_attempts(plan, number), None, file)
        )
        for number, file in enumerate(files)
    ]
    start = time.perf_counter()
    for process in (*readers, *writers):
        process.start()
    for process in writers:
        process.join()
    result.seconds = time.perf_counter() - start
    done.set()
    for process in readers:
        process.join()
    for file in reader_files:
        result.reader_result += (
            msgspec.json.decode(file.read_bytes(), type=ReaderResult) if file.exists() else _LOST_READER
        )
    result.problems += result.reader_result.problems
    if plan.registrations and plan.readers and not result.reader_result.answers:
        result.problems.append("the readers read nothing")
    return _read_attempts(files)


_LOST_READER = ReaderResult(problems=["a reader ended without a result"])


def _run_duels(location: RegistryLocation, contents: Sequence[Path], plan: Plan) -> list[Attempt]:
    """Let two processes register two contents for one start at the same moment, again and again."""
    at_once = CONTEXT.Barrier(2)
    files = [location.folder / f"duellist{number}.json" for number in (0, 1)]
    first = -1 - plan.duels  # starts before all others
    processes = [
        CONTEXT.Process(
            target=run_writer,
            args=(
                location,
                contents,
                [
                    Attempt(module, first + duel, choose_content(module, number))
                    for duel, module in zip(range(plan.duels), cycle(MODULES), strict=False)
                ],
                at_once,
                file,
            ),
        )
        for number, file in enumerate(files)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    return _read_attempts(files)


def _read_attempts(files: Sequence[Path]) -> list[Attempt]:
    return [
        attempt for file in files for attempt in msgspec.json.decode(file.read_bytes(), type=list[Attempt])
    ]


def _plan_attempts(plan: Plan, writer: int) -> list[Attempt]:
    """Return the attempts of a writer: mostly at starts of its own, some at starts that all writers use."""
    rng = random.Random(f"{plan.seed} {writer}")  # noqa: S311 - repeatable on purpose
    shared = max(plan.registrations // 4, 1)
    own = iter(range(shared + writer * plan.registrations, shared + (writer + 1) * plan.registrations))
    return [
        Attempt(
            module=(module := rng.choice(sorted(MODULES))),
            slot=rng.randrange(shared) if rng.random() < _SHARED_FRACTION else next(own),
            content=choose_content(module, rng.randrange(_CONTENT_COUNT)),
        )
        for _ in range(plan.registrations)
    ]


def choose_content(module: str, number: int) -> int:
    """Return the index of one of the contents of a module."""
    return list(MODULES).index(module) * _CONTENT_COUNT + number


def compute_start(slot: int) -> Instant:
    """Return the start of validity of a slot."""
    return Instant(_FIRST_START + slot * _MINUTE)


def run_writer(
    location: RegistryLocation,
    contents: Sequence[Path],
    attempts: Sequence[Attempt],
    at_once: Barrier | None,
    file: Path,
) -> None:
    """Register one after the other, and write the results into a file: the target of a process."""
    with location.open() as registry:
        done = []
        for attempt in attempts:
            if at_once is not None:
                at_once.wait()
            done.append(msgspec.structs.replace(attempt, result=_register(registry, contents, attempt)))
    file.write_bytes(msgspec.json.encode(done))


def _register(registry: Registry, contents: Sequence[Path], attempt: Attempt) -> int | str:
    try:
        outcome = registry.versions.add(
            attempt.module, contents[attempt.content], valid_from=compute_start(attempt.slot), kinds=["gain"]
        )
    except ConflictError:
        return "conflict"
    except Exception as error:  # noqa: BLE001 - any other error is a finding
        return f"{type(error).__name__}: {error}"
    return "unchanged" if outcome.revision is None else outcome.revision


def _classify(attempt: Attempt) -> str:
    return "landed" if isinstance(attempt.result, int) else attempt.result


def _classify_duels(attempts: Sequence[Attempt]) -> Iterator[str]:
    ended = defaultdict(list)
    for attempt in attempts:
        ended[attempt.slot].append(_classify(attempt))
    for sorts in ended.values():
        yield " and ".join(sorted(sorts))


def _find_problems(
    registry: Registry, attempts: Sequence[Attempt], contents: Sequence[Path], revisions_before: int
) -> Iterator[str]:
    """Compare what is recorded with what the writers report."""
    by_start = defaultdict(list)
    for attempt in attempts:
        if _classify(attempt) not in ("landed", "unchanged", "conflict"):
            yield f"{attempt.module} at {compute_start(attempt.slot)}: {attempt.result}"
        by_start[attempt.module, attempt.slot].append(attempt)
    recorded = defaultdict(list)
    for version in registry.versions.list(withdrawn=True):
        recorded[version.panel, version.valid_from].append(version)
    names = _map_constants(recorded, by_start)
    for (module, slot), group in by_start.items():
        versions = [
            version for panel in MODULES[module] for version in recorded.pop((panel, compute_start(slot)), [])
        ]
        yield from _check_start(f"{module} at {compute_start(slot)}", group, versions, names)
    yield from (f"no writer registered {versions}" for versions in recorded.values())
    landed = sorted(attempt.result for attempt in attempts if isinstance(attempt.result, int))
    log = registry.log()
    yield from _check_revisions(log, landed, revisions_before)
    yield from (f"{problem.path}: {problem.problem}" for problem in registry.verify().problems)
    if len(names) != len(contents) and len(landed) > 100:
        yield f"of {format_count(len(contents), 'content')} that were registered, {len(names)} are recorded"


def _map_constants(
    recorded: dict[tuple[str, Instant], list[Version]], by_start: dict[tuple[str, int], list[Attempt]]
) -> dict[int, str | None]:
    """Return the constants that each content became, from the starts at which only one attempt was made."""
    return {
        group[0].content: recorded[MODULES[module][0], compute_start(slot)][0].constants
        for (module, slot), group in by_start.items()
        if len(group) == 1 and recorded.get((MODULES[module][0], compute_start(slot)))
    }


def _check_start(
    where: str, group: Sequence[Attempt], versions: Sequence[Version], names: dict[int, str | None]
) -> Iterator[str]:
    """Compare the attempts for one start with the versions that are recorded there."""
    landed = [attempt for attempt in group if isinstance(attempt.result, int)]
    if len(landed) != 1:
        yield f"{where}: {len(landed)} of {len(group)} registrations landed"
        return
    (one,) = landed
    if [version.recorded_in for version in versions] != [one.result] * 2:
        yield f"{where}: landed in revision {one.result}, recorded are {versions}"
    if one.content in names and {version.constants for version in versions} != {names[one.content]}:
        yield f"{where}: other constants were registered than are recorded"
    for other in group:
        expected = "unchanged" if other.content == one.content else "conflict"
        if other is not one and other.result != expected:
            yield f"{where}: {other.result} instead of {expected}"


def _check_revisions(log: Sequence[Revision], landed: Sequence[int], revisions_before: int) -> Iterator[str]:
    """Yield the problems of the order of the revisions, the newest first in the log."""
    numbers = [revision.revision for revision in log]
    if numbers != list(range(len(log), 0, -1)):
        yield "the numbers of the revisions have gaps"
    if list(landed) != list(range(revisions_before + 1, len(log) + 1)):
        yield "the revisions are not those that the writers were given"
    if any(later.recorded_at < earlier.recorded_at for later, earlier in pairwise(log)):
        yield "instants of revisions decrease"
