"""Row of stored files over HTTP, against nginx that sends the same files."""

from __future__ import annotations

from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.clients import CLIENTS, Clients
from benchmarks.rows import Row, make_timed_row
from benchmarks.servers import Server, find_nginx, run_nginx
from benchmarks.timing import Task


def measure_objects(bench: Bench, dialect: str, server: Server) -> Row:
    """Measure the files of a run, asked for one after another by each of the clients, against nginx."""
    panels = bench.scale.read_panels
    detector = bench.find_detector(dialect)
    work = f"files of {panels} panels by HTTP"
    program = find_nginx()
    if program is None:
        return Row(work=work, database=dialect, remark="without nginx")
    objects = detector.location.store_folder / "objects"
    with detector.location.open() as registry:
        resolution = registry.constants(detector.dataset(panels), lazy=True).provenance.resolution
    files = [file for panel in resolution.panels for constants in panel.constants for file in constants.files]
    total = sum(file.size for file in files)

    def check(_: Path, size: int) -> None:
        if size != total:
            raise AssertionError(f"{size} bytes were sent, not {total}")

    with (
        run_nginx(program, objects) as nginx,
        Clients(server.port, CLIENTS) as clients,
        Clients(nginx.port, CLIENTS) as others,
    ):
        ours = [f"/v1/objects/sha256/{file.sha256}" for file in files]
        baseline = [f"/{file.sha256[:2]}/{file.sha256}.npy" for file in files]
        tasks = {
            "ours": Task(lambda _: clients.ask(ours), check=check),
            "baseline": Task(lambda _: others.ask(baseline), check=check),
        }
        seconds = bench.time(tasks, 9)
    return make_timed_row(work, seconds, database=dialect, reach=1.66)
