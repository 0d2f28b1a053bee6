"""The times for which panels bear M-numbers, in memory: from the start of a statement to the panel's next start."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from registry.instants import BEGINNING, NEVER, Instant, format_range
from registry.lookup.timelines import Timeline, build_timelines


@dataclass(frozen=True, slots=True)
class AliasStatement:
    """The statement that a panel bears an M-number from a start time on.

    ``same_module`` says that the module is the same one although its serial number is another.
    """

    m_number: str
    panel: str
    valid_from: Instant = BEGINNING
    same_module: bool = False


class BorneRange(NamedTuple):
    """A time, its end exclusive, for which a panel bears the M-number of a statement."""

    statement: AliasStatement
    start: Instant
    end: Instant

    def __str__(self) -> str:
        return format_range(self.start, None if self.end == NEVER else self.end)


def build_alias_timelines(statements: Iterable[AliasStatement]) -> defaultdict[str, Timeline[AliasStatement]]:
    """Return the statements by start, by panel."""
    ordered = sorted(statements, key=lambda statement: statement.valid_from)
    return build_timelines((statement.panel, statement.valid_from, statement) for statement in ordered)


def list_borne_ranges(statements: Iterable[AliasStatement]) -> list[BorneRange]:
    """Return for every statement the time for which its panel bears the M-number."""
    return [
        BorneRange(statement, statement.valid_from, NEVER if end is None else Instant(end))
        for timeline in build_alias_timelines(statements).values()
        for statement, end in timeline.ranges()
    ]


def split_ranges(
    before: Sequence[AliasStatement], after: Sequence[AliasStatement]
) -> tuple[list[BorneRange], list[BorneRange]]:
    """Return the ranges after a change: those in which a panel bears what it bore before it, and the new ones."""
    timelines = build_alias_timelines(before)
    old: list[BorneRange] = []
    new: list[BorneRange] = []
    for borne in list_borne_ranges(after):
        timeline = timelines.get(borne.statement.panel, Timeline())
        starts = [Instant(start) for start in timeline.starts if borne.start < start < borne.end]
        for start, end in pairwise([borne.start, *starts, borne.end]):
            bore = timeline.at(start)
            is_old = bore is not None and bore.m_number == borne.statement.m_number
            (old if is_old else new).append(BorneRange(borne.statement, start, end))
    order = {statement: index for index, statement in enumerate(after)}
    return old, sorted(new, key=lambda borne: order[borne.statement])


def intersect(borne: BorneRange, ranges: Iterable[BorneRange]) -> Iterator[BorneRange]:
    """Yield the parts of the ranges that are in the one."""
    for other in ranges:
        start, end = max(borne.start, other.start), min(borne.end, other.end)
        if start < end:
            yield BorneRange(other.statement, start, end)


def subtract(borne: BorneRange, ranges: Iterable[BorneRange]) -> Iterator[BorneRange]:
    """Yield the parts of the one range that are in none of the others."""
    start = borne.start
    for other in sorted(intersect(borne, ranges), key=lambda shared: shared.start):
        if start < other.start:
            yield BorneRange(borne.statement, start, other.start)
        start = max(start, other.end)
    if start < borne.end:
        yield BorneRange(borne.statement, start, borne.end)
