"""The recorded runs of an experiment and their answers from one source: for which runs one set of constants is good."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from registry.identifiers import MAX_RUN
from registry.lookup.answers import Answer, Answers, AnswerSegment, Source, build_segments
from registry.lookup.run_starts import list_run_starts
from registry.run_ranges import RunRange

_FIRST_COUNT, _GROWTH = 500, 16


@dataclass(frozen=True, slots=True)
class WrongRun:
    """A run for which other constants would be read than its own; ``reason`` is a clause."""

    run: int
    reason: str


class SourceRuns:
    """The recorded runs of an experiment, in segments that get the same from one of its sources.

    Parameters
    ----------
    kinds
        Whose constants are compared; by default all kinds of the detector type.
    limits
        The range of runs that are looked at.
    """

    def __init__(
        self,
        connection: sa.Connection,
        source: Source,
        kinds: Sequence[str] | None,
        revision: int,
        limits: RunRange = (0, None),
    ) -> None:
        self.source = source
        self._kinds = kinds
        self._answers = Answers(connection, {source[0]}, kinds, revision)
        self._starts = dict(list_run_starts(connection, source[0], revision, limits))
        self.segments = build_segments(self._answers, source, self._starts.items())

    @classmethod
    def read_alike(
        cls, connection: sa.Connection, source: Source, kinds: Sequence[str], revision: int, run: int
    ) -> SourceRuns:
        """Return the recorded runs from one on, no more than are needed to find where its answer changes."""
        count = _FIRST_COUNT
        while True:
            rows = list_run_starts(connection, source[0], revision, (run, None), count)
            is_whole = len(rows) < count
            runs = cls(connection, source, kinds, revision, (run, rows[-1][0] if rows else run))
            if is_whole or len(runs.segments) > 1:
                return runs
            count *= _GROWTH

    def find_last_run(self, run: int) -> int | None:
        """Return the last recorded run before the answer of this one changes, None if nothing is known to end it."""
        segment = next(segment for segment in self.segments if run <= segment.last_run)
        return None if self.is_open(segment) else segment.last_run

    def is_open(self, segment: AnswerSegment) -> bool:
        """Tell whether nothing is known to end the answer of a segment: neither a run, a start nor a configuration."""
        start = self._starts[segment.last_run]
        return (
            segment is self.segments[-1]
            and start is not None
            and segment.configuration is not None
            and not self._answers.is_known_to_end(self.source, segment.last_run, start)
        )

    def find_wrong_run(
        self, limits: RunRange, own: Answer, exempt: int | None, *, by_segment: bool = False
    ) -> WrongRun | None:
        """Return the first run in a range that has other constants, or a configuration of other panels, than these.

        By segment, other segment numbers of the same panels are wrong too.

        Runs without a start time are not compared, nor is the exempt one.
        """
        return min(self._list_wrong_runs(limits, own, exempt, by_segment), key=_get_run, default=None)

    def _list_wrong_runs(
        self, limits: RunRange, own: Answer, exempt: int | None, by_segment: bool
    ) -> Iterator[WrongRun]:
        kinds = tuple(own.constants)
        for segment in self.segments:
            runs = [run for run in segment.runs if _contains(limits, run) and run != exempt]
            if runs and not segment.answer.is_undecided:
                reason = describe_difference(own, segment.answer, kinds, by_segment=by_segment)
                if reason is not None:
                    yield WrongRun(runs[0], reason)
        first, last = limits
        configured = self._answers.list_configurations(self.source, first, MAX_RUN if last is None else last)
        for run, configuration in configured:
            if configuration.panels and configuration.panels != own.panels:
                yield WrongRun(run, f"other panels are configured from run {configuration.first_run} on")
            elif configuration.panels and by_segment and configuration.segments != own.segments:
                yield WrongRun(run, f"other segment numbers are stated from run {configuration.first_run} on")

    def list_runs_without_start(self, limits: RunRange) -> list[int]:
        """Return the recorded runs in a range whose start time is not known."""
        return [run for run, start in self._starts.items() if start is None and _contains(limits, run)]


def describe_difference(
    own: Answer, other: Answer, kinds: Sequence[str], *, by_segment: bool = False
) -> str | None:
    """Return why a run with the other answer is not served with these constants, as a clause; None if it is."""
    refusal = other.describe_refusal(kinds)
    if refusal is not None:
        return refusal
    if len(other.panels) != len(own.panels):
        return "it has other panels"
    if by_segment and other.segments != own.segments:
        return "its panels have other segment numbers"
    different = [
        f"{kind} of {panel}"
        for kind in kinds
        for panel, mine, its in zip(other.panels, own.constants[kind], other.constants[kind], strict=True)
        if mine != its
    ]
    if not different:
        return None
    if sorted(own.panels) == sorted(other.panels) and own.panels != other.panels:
        return "its panels are in another order"
    more = f", and {len(different) - 1} more" if len(different) > 1 else ""
    others = "" if other.panels == own.panels else "it has other panels: "
    return f"{others}other {different[0]} is valid{more}"


def _get_run(wrong: WrongRun) -> int:
    return wrong.run


def _contains(limits: RunRange, run: int) -> bool:
    first, last = limits
    return first <= run and (last is None or run <= last)
