"""What a run of the suite works with: how much is measured, where, and what several rows share."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.detector import Detector, make_detector
from benchmarks.memory import measure_peak
from benchmarks.timing import Seconds, Task, time_rounds
from testing.registries import RegistryFactory, RegistryLocation


@dataclass(frozen=True, slots=True)
class Scale:
    """How large everything is.

    Attributes
    ----------
    panels, text_panels
        Sizes of the detectors that are exported.
    asked
        Panels of a look-up.
    starts
        Of each panel and kind, in a short and in a long history: 16 and 15625 make 1e3 and 1e6 versions.
    worst_panels, worst_starts
        Of the worst case; two kinds.
    modules, links
        Of the directory that is imported.
    effort
        What all numbers of rounds are multiplied by.
    run
        Seconds that a run of short calls should take: it makes as many as that needs.
    """

    panels: tuple[int, ...]
    text_panels: tuple[int, ...]
    look_up_panels: int
    starts: tuple[int, int]
    worst_panels: int
    worst_starts: int
    modules: int
    links: int
    effort: float = 1.0
    run: float = 0.03


FULL = Scale((2, 8, 32), (2, 8, 32), 32, (16, 15625), 200, 13000, 32, 100_000)
QUICK = Scale((2, 8), (2,), 32, (16, 1563), 200, 500, 8, 5_000, effort=0.4)


@dataclass
class Bench:
    """A run of the suite. ``repetitions`` overrides every number of rounds."""

    factory: RegistryFactory
    scale: Scale
    databases: tuple[str, ...]
    repetitions: int | None = None

    @property
    def folder(self) -> Path:
        """Where temporary things may be made."""
        return self.factory.folder

    @cached_property
    def detector(self) -> Detector:
        """The detector that is exported, registered on SQLite."""
        return make_detector(self.factory, tuple(sorted({*self.scale.panels, *self.scale.text_panels})))

    def measure_peak(
        self,
        work: Callable[..., object],
        arguments: Callable[[Path], Sequence[object]],
        location: Callable[[], RegistryLocation] | None = None,
    ) -> float:
        """Return the peak memory of a function, in MiB: the median of processes of their own.

        `arguments` and `location` are called anew for each; `arguments` is given an empty folder, removed after it.
        """
        peaks = []
        for _ in range(self._count(3)):
            with tempfile.TemporaryDirectory(dir=self.folder) as own:
                peaks.append(measure_peak(work, arguments(Path(own)), location() if location else None))
        return statistics.median(peaks)

    def time(self, tasks: Mapping[str, Task], count: int, *, warm_up: bool = True) -> Seconds:
        """Time tasks in so many rounds, as far as the scale and the user do not say otherwise."""
        return time_rounds(tasks, self._count(count), self.folder, warm_up=warm_up)

    def _count(self, count: int) -> int:
        return self.repetitions or max(1, round(count * self.scale.effort))
