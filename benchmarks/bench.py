"""The context of a run of the suite: its scale, its folder, and the detector that several rows share."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.detector import Detector, make_detector
from benchmarks.grown import GROWING, MEDIUM, SMALL, Growth
from benchmarks.memory import measure_peak
from benchmarks.timing import Seconds, Task, time_rounds
from testing.registries import RegistryFactory, RegistryLocation


@dataclass(frozen=True, slots=True)
class Scale:
    """The sizes that are measured.

    Attributes
    ----------
    panels, text_panels
        Numbers of panels of the exported detectors.
    look_up_panels
        Number of panels of a look-up.
    starts
        Numbers of starts of each panel and kind, in a short and in a long history: 16 and 15625 make 1e3 and
        1e6 versions.
    page_starts
        Number of starts of each panel in the long history whose first pages are listed: with 32 panels, 3125 make
        1e5 revisions.
    worst_panels, worst_starts
        Numbers of panels and of starts in the worst case, with two kinds.
    scenario_panels, scenario_starts
        The same of the field's reference scenario: 50 and 5000 make 100 types with 500,000 ranges.
    modules, links
        Numbers of modules and links in the imported directory.
    runs
        Number of recorded runs beside which a version is registered.
    read_panels
        Number of panels of a run whose files many processes read through a service.
    grown
        A small registry, and one that has grown in every table.
    effort
        Factor of all numbers of rounds.
    run
        Duration of a run of short calls in seconds; the number of calls follows from it.
    """

    panels: tuple[int, ...]
    text_panels: tuple[int, ...]
    look_up_panels: int
    starts: tuple[int, int]
    page_starts: int
    worst_panels: int
    worst_starts: int
    scenario_panels: int
    scenario_starts: int
    modules: int
    links: int
    runs: int
    read_panels: int
    grown: tuple[Growth, Growth]
    effort: float = 1.0
    run: float = 0.03


FULL = Scale(
    (2, 8, 32),
    (2, 8, 32),
    32,
    (16, 15625),
    3125,
    200,
    13000,
    50,
    5000,
    32,
    100_000,
    100_000,
    16,
    (SMALL, MEDIUM),
)
QUICK = Scale(
    (2, 8), (2,), 32, (16, 1563), 160, 200, 500, 50, 500, 8, 5_000, 5_000, 2, (SMALL, GROWING), effort=0.4
)


@dataclass
class Bench:
    """A run of the suite. ``repetitions`` overrides every number of rounds."""

    factory: RegistryFactory
    scale: Scale
    databases: tuple[str, ...]
    repetitions: int | None = None
    _detectors: dict[str, Detector] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """The folder for temporary files."""
        return self.factory.folder

    @property
    def detector(self) -> Detector:
        """The detector that is exported, registered on SQLite."""
        return self.find_detector("sqlite")

    def find_detector(self, dialect: str) -> Detector:
        """Return the same detector on a database; it is registered there when it is first needed."""
        if dialect not in self._detectors:
            sizes = {*self.scale.panels, *self.scale.text_panels, self.scale.read_panels}
            self._detectors[dialect] = make_detector(self.factory, tuple(sorted(sizes)), dialect)
        return self._detectors[dialect]

    def measure_peak(
        self,
        work: Callable[..., object],
        arguments: Callable[[Path], Sequence[object]],
        location: Callable[[], RegistryLocation] | None = None,
    ) -> float:
        """Return the peak memory of a function in MiB: the median over separate processes.

        `arguments` and `location` are called for each process; `arguments` receives an empty folder, which is
        removed afterwards.
        """
        peaks = []
        for _ in range(self.count(3)):
            with tempfile.TemporaryDirectory(dir=self.folder) as name:
                peaks.append(measure_peak(work, arguments(Path(name)), location() if location else None))
        return statistics.median(peaks)

    def time(self, tasks: Mapping[str, Task], count: int, *, warm_up: bool = True) -> Seconds:
        """Time tasks in `count` rounds, adjusted by the scale's effort or overridden by `repetitions`."""
        return time_rounds(tasks, self.count(count), self.folder, warm_up=warm_up)

    def count(self, count: int) -> int:
        """Return a number of rounds, adjusted by the scale's effort or overridden by `repetitions`."""
        return self.repetitions or max(1, round(count * self.scale.effort))
