"""A facility that starts at once, by discrete events: the tables of docs/scale.md, from measured times.

``python -m documentation.scale`` writes them and draws the picture. Every rank asks for the head, then for what its run
gets; every node, or every rank, then reads the files. A station serves in the order of arrival, with as many servers as
it has processors or workers.
"""

from __future__ import annotations

import heapq
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from documentation.scale_picture import draw_scale

NODES, RANKS, SPREAD, RANK_SPREAD = 1000, 64, 60.0, 1.0
"""Nodes, ranks of a node, and the seconds within which nodes, and the ranks of a node, start."""
HEAD, LOOK_UP, KEPT = 0.0033, 0.0040, 0.00018
"""Seconds of a worker: the newest head, an answer for 32 panels from the database, one that it has kept."""
NGINX, VARNISH = 0.000107, 0.000075
"""Seconds of a processor for an answer that the proxy has kept: nginx with TLS, varnish without."""
FILES, FILE_BYTES = 32 * 6, 2 << 20
LINKS = ((1, 2), (10, 2), (25, 8), (100, 32))
"""Gbit/s of the link of the server, and its processors."""
FILE_RATE = 0.65e9
"""Bytes a second that a processor sends of stored files."""
PAGE = Path(__file__).parent.parent / "docs" / "scale.md"
_LIMIT = 3600.0


@dataclass(frozen=True, slots=True)
class Front:
    """The workers and the proxy before the ranks.

    Attributes
    ----------
    workers
        How many workers the service has.
    hit
        The seconds of a hit of the proxy, None without a proxy.
    processors
        Those of the proxy.
    kept_head
        The seconds for which the proxy keeps the head.
    poll
        The seconds after which the proxy looks again whether an answer is there that another request waits for.
    is_shared
        Whether all ranks ask the same question; if not, each asks about an instant of its own.
    """

    name: str
    workers: int
    hit: float | None = None
    processors: int = 2
    kept_head: float = 0.0
    poll: float = 0.0
    is_shared: bool = True


FRONTS = (
    Front("one worker", 1),
    Front("4 workers", 4),
    Front("8 workers", 8),
    Front("nginx, 2 workers", 2, NGINX, kept_head=1.0, poll=0.5),
    Front("varnish, 2 workers", 2, VARNISH, kept_head=2.0),
    Front("nginx, 2 workers, each rank another instant", 2, NGINX, kept_head=1.0, poll=0.5, is_shared=False),
    Front("nginx, 8 workers, each rank another instant", 8, NGINX, kept_head=1.0, poll=0.5, is_shared=False),
    Front(
        "nginx, 16 workers, each rank another instant", 16, NGINX, kept_head=1.0, poll=0.5, is_shared=False
    ),
)


class Station:
    """Servers that take the requests in the order of their arrival."""

    def __init__(self, servers: int) -> None:
        self._free = [0.0] * servers
        self.busy, self._servers = 0.0, servers

    def serve(self, arrival: float, seconds: float) -> float:
        """Return the instant at which a request is answered."""
        begin = max(arrival, heapq.heappop(self._free))
        heapq.heappush(self._free, begin + seconds)
        self.busy += seconds
        return begin + seconds

    def measure_load(self, end: float) -> float:
        """Return the part of the time in which its servers worked."""
        return self.busy / (self._servers * end)


@dataclass(frozen=True, slots=True)
class Waits:
    """The seconds from a rank's first question to its second answer, and what worked how much."""

    seconds: tuple[float, ...]
    median: float
    late: float
    longest: float
    last: float
    proxy_load: float
    worker_load: float
    questions: int


