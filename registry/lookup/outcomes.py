"""Outcomes: the registered runs that get something else as of one revision than as of another, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import sqlalchemy as sa

from registry.lookup.answer_changes import (
    OTHER_CONSTANTS,
    VALID_NOW,
    AnswerChange,
    Reason,
    compare_answers,
    describe_move,
)
from registry.lookup.answers import NO_RUN, Answer, Answers, Source
from registry.lookup.candidate_runs import Candidates, RunTimes, find_candidates
from registry.lookup.changed_ranges import ChangedRange, list_changed_ranges
from registry.records import AffectedGroup, AffectedRun
from registry.run_ranges import find_ranges

RunChange = tuple[Source, int, AnswerChange, tuple[Reason, ...]]
"""The source, the number of the run, what becomes of its arrays, and why."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The wanted changes: of these kinds, of an experiment, of these panels; None means all."""

    kinds: Collection[str] | None = None
    experiment: str | None = None
    panels: Set[str] | None = None
    new_runs: bool = True  # those that were not recorded before
    tables: Set[str] = frozenset({"version", "alias", "configuration", "run"})  # in which something changed

    def includes(self, changed: ChangedRange) -> bool:
        """Tell whether a range is one of a wanted panel and kind."""
        return (self.kinds is None or changed.kind in self.kinds) and self.is_about([changed.panel])

    def is_about(self, panels: Collection[str]) -> bool:
        """Tell whether one of these panels is wanted."""
        return self.panels is None or not self.panels.isdisjoint(panels)


def list_affected_runs(connection: sa.Connection, since: int, upto: int, scope: Scope) -> list[AffectedRun]:
    """Return the registered runs that get something else as of `upto` than as of `since`.

    By experiment, run and source.
    """
    ranges = list_changed_ranges(connection, since, upto)
    changes = list_run_changes(connection, ranges, since, upto, scope)
    changes.sort(key=lambda change: (change[0][0], change[1], change[0][1]))
    return [_build_affected_run(*change) for change in changes]


def list_affected_groups(
    connection: sa.Connection, since: int, upto: int, scope: Scope
) -> list[AffectedGroup]:
    """Return the same in groups, see `group_changes`."""
    ranges = list_changed_ranges(connection, since, upto)
    groups = group_changes(list_run_changes(connection, ranges, since, upto, scope))
    return [group.build_record() for group in groups]


def list_run_changes(
    connection: sa.Connection, ranges: Sequence[ChangedRange], since: int, upto: int, scope: Scope
) -> list[RunChange]:
    """Return what becomes of the runs, by source, where constants changed in these ranges."""
    wanted = [row for row in ranges if scope.includes(row)]
    candidates = find_candidates(
        connection, wanted, since, upto, scope.experiment, tables=scope.tables, new_runs=scope.new_runs
    )
    if not candidates.experiments:
        return []
    kinds = scope.kinds if candidates.all_kinds else {row.kind for row in wanted}
    span = _find_span(candidates)
    before = Answers(connection, candidates.experiments, kinds, since, span)
    if candidates.same_detectors:
        after = before.with_versions_of(connection, upto)
    else:
        after = Answers(connection, candidates.experiments, kinds, upto, span)
    comparison = _Comparison(before, after, scope)
    return [
        change
        for source, runs in _list_sources(candidates, before, after)
        for change in comparison.list_changes(source, runs)
    ]


def _find_span(candidates: Candidates) -> tuple[int, int]:
    """Return the first and the last start time, before or after."""
    groups = [*candidates.by_source.values(), *candidates.moved.values()]
    starts = [start for runs in groups for times in runs.values() for start in times[:2] if start is not None]
    return (min(starts), max(starts)) if starts else (0, 0)


def _list_sources(
    candidates: Candidates, before: Answers, after: Answers
) -> Iterator[tuple[Source, Mapping[int, RunTimes]]]:
    """Yield the candidates of each source; runs whose times changed are those of every source."""
    for source in sorted(before.sources | after.sources):
        runs = candidates.by_source.get(source, {}) | candidates.moved.get(source[0], {})
        if runs:
            yield source, runs


