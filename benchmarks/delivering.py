"""Row of a delivery: the maps of many modules as one revision, against a command for each module."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.detector import module_name, panel_id
from benchmarks.rows import Row, make_timed_row
from benchmarks.timing import Task
from testing.panels import write_panel_folder
from testing.registries import RegistryLocation

_START = "2018-01-01T00:00:00Z"


def measure_deliveries(bench: Bench) -> Iterator[Row]:
    """Measure ``calreg version add --from`` against ``calreg version add`` for each module, as processes."""
    delivery = bench.folder / "delivery"
    modules = [module_name(number) for number in range(bench.scale.modules)]
    for number, module in enumerate(modules):
        write_panel_folder(delivery / module, number, noisy=True)
    for dialect in bench.databases:
        registration = _Registration(bench, dialect, len(modules))
        one_by_one = [[module, str(delivery / module)] for module in modules]
        tasks = {
            "ours": registration.make_task([["--from", str(delivery)]]),
            "baseline": registration.make_task(one_by_one),
        }
        seconds = bench.time(tasks, 5, warm_up=False)
        yield make_timed_row(f"deliver {len(modules)} modules", seconds, database=dialect, reach=1 / 3)


@dataclass(slots=True)
class _Registration:
    """The registration of modules in a registry that is new for each run, so that every file is new to it."""

    bench: Bench
    dialect: str
    modules: int
    locations: list[RegistryLocation] = field(default_factory=list)

    def make_task(self, arguments: Sequence[Sequence[str]]) -> Task:
        """Return the task of a command for each of the arguments."""

        def run(_: Path) -> None:
            for words in arguments:
                self._run_command(words)

        return Task(run, self._prepare, self._check)

    def _prepare(self, folder: Path) -> None:
        # In the folder of the run, which is removed: its store has as many bytes as the delivery.
        self.locations.append(self.bench.factory.make(self.dialect, folder))
        with self.locations[-1].open() as registry:
            for number in range(self.modules):
                registry.panels.add(panel_id(number), alias=module_name(number))

    def _run_command(self, words: Sequence[str]) -> None:
        location = self.locations[-1]
        calreg = Path(sys.executable).with_name("calreg")
        program = [str(calreg)] if calreg.exists() else [sys.executable, "-m", "registry"]
        options = ["--database", location.database, "--store", str(location.store)]
        command = [*program, *options, "version", "add", *words, "--valid-from", _START]
        subprocess.run(command, check=True, capture_output=True)

    def _check(self, _: Path, __: object) -> None:
        location = self.locations.pop()
        with location.open() as registry:
            if len(registry.versions.list()) != 2 * self.modules:
                raise AssertionError("not every module has its versions")
        self.bench.factory.give_back(location)
