"""Runs withdrawn: one, or all that are recorded in ranges."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change
from registry.errors import ConflictError, NotFoundError
from registry.identifiers import MAX_RUN, Dataset, format_count, format_run_range
from registry.lookup.revisions import require_comment
from registry.lookup.runs import find_run
from registry.run_ranges import RunRange, RunSelection, format_runs


@dataclass(frozen=True, slots=True)
class _RecordedRuns:
    """The runs of an experiment, each once: the keys of the live ones, and which revision withdrew the others."""

    live: dict[int, int]
    withdrawn: dict[int, int]


def withdraw_runs(change: Change, selection: RunSelection) -> None:
    """Withdraw the runs of a selection and their times, with a comment: all, or none.

    A number that stands alone must be a recorded run, a range must hold at least one.

    Raises
    ------
    NotFoundError
        Runs are not recorded, or ranges hold none; all are listed.
    ConflictError
        All that are not there to withdraw were withdrawn already.
    """
    require_comment(change.comment, "a withdrawal")
    recorded = _read_runs(change, selection)
    live, gone = sorted(recorded.live), sorted(recorded.withdrawn)
    _refuse_missing(change, selection, recorded, live, gone)
    chosen = set(_list_numbers(live, selection))
    change.withdraw(schema.run, [recorded.live[number] for number in sorted(chosen)])
    if selection.single is None:
        before = set(_list_numbers(gone, selection))
        more = f"; {len(before)} more withdrawn before: {format_runs(before)}" if before else ""
        count = format_count(len(chosen), "recorded run")
        change.notes.append(f"{selection} selects {count}: {format_runs(chosen)}{more}")


def _read_runs(change: Change, selection: RunSelection) -> _RecordedRuns:
    run = schema.run
    first = min(first for first, _ in selection.ranges)
    last = max(MAX_RUN if last is None else last for _, last in selection.ranges)
    query = (
        sa.select(run.c.id, run.c.number, run.c.withdrawn_in)
        .where(run.c.experiment == selection.experiment, run.c.number.between(first, last))
        .order_by(run.c.id)
    )
    live: dict[int, int] = {}
    withdrawn: dict[int, int] = {}
    for key, number, withdrawn_in in change.connection.execute(query):
        if withdrawn_in is None:
            live[number] = key
        else:
            withdrawn[number] = withdrawn_in
    return _RecordedRuns(live, {number: by for number, by in withdrawn.items() if number not in live})


def _find_slice(numbers: Sequence[int], limits: RunRange) -> slice:
    """Return where the numbers of a range are among sorted ones."""
    first, last = limits
    return slice(bisect_left(numbers, first), None if last is None else bisect_right(numbers, last))


def _list_numbers(numbers: Sequence[int], selection: RunSelection) -> Iterator[int]:
    """Yield the sorted numbers that are selected, each once, whatever ranges overlap."""
    after = 0
    for first, last in sorted(selection.ranges, key=lambda limits: limits[0]):
        chosen = numbers[_find_slice(numbers, (max(first, after), last))]
        yield from chosen
        after = max([after, *(number + 1 for number in chosen[-1:])])


def _refuse_missing(
    change: Change, selection: RunSelection, recorded: _RecordedRuns, live: Sequence[int], gone: Sequence[int]
) -> None:
    """Refuse what is not there to withdraw: all of it at once, what was never recorded before the rest."""
    empty = [limits for limits in dict.fromkeys(selection.ranges) if not live[_find_slice(live, limits)]]
    unknown = [limits for limits in empty if not gone[_find_slice(gone, limits)]]
    if not empty:
        return
    if selection.single is not None and unknown:
        find_run(change.connection, selection.single, change.visible_revision)
    sentences = [
        _describe_unknown(selection.experiment, limits)
        if limits in unknown
        else _describe_withdrawn(
            selection.experiment, limits, [recorded.withdrawn[n] for n in gone[_find_slice(gone, limits)]]
        )
        for limits in empty
    ]
    values: dict[str, Any] = {"runs": [format_run_range(*limits) for limits in empty]}
    if unknown:
        near = _find_near_runs(change, Dataset(selection.experiment, unknown[0][0]))
        raise NotFoundError.combine("runs cannot be withdrawn", sentences, near=near, **values)
    withdrawn_in = max(recorded.withdrawn[n] for limits in empty for n in gone[_find_slice(gone, limits)])
    raise ConflictError.combine("runs cannot be withdrawn", sentences, withdrawn_in=withdrawn_in, **values)


def _find_near_runs(change: Change, dataset: Dataset) -> list[int]:
    """Return recorded runs near one that is not; the `NotFoundError` of an unknown experiment says that itself."""
    try:
        find_run(change.connection, dataset, change.visible_revision)
    except NotFoundError as unknown:
        if "experiment" in unknown.values:
            raise
        near: list[int] = unknown.values["near"]
        return near
    return []


def _describe_unknown(experiment: str, limits: RunRange) -> str:
    runs = format_run_range(*limits)
    if limits[0] == limits[1]:
        return f"run {runs} of {experiment} is not known"
    return f"no run of {experiment} in {runs} is known"


def _describe_withdrawn(experiment: str, limits: RunRange, revisions: Sequence[int]) -> str:
    if limits[0] == limits[1]:
        return f"{Dataset(experiment, limits[0])} was withdrawn already, by revision {revisions[0]}"
    runs = format_run_range(*limits)
    return f"every run of {experiment} in {runs} was withdrawn already, the last by revision {max(revisions)}"