class _Comparison:
    """Compares the answers of runs; that of two answers is made once, however many runs have them."""

    def __init__(self, before: Answers, after: Answers, scope: Scope) -> None:
        self._before, self._after, self._scope = before, after, scope
        self._known: dict[tuple[int, int], AnswerChange | None] = {}

    def list_changes(self, source: Source, runs: Mapping[int, RunTimes]) -> Iterator[RunChange]:
        for run, times in runs.items():
            old = self._before.find(source, run, times.before) if times.was_recorded else NO_RUN
            new = self._after.find(source, run, times.after) if times.is_recorded else NO_RUN
            change = self._compare(old, new)
            if change is None:
                continue
            reasons = change.reasons
            if times.before is not None and times.after is not None and times.before != times.after:
                move = describe_move(times.before, times.after)
                beside = self._compare(old, self._after.find(source, run, times.before))
                reasons = _join_causes(move, change, beside)
            yield source, run, change, reasons

    def _compare(self, old: Answer, new: Answer) -> AnswerChange | None:
        key = id(old), id(new)
        if key not in self._known:
            change = compare_answers(old, new, self._scope.kinds)
            self._known[key] = change if change and self._scope.is_about(change.panels) else None
        return self._known[key]


def _join_causes(move: Reason, change: AnswerChange, beside: AnswerChange | None) -> tuple[Reason, ...]:
    """Return why a run whose start time moved gets something else; `beside` is what changed apart from that."""
    missing = [reason for reason in change.reasons if reason not in (OTHER_CONSTANTS, VALID_NOW)]
    return tuple(dict.fromkeys([move, *missing, *(beside.reasons if beside else ())]))


def _build_affected_run(
    source: Source, run: int, change: AnswerChange, reasons: Iterable[Reason]
) -> AffectedRun:
    return AffectedRun(
        source[0], run, source[1], change.worst, change.constants, join_reasons(reasons), change.kinds
    )


def join_reasons(reasons: Iterable[Reason]) -> str:
    """Return several reasons as one text."""
    return "; ".join(map(str, reasons))


@dataclass(slots=True)
class RunGroup:
    """Runs of a source of which the same arrays are concerned, for the same reason."""

    source: Source
    change: AnswerChange
    reasons: tuple[Reason, ...]
    runs: list[int]

    def build_record(self) -> AffectedGroup:
        """Return the record of the group."""
        return AffectedGroup(
            experiment=self.source[0],
            source=self.source[1],
            runs=tuple(find_ranges(self.runs)),
            change=self.change.worst,
            kinds=self.change.kinds,
            panels=self.change.panels,
            reason=join_reasons(self.reasons),
        )


def group_changes(changes: Iterable[RunChange]) -> list[RunGroup]:
    """Return the changes in groups, by experiment, first run and source.

    Of the runs of a group the same is to be said, but for the times between which a start time moved.
    """
    same: dict[tuple[Source, int, tuple[Reason, ...]], RunGroup] = {}
    for source, run, change, reasons in changes:
        # One object for very many runs: it is compared with others by its value below, once.
        key = source, id(change), () if reasons is change.reasons else reasons
        group = same.get(key)
        if group is None:
            same[key] = RunGroup(source, change, reasons, [run])
        else:
            group.runs.append(run)
    alike: dict[tuple[object, ...], RunGroup] = {}
    for group in same.values():
        general = tuple(reason.generalise() for reason in group.reasons)
        arrays = tuple(group.change.arrays.items()), group.change.relabelled
        first = alike.setdefault((group.source, arrays, group.change.panels, general), group)
        if first is not group:
            first.runs += group.runs
            first.reasons = general if first.reasons != group.reasons else first.reasons
    return sorted(alike.values(), key=lambda group: (group.source[0], min(group.runs), group.source[1]))
