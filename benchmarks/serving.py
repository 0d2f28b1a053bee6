"""Rows of the service: answers over HTTP against look-ups in this process, and the start and memory of a worker.

One worker is asked by eight clients that stay connected.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode
from urllib.request import urlopen

from benchmarks.bench import Bench
from benchmarks.clients import CLIENTS, Clients
from benchmarks.first_page import measure_first_page
from benchmarks.history import History
from benchmarks.lookups import LoadedHistory, format_count, load, require_equal
from benchmarks.objects import measure_objects
from benchmarks.reading import measure_constants, measure_readers
from benchmarks.rows import Row, make_timed_row
from benchmarks.servers import Server, find_nginx, find_served, run_nginx, run_service
from benchmarks.sharing import measure_sharing_on
from benchmarks.timing import Task, compute_spread
from registry.heads import Head
from registry.instants import Instant
from registry.records.json import encode

_LOOK_UPS = 200  # of a round
_KEPT = 6000


def measure_service(bench: Bench) -> Iterator[Row]:
    """Measure a service of each database, what its clients read, and what processes share."""
    for dialect in bench.databases:
        with ExitStack() as closing:
            yield from measure_answers(bench, dialect, closing)
        yield from measure_first_page(bench, dialect)
        with find_served(bench.find_detector(dialect).location) as served, run_service(served) as server:
            yield measure_objects(bench, dialect, server)
            yield from measure_readers(bench, dialect, server)
            yield measure_constants(bench, dialect, server)
        yield from measure_sharing_on(bench, dialect)


def measure_answers(bench: Bench, dialect: str, closing: ExitStack) -> Iterator[Row]:
    """Measure a worker that answers for all panels at an instant, its start and its memory."""
    panels, starts = bench.scale.look_up_panels, bench.scale.page_starts
    known = load(bench, dialect, History(panels, starts), closing)
    served = closing.enter_context(find_served(known.location))
    seconds = []
    for _ in range(bench.count(3) - 1):
        with run_service(served) as server:
            seconds.append(server.seconds)
    server = closing.enter_context(run_service(served))
    seconds.append(server.seconds)
    yield Row(work="start of the service", database=dialect, ours=compute_spread(seconds).median, reach=3)
    clients = closing.enter_context(Clients(server.port, CLIENTS))
    questions = _Questions(known, known.registry.find_head())
    questions.check(server)
    works = f"{panels} panels of {format_count(known.history.versions)} by HTTP"
    yield make_timed_row(
        f"{works}, not kept",
        bench.time({"ours": questions.make_served_task(clients), "baseline": questions.make_local_task()}, 9),
        database=dialect,
        reach=1.42,
    )
    yield _measure_kept(bench, f"{_KEPT} times {works}, kept by pin", questions, clients, dialect)
    memory = server.measure_worker()
    yield Row(work="memory of a worker", database=dialect, unit="MiB", ours=memory, reach=100)


@dataclass(slots=True)
class _Questions:
    """The question for all panels at instants of which none is asked twice."""

    known: LoadedHistory
    pin: Head
    random: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - not a secret

    def draw_instant(self) -> Instant:
        """Return an instant between the first and the last start."""
        history = self.known.history
        return Instant(self.random.randrange(history.instant_at(0.0), history.instant_at(1.0)))

    def format(self, instant: Instant) -> str:
        """Return the path of the URL."""
        detector_id = self.known.history.detector_id
        query = urlencode({"at": str(instant)})
        return f"/v1/r/{self.pin.pin}/validity/{detector_id}?{query}"

    def make_served_task(self, clients: Clients) -> Task:
        """Return the task to ask the service, as of the pin."""
        paths: list[str] = []

        def prepare(_: Path) -> None:
            paths[:] = [self.format(self.draw_instant()) for _ in range(_LOOK_UPS)]

        return Task(lambda _: clients.ask(paths), prepare, calls=_LOOK_UPS)

    def make_local_task(self) -> Task:
        """Return the task to look the same up in this process, one after another, as of the pin."""
        instants: list[Instant] = []
        registry, detector_id = self.known.registry, self.known.history.detector_id

        def prepare(_: Path) -> None:
            instants[:] = [self.draw_instant() for _ in range(_LOOK_UPS)]

        def run(_: Path) -> None:
            for instant in instants:
                registry.validity(detector_id, at=instant, as_of=self.pin)

        return Task(run, prepare, calls=_LOOK_UPS)

    def check(self, server: Server) -> None:
        """Compare an answer of the service with that of this process."""
        instant = self.draw_instant()
        local = self.known.registry.validity(self.known.history.detector_id, at=instant, as_of=self.pin)
        with urlopen(f"{server.url}{self.format(instant)}") as answer:  # noqa: S310 - of this benchmark
            require_equal(json.load(answer), json.loads(encode(local.versions)))


def _measure_kept(bench: Bench, work: str, questions: _Questions, clients: Clients, dialect: str) -> Row:
    """Return the row of one kept answer; beside it the time in which nginx sends a file with the same bytes."""
    path = questions.format(questions.draw_instant())
    size = clients.ask([path])
    tasks = {"ours": Task(lambda _: clients.ask([path] * _KEPT))}
    with ExitStack() as closing:
        if program := find_nginx():
            folder = Path(closing.enter_context(TemporaryDirectory(dir=bench.folder)))
            (folder / "answer").write_bytes(bytes(size))
            nginx = closing.enter_context(run_nginx(program, folder))
            others = closing.enter_context(Clients(nginx.port, CLIENTS))
            tasks["baseline"] = Task(lambda _: others.ask(["/answer"] * _KEPT))
        seconds = bench.time(tasks, 5)
    medians = {name: compute_spread(times).median for name, times in seconds.items()}
    return Row(
        work=work,
        database=dialect,
        ours=medians["ours"],
        baseline=medians.get("baseline"),
        reach=1,
        seconds=seconds,
    )
