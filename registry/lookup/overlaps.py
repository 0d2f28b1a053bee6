"""Overlaps of runs: which ranges of numbers have runs in common, and which runs of two lists go on at the same time."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from msgspec import Struct

Range = tuple[int, int]
"""The first and the last run."""

Interval = tuple[int, int, int]
"""A run's start and end time, the start time where no end is known, and its number."""


class Overlap(Struct, frozen=True):
    """The runs of two lists that go on at the same time, and the first and the last such moment."""

    runs: tuple[int, ...]
    other_runs: tuple[int, ...]
    begin: int
    end: int


def intersect_ranges(ranges: Iterable[Range], others: Iterable[Range]) -> list[Range]:
    """Return the ranges of the runs that two lists of disjoint ranges have in common."""
    return list(_intersect_sorted(sorted(ranges), sorted(others)))


def _intersect_sorted(ranges: Sequence[Range], others: Sequence[Range]) -> Iterator[Range]:
    one = other = 0
    while one < len(ranges) and other < len(others):
        first = max(ranges[one][0], others[other][0])
        last = min(ranges[one][1], others[other][1])
        if first <= last:
            yield first, last
        if ranges[one][1] < others[other][1]:
            one += 1
        else:
            other += 1


def find_overlap(runs: Sequence[Interval], others: Sequence[Interval]) -> Overlap | None:
    """Return the runs that go on at the same time; ``None`` if there are none.

    The end of a run is not part of it: the next may start then. A run without a known end has its start time only.
    Not pair by pair: it takes the time of sorting both lists.
    """
    one, other = _list_overlapping(runs, others), _list_overlapping(others, runs)
    if not one:
        return None
    return Overlap(
        tuple(sorted(run for run, _, _ in one)),
        tuple(sorted(run for run, _, _ in other)),
        min(begin for _, begin, _ in one),
        max(end for _, _, end in one),
    )


def _list_overlapping(runs: Sequence[Interval], others: Sequence[Interval]) -> list[Interval]:
    """Return (run, begin, end) of every run that overlaps others: when the first overlap begins and the last ends."""
    ordered = sorted(others)
    begins = [begin for begin, _, _ in ordered]
    latest_ends = list(accumulate((end for _, end, _ in ordered), max))
    overlapping = []
    for begin, end, run in runs:
        # Those that start before this one, with it, and up to its end.
        before, with_it = bisect_left(begins, begin), bisect_right(begins, begin)
        until = max(with_it, bisect_left(begins, end))
        goes_on = before > 0 and latest_ends[before - 1] > begin
        if goes_on or until > before:
            first = begin if goes_on or with_it > before else begins[with_it]
            last = latest_ends[until - 1]
            overlapping.append((run, first, max(first, min(end, last))))
    return overlapping
