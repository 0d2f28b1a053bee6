"""The rows of the table, and the results of a run as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.timing import Seconds, Spread, ratio, spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    ours, baseline
        Medians, in `unit`.
    copied, hashed
        The floor, in seconds: the input read and the output written once; the same bytes hashed once.
    ratio
        Of ours to the baseline, pair by pair.
    reach
        The figure to reach: of the ratio, or of `ours` where there is none.
    peak, baseline_peak
        Memory above an idle process, in MiB.
    seconds
        Every time that was taken.
    """

    work: str
    unit: Literal["s", "MiB", "B", "statements"] = "s"
    ours: float | None = None
    baseline: float | None = None
    copied: float | None = None
    hashed: float | None = None
    ratio: Spread | None = None
    reach: float | None = None
    peak: float | None = None
    baseline_peak: float | None = None
    remark: str | None = None
    seconds: Seconds | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the figure is reached; None where there is none to reach, or nothing was measured."""
        value = self.ratio.median if self.ratio else self.ours
        return None if self.reach is None or value is None else value <= self.reach


def timed_row(
    work: str,
    seconds: Seconds,
    *,
    reach: float | None = None,
    peak: float | None = None,
    baseline_peak: float | None = None,
) -> Row:
    """Return the row of the tasks `ours` and `baseline`, with the floors `copied` and `hashed` if there."""
    medians = {name: spread(taken).median for name, taken in seconds.items()}
    return Row(
        work=work,
        ours=medians["ours"],
        baseline=medians["baseline"],
        copied=medians.get("copied"),
        hashed=medians.get("hashed"),
        ratio=ratio(seconds),
        reach=reach,
        peak=peak,
        baseline_peak=baseline_peak,
        seconds=seconds,
    )


@dataclass(frozen=True, slots=True)
class Results:
    """What one run of the suite measured, and where."""

    date: str
    command: str
    software: str
    machine: dict[str, str]
    rows: tuple[Row, ...]
