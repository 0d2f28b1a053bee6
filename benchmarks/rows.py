"""The rows of the table, and the results of a run as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.timing import Seconds, Spread, compute_ratio, compute_spread


@dataclass(frozen=True, slots=True)
class Figure:
    """A target as it was asked, with what was measured."""

    target: float
    value: float

    @property
    def is_reached(self) -> bool:
        """Return whether no more was measured than was asked."""
        return self.value <= self.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    ours, baseline
        Medians, in `unit`.
    copied, hashed
        The floors in seconds: to read the input and write the output once; to hash the same bytes once.
    ratio
        The ratio of ours to the baseline, within each round.
    reach
        The target of the ratio, or of `ours` without a ratio: the one that was asked last.
    earlier_targets
        Targets of the same that were asked earlier, and stand.
    statements
        Number of statements of one call, without those that begin and end a transaction; the target is one.
    remark
        The reason for a missing ratio.
    seconds
        All times that were measured.
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
    earlier_targets: tuple[float, ...] = ()
    statements: int | None = None
    remark: str | None = None
    seconds: Seconds | None = None

    @property
    def figures(self) -> tuple[Figure, ...]:
        """Return the targets in the order in which they were asked; none without a target or a measurement."""
        value = self.ratio.median if self.ratio else self.ours
        if self.reach is None or value is None:
            return ()
        return tuple(Figure(target, value) for target in (*self.earlier_targets, self.reach))

    @property
    def in_one_statement(self) -> bool | None:
        """Return whether one statement was enough; None if statements are not counted."""
        return None if self.statements is None else self.statements == 1

    @property
    def reached(self) -> bool | None:
        """Return whether all targets of the row are reached; None without a target."""
        targets = [figure.is_reached for figure in self.figures]
        if self.in_one_statement is not None:
            targets.append(self.in_one_statement)
        return all(targets) if targets else None


def make_timed_row(
    work: str,
    seconds: Seconds,
    *,
    database: str = "",
    reach: float | None = None,
    earlier_targets: tuple[float, ...] = (),
    statements: int | None = None,
) -> Row:
    """Return the row of the tasks `ours` and `baseline`, with the floors `copied` and `hashed` if measured."""
    medians = {name: compute_spread(times).median for name, times in seconds.items()}
    return Row(
        work=work,
        database=database,
        ours=medians["ours"],
        baseline=medians["baseline"],
        copied=medians.get("copied"),
        hashed=medians.get("hashed"),
        ratio=compute_ratio(seconds),
        reach=reach,
        earlier_targets=earlier_targets,
        statements=statements,
        seconds=seconds,
    )


@dataclass(frozen=True, slots=True)
class Results:
    """The rows of one run of the suite, with its date, command, software, machine, and the groups that it left out."""

    date: str
    command: str
    software: str
    machine: dict[str, str]
    rows: tuple[Row, ...]
    left_out: tuple[str, ...] = ()
