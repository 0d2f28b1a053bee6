"""Rows of the first page of a service, as people open it: the time of the first request after a start, and its size."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.request import Request, urlopen

from benchmarks.bench import Bench
from benchmarks.history import History
from benchmarks.lookups import format_count, load
from benchmarks.rows import Row
from benchmarks.servers import Server, find_served, run_service
from benchmarks.timing import compute_spread

_MAX_SECONDS = 0.3
_MAX_BYTES = 100_000
_STARTS = 5  # of the service


def measure_first_page(bench: Bench, dialect: str) -> Iterator[Row]:
    """Measure the first page of a registry with the longest history."""
    history = History(bench.scale.look_up_panels, bench.scale.starts[-1])
    with ExitStack() as closing:
        known = load(bench, dialect, history, closing)
        served = closing.enter_context(find_served(known.location))
        seconds, sizes = [], []
        for _ in range(bench.count(_STARTS)):
            with run_service(served) as server:
                start = time.perf_counter()
                sizes.append(len(_open_first_page(server)))
                seconds.append(time.perf_counter() - start)
    work = f"first page of {format_count(history.versions)} versions"
    yield Row(
        work=f"{work}, after a start",
        database=dialect,
        ours=compute_spread(seconds).median,
        reach=_MAX_SECONDS,
        seconds={"ours": seconds},
    )
    yield Row(work=work, database=dialect, unit="B", ours=max(sizes), reach=_MAX_BYTES)


def _open_first_page(server: Server) -> bytes:
    request = Request(f"{server.url}/", headers={"Accept": "text/html"})  # noqa: S310 - of this benchmark
    with urlopen(request) as answer:  # noqa: S310 - of this benchmark
        page: bytes = answer.read()
    if b"<html" not in page:
        raise AssertionError(f"the answer to / is not a page: {page[:80]!r}")
    return page