def simulate(front: Front, nodes: int = NODES, seed: int = 1) -> Waits:
    """Return how long the ranks wait for their two answers."""
    draw = random.Random(seed)  # noqa: S311 - not a secret
    starts = []
    for _ in range(nodes):
        begin = draw.uniform(0, SPREAD)
        starts += [begin + draw.uniform(0, RANK_SPREAD) for _ in range(RANKS)]
    proxy, service = Station(front.processors), Station(front.workers)
    known: set[int] = set()  # the workers that have looked the shared question up
    head_known_until = answer_known_from = -1.0
    reached = 0
    events = [(start, rank, 0) for rank, start in enumerate(starts)]
    heapq.heapify(events)
    waits: list[float] = []
    last = 0.0
    while events:
        now, rank, question = heapq.heappop(events)
        passed = now if front.hit is None else proxy.serve(now, front.hit)
        if question == 0:
            is_kept = front.hit is not None and passed < head_known_until
            done = passed
            if not is_kept:
                reached += 1
                done = service.serve(passed, HEAD)
                head_known_until = done + front.kept_head
            heapq.heappush(events, (done, rank, 1))
            continue
        done = passed
        if front.hit is None or not front.is_shared or answer_known_from < 0:
            reached += 1
            worker = reached % front.workers
            is_known = front.is_shared and worker in known
            done = service.serve(passed, KEPT if is_known else LOOK_UP)
            known.add(worker)
            answer_known_from = done
        else:  # those who come meanwhile wait for the first answer
            done = passed if passed >= answer_known_from else answer_known_from + front.poll
        waits.append(done - starts[rank])
        last = max(last, done)
    waits.sort()
    return Waits(
        tuple(waits),
        waits[len(waits) // 2],
        waits[int(len(waits) * 0.99)],
        waits[-1],
        last,
        proxy.measure_load(last),
        service.measure_load(last),
        reached,
    )


def compute_transfer(gigabits: float, copies: int, processors: int = 2) -> tuple[float, float]:
    """Return the seconds until all nodes have their files, and those that half of them wait.

    `copies` is the number of times that a node downloads them: once with the cache of the machine, once a rank without.
    """
    rate = min(gigabits * 1e9 / 8, FILE_RATE * processors)
    draw = random.Random(2)  # noqa: S311 - not a secret
    link = Station(1)
    starts = sorted(draw.uniform(0, SPREAD) for _ in range(NODES))
    waits = []
    for start in starts:
        done = link.serve(start, copies * FILES * FILE_BYTES / rate)
        waits.append(done - start)
    return starts[-1] + waits[-1], sorted(waits)[len(waits) // 2]


def format_tables(waits_by_front: Mapping[str, Waits]) -> str:
    """Return both tables."""
    lines = [
        "| before the ranks | half wait | 99 of 100 wait less than | longest | proxy works | workers work | asked |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for front in FRONTS:
        waits = waits_by_front[front.name]
        cells = [_format(waits.median), _format(waits.late), _format(waits.longest)]
        cells += ["" if front.hit is None else f"{waits.proxy_load:.0%}", f"{waits.worker_load:.0%}"]
        lines.append(f"| {front.name} | {' | '.join(cells)} | {waits.questions:,} |")
    lines += [
        "",
        "| link of the server | a download a node: all have them after | half wait | a download a rank: all after |",
        "|---|---:|---:|---:|",
    ]
    for gigabits, processors in LINKS:
        end, median = compute_transfer(gigabits, 1, processors)
        long_end, _ = compute_transfer(gigabits, RANKS, processors)
        lines.append(
            f"| {_name_link(gigabits, processors)} | {_format(end)} | {_format(median)} | {_format(long_end)} |"
        )
    return "\n".join(lines)


def _name_link(gigabits: int, processors: int) -> str:
    return f"{gigabits} Gbit/s, {processors} processors"


def _format(seconds: float) -> str:
    if seconds >= 2 * _LIMIT:
        return f"{seconds / _LIMIT:.1f} h"
    if seconds >= 10:
        return f"{seconds:.0f} s"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1000 * seconds:.1f} ms"


def simulate_fronts() -> dict[str, Waits]:
    """Return how long the ranks wait behind each front."""
    return {front.name: simulate(front) for front in FRONTS}


def write_page() -> Path:
    """Write the tables into their page, and draw its picture."""
    waits_by_front = simulate_fronts()
    text = PAGE.read_text()
    marked = f"<!-- tables: begin -->\n\n{format_tables(waits_by_front)}\n\n<!-- tables: end -->"
    PAGE.write_text(
        re.sub(r"<!-- tables: begin -->.*<!-- tables: end -->", lambda _: marked, text, flags=re.DOTALL)
    )
    transfers = {
        _name_link(gigabits, processors): (
            compute_transfer(gigabits, 1, processors)[0],
            compute_transfer(gigabits, RANKS, processors)[0],
        )
        for gigabits, processors in LINKS
    }
    draw_scale({name: waits.seconds for name, waits in waits_by_front.items()}, transfers)
    return PAGE


if __name__ == "__main__":
    print(write_page())  # noqa: T201 - the answer of a program
