"""The rows of the table, and the results of a run as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.timing import Seconds, Spread, compute_ratio, compute_spread


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
    statements
        How many one call executes, but for those that begin and end a transaction; one is the figure to reach.
    remark
        Why there is no ratio.
    seconds
        Every time that was taken.
    """

    work: str
    database: str = ""
    unit: Literal["s", "MiB", "B"] = "s"
    ours: float | None = None
    baseline: float | None = None
    copied: float | None = None
    hashed: float | None = None
    ratio: Spread | None = None
    reach: float | None = None
    statements: int | None = None
    remark: str | None = None
    seconds: Seconds | None = None

    @property
    def in_reach(self) -> bool | None:
        """Whether the figure is reached; None where there is none, or nothing was measured."""
        value = self.ratio.median if self.ratio else self.ours
        return None if self.reach is None or value is None else value <= self.reach

    @property
    def in_one_statement(self) -> bool | None:
        """Whether one statement answers; None where statements are not counted."""
        return None if self.statements is None else self.statements == 1

    @property
    def reached(self) -> bool | None:
        """Whether both are so, as far as there is something to reach."""
        figures = [each for each in (self.in_reach, self.in_one_statement) if each is not None]
        return all(figures) if figures else None


def make_timed_row(
    work: str,
    seconds: Seconds,
    *,
    database: str = "",
    reach: float | None = None,
    statements: int | None = None,
) -> Row:
    """Return the row of the tasks `ours` and `baseline`, with the floors `copied` and `hashed` if there."""
    medians = {name: compute_spread(taken).median for name, taken in seconds.items()}
    return Row(
        work=work,
        database=database,
        ours=medians["ours"],
        baseline=medians["baseline"],
        copied=medians.get("copied"),
        hashed=medians.get("hashed"),
        ratio=compute_ratio(seconds),
        reach=reach,
        statements=statements,
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
