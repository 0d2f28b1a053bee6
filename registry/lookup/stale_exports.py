"""Recorded exports held against what would be made now: the same request, as of a revision."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.identifiers import split_detector_id
from registry.lookup.answer_changes import LOST, AnswerChange, Reason, compare_answers, describe_move
from registry.lookup.answers import NO_RUN, Answer, Answers, DetectorAnswers, read_m_numbers
from registry.lookup.export_configurations import choose_configuration_of_export, was_live
from registry.lookup.exported_constants import read_exported_constants
from registry.lookup.runs import list_configurations
from registry.lookup.timelines import read_timelines
from registry.lookup.values_table import values_table
from registry.records import Configuration


@dataclass(frozen=True, slots=True)
class Staleness:
    """The reasons why an export would be made from something else now, or refused.

    ``is_relabelled`` tells that the constants would be the same, and only panel Ids or segment numbers would differ.
    """

    is_refused: bool
    is_relabelled: bool
    reasons: tuple[Reason, ...]

    def __str__(self) -> str:
        words = "; ".join(map(str, self.reasons))
        return f"would be refused: {words}" if self.is_refused else words


def find_stale_exports(
    connection: sa.Connection, exports: Sequence[Any], revision: int
) -> dict[int, Staleness]:
    """Return by number the exports that would not be made from the same constants as of a revision.

    `exports` are rows of their table; they may have been made as of other revisions.
    """
    used = read_exported_constants(connection, [row.id for row in exports])
    panels = {panel for row in exports for panel in split_detector_id(row.detector_id)}
    kinds = {kind for constants in used.values() for _, kind in constants}
    experiments = {row.experiment for row in exports if row.experiment is not None}
    history = _History(connection, exports, experiments, revision)
    span = history.find_span(exports)
    timelines = read_timelines(connection, panels, revision, kinds=kinds, span=span)
    m_numbers = read_m_numbers(connection, panels, revision)
    answers = Answers(connection, experiments, kinds, revision, span)
    stale = {}
    for row in exports:
        names = tuple(split_detector_id(row.detector_id))
        if row.experiment is None:
            now = DetectorAnswers(names, kinds, timelines, m_numbers).find_answer(row.instant)
            move = None
        else:
            now, move = history.find_present_answer(answers, row)
        before = _build_answer(names, history.find_segments(row, now), used[row.id])
        change = compare_answers(before, now, {kind for _, kind in used[row.id]})
        if change:
            stale[row.id] = _build_staleness(change, move)
    return stale


def _build_staleness(change: AnswerChange, move: Reason | None) -> Staleness:
    reasons = ((move,) if move else ()) + change.reasons
    return Staleness(change.worst == LOST, change.relabelled == {*change.arrays}, reasons)


def _build_answer(
    panels: tuple[str, ...], segments: tuple[int, ...] | None, used: Mapping[tuple[str, str], str]
) -> Answer:
    kinds = dict.fromkeys(kind for _, kind in sorted(used))
    return Answer(
        panels, segments, {kind: tuple(used.get((panel, kind)) for panel in panels) for kind in kinds}
    )


class _History:
    """The runs and configurations of exports, as of the revisions that these were made from and as of another."""

    def __init__(
        self, connection: sa.Connection, exports: Sequence[Any], experiments: set[str], revision: int
    ) -> None:
        self._revision = revision
        self._runs = _read_runs(connection, exports)
        self._configurations: defaultdict[tuple[str, str], list[Configuration]] = defaultdict(list)
        newest = max([revision, *(row.revision for row in exports)])
        for row in list_configurations(connection, newest, experiments, withdrawn=True):
            self._configurations[row.experiment, row.source].append(row)

    def find_span(self, exports: Sequence[Any]) -> tuple[int, int]:
        """Return the first and the last instant at which any of the exports was made, or would be made."""
        starts = [row.begin_at for rows in self._runs.values() for row in rows if row.begin_at is not None]
        instants = [*starts, *(row.instant for row in exports)]
        return min(instants), max(instants)

    def find_segments(self, export: Any, now: Answer) -> tuple[int, ...] | None:
        """Return the segment numbers of the panels of an export; those of a detector Id are not recorded."""
        known = self._configurations[export.experiment, export.source] if export.experiment else ()
        chosen = choose_configuration_of_export(known, export)
        return chosen.segments if chosen else now.segments

    def find_present_answer(self, answers: Answers, export: Any) -> tuple[Answer, Reason | None]:
        """Return what the run of an export gets, at its start time if that is what the export was made of.

        And how the start time moved.
        """
        source, run = (export.experiment, export.source), export.run
        rows = self._runs[export.experiment, run]
        then = next((row for row in rows if was_live(row, export.revision)), None)
        if then is None or then.begin_at != export.instant:
            return answers.find(source, run, export.instant), None
        present = next((row for row in rows if was_live(row, self._revision)), None)
        if present is None:
            return NO_RUN, None
        start = present.begin_at
        moved = start is not None and start != export.instant
        return answers.find(source, run, start), describe_move(export.instant, start) if moved else None


def _read_runs(connection: sa.Connection, exports: Sequence[Any]) -> defaultdict[tuple[str, int], list[Any]]:
    run = schema.run
    keys = {(row.experiment, row.run) for row in exports if row.experiment is not None}
    by_key: defaultdict[tuple[str, int], list[Any]] = defaultdict(list)
    if keys:
        wanted = values_table(connection, sorted(keys), run.c.experiment, run.c.number)
        same = sa.and_(run.c.experiment == wanted.c.experiment, run.c.number == wanted.c.number)
        for row in connection.execute(sa.select(run).join(wanted, same)):
            by_key[row.experiment, row.number].append(row)
    return by_key
