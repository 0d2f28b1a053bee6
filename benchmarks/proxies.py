"""Rows of proxies: one pinned answer through nginx and varnish, beside the same answer of the service itself.

The configurations are those of ``deployment/``; ``wrk`` asks, on the same machine.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

from benchmarks.bench import Bench
from benchmarks.history import History
from benchmarks.lookups import load
from benchmarks.rows import Row
from benchmarks.servers import find_served, run_service
from benchmarks.timing import Task, compute_spread
from registry.instants import Instant
from testing.programs import MissingProgramError
from testing.proxies import find_program, run_nginx, run_varnish

_CONNECTIONS = 64
_SECONDS = 3
_MOST_SECONDS = 1 / 20_000  # of an answer
_WITHOUT_TLS = {" ssl http2 default_server": " default_server"}


def measure_proxies(bench: Bench) -> Iterator[Row]:
    """Measure the time of a kept answer about all panels, of the service and through proxies before it."""
    panels = bench.scale.look_up_panels
    dialect = bench.databases[0]
    with ExitStack() as closing:
        try:
            program = find_program("wrk", "wrk")
            known = load(bench, dialect, History(panels, bench.scale.page_starts), closing)
            served = closing.enter_context(find_served(known.location))
            service = closing.enter_context(run_service(served))
            varnish = closing.enter_context(run_varnish(service.port))
            proxies = {
                "nginx": closing.enter_context(run_nginx(service.port, changes=_WITHOUT_TLS)),
                "nginx with TLS": closing.enter_context(run_nginx(service.port)),
                "varnish": varnish,
                "nginx with TLS before varnish": closing.enter_context(run_nginx(varnish.port)),
            }
        except MissingProgramError as error:
            yield Row(work=f"{panels} panels through proxies", database=dialect, remark=str(error))
            return
        history = known.history
        middle = Instant((history.instant_at(0.0) + history.instant_at(1.0)) // 2)
        pin, query = known.registry.find_head().pin, urlencode({"at": str(middle)})
        path = f"/v1/r/{pin}/validity/{history.detector_id}?{query}"
        urls = {"service": service.url} | {name: proxy.url for name, proxy in proxies.items()}
        with urlopen(f"{service.url}{path}") as answer:  # noqa: S310 - of this benchmark
            size = len(answer.read())
        times: dict[str, list[float]] = {name: [] for name in urls}
        processes = {"service": service.process} | {name: proxy.process for name, proxy in proxies.items()}
        worked: dict[str, list[float]] = {name: [] for name in urls}

        def make_task(name: str) -> Task:
            def run(_: Path) -> None:
                before = read_processor_seconds(processes[name])
                seconds, count = _measure_answers(program, f"{urls[name]}{path}", size)
                times[name].append(seconds)
                worked[name].append((read_processor_seconds(processes[name]) - before) / count)

            return Task(run)

        bench.time({name: make_task(name) for name in urls}, 5)
        direct = compute_spread(times["service"]).median
        for name in urls:
            work = f"{panels} panels by HTTP, kept, " + (
                "by the service" if name == "service" else f"by {name}"
            )
            yield Row(
                work=work,
                database=dialect,
                ours=compute_spread(times[name]).median,
                baseline=direct,
                reach=None if name == "service" else _MOST_SECONDS,
                seconds={"ours": times[name], "baseline": times["service"]},
            )
            yield Row(work=f"{work}, processor", database=dialect, ours=compute_spread(worked[name]).median)


def read_processor_seconds(process: int) -> float:
    """Return the time that a process and its children have used of processors."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return ticks / int(os.sysconf("SC_CLK_TCK")) + sum(
        read_processor_seconds(int(child)) for child in children
    )


def _measure_answers(program: str, url: str, size: int) -> tuple[float, int]:
    """Return the seconds of an answer of many that are asked for at once, and their number; all must be whole."""
    command = [program, "-t1", f"-c{_CONNECTIONS}", f"-d{_SECONDS}s", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    match = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m),", output)
    if match is None or "Non-2xx" in output or "Socket errors" in output:
        raise AssertionError(f"not every answer came: {output}")
    count, seconds = int(match[1]), float(match[2]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[match[3]]
    if _read_bytes(output) < 0.9 * count * size:
        raise AssertionError(f"answers were shorter than {size} bytes: {output}")
    return seconds / count, count


def _read_bytes(output: str) -> float:
    match = re.search(r"requests in \S+, ([\d.]+)([KMGT]?)B read", output)
    if match is None:
        raise AssertionError(f"wrk does not say how much it read: {output}")
    return float(match[1]) * 1024.0 ** " KMGT".index(match[2] or " ")
