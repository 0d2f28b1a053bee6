"""Runs: recorded, completed with times, superseded and withdrawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change
from registry.errors import ConflictError, Remedy, RequestError
from registry.identifiers import Dataset
from registry.instants import Instant
from registry.lookup.revisions import require_comment
from registry.lookup.runs import find_run


@dataclass(frozen=True, slots=True)
class RunStatement:
    """A run, and when it started and ended as far as is known."""

    dataset: Dataset
    begin: Instant | None = None
    end: Instant | None = None

    @property
    def order_problem(self) -> str | None:
        """A sentence on a run that ends before it starts; None on any other."""
        if self.begin is None or self.end is None or self.begin <= self.end:
            return None
        return f"{self.dataset} ends at {self.end}, before it starts at {self.begin}"


def record_runs(change: Change, statements: Sequence[RunStatement], *, supersede: bool) -> None:
    """Record runs; one that is known without a start or end time receives it.

    Raises
    ------
    ConflictError
        A run is known with other times, or was withdrawn, and `supersede` is not set; or the batch
        contradicts itself. All such are listed.
    RequestError
        Runs end before they start; `supersede` without a comment.
    """
    if supersede:
        require_comment(change.comment, "superseding")
    recorded = _find_recorded(change, statements)
    first: dict[Dataset, RunStatement] = {}
    conflicts: list[str] = []
    new: list[RunStatement] = []
    withdrawn: list[int] = []
    for statement in statements:
        earlier = first.setdefault(statement.dataset, statement)
        if earlier is not statement:
            conflicts += [f"{statement.dataset} is stated twice, with other times"] * (earlier != statement)
            continue
        rows = recorded[statement.dataset]
        live = next((row for row in rows if row.withdrawn_in is None), None)
        conflict = None if supersede else _describe_conflict(statement, rows, live)
        if conflict is not None:
            conflicts.append(conflict)
        elif live is None or _find_replaced_times(statement, live):
            new.append(_complete(statement, live))
            withdrawn += [live.id] if live is not None else []
    _refuse_problems(
        conflicts,
        [statement.order_problem for statement in (*first.values(), *new) if statement.order_problem],
    )
    if withdrawn:
        change.withdraw(schema.run, withdrawn)
    change.record(
        schema.run,
        [
            {
                "experiment": statement.dataset.experiment,
                "number": statement.dataset.run,
                "begin_at": statement.begin,
                "end_at": statement.end,
            }
            for statement in new
        ],
    )


def _find_recorded(change: Change, statements: Sequence[RunStatement]) -> dict[Dataset, list[Any]]:
    """Return the rows ever recorded of each run, the oldest first."""
    run = schema.run
    experiments = {statement.dataset.experiment for statement in statements}
    query = sa.select(run).where(run.c.experiment.in_(experiments)).order_by(run.c.id)
    rows = defaultdict(list)
    for row in change.connection.execute(query):
        rows[Dataset(row.experiment, row.number)].append(row)
    return rows


def _describe_conflict(statement: RunStatement, rows: Sequence[Any], live: Any) -> str | None:
    """Return what speaks against recording the run: other times, or its withdrawal."""
    if live is not None:
        if all(known is None for known in _find_replaced_times(statement, live)):
            return None
        known = _describe_times(live.begin_at, live.end_at)
        return f"{statement.dataset} is known with {known}, not {_describe_times(statement.begin, statement.end)}"
    times = statement.begin, statement.end
    same = [row.withdrawn_in for row in rows if (row.begin_at, row.end_at) == times]
    if same:
        return f"{statement.dataset} was recorded so before, and revision {max(same)} withdrew it"
    return None


def _find_replaced_times(statement: RunStatement, live: Any) -> list[int | None]:
    """Return the recorded times, None where there is none, that the statement replaces by others."""
    pairs = ((live.begin_at, statement.begin), (live.end_at, statement.end))
    return [known for known, new in pairs if new is not None and new != known]


def _complete(statement: RunStatement, live: Any) -> RunStatement:
    """Return the statement with the recorded times of which it says nothing."""
    if live is None:
        return statement
    begin = live.begin_at if statement.begin is None else statement.begin
    end = live.end_at if statement.end is None else statement.end
    return RunStatement(statement.dataset, _as_instant(begin), _as_instant(end))


def _as_instant(value: int | None) -> Instant | None:
    return None if value is None else Instant(value)


def _describe_times(begin: int | None, end: int | None) -> str:
    start = "not known" if begin is None else str(Instant(begin))
    return f"begin {start}" + ("" if end is None else f" and end {Instant(end)}")


def _refuse_problems(conflicts: Sequence[str], backwards: Sequence[str]) -> None:
    if backwards:
        distinct = list(dict.fromkeys(backwards))
        raise RequestError.combine("runs end before they start", distinct, runs=distinct)
    if conflicts:
        raise ConflictError.combine(
            "runs conflict", conflicts, remedy=Remedy.SUPERSEDE_RUN, conflicts=conflicts
        )


def withdraw_run(change: Change, dataset: Dataset) -> None:
    """Withdraw a run and its times, with a comment; a `ConflictError` if it was withdrawn already."""
    require_comment(change.comment, "a withdrawal")
    rows = _find_recorded(change, [RunStatement(dataset)])[dataset]
    live = [row.id for row in rows if row.withdrawn_in is None]
    if rows and not live:
        revision = max(row.withdrawn_in for row in rows)
        raise ConflictError(f"{dataset} was withdrawn already, by revision {revision}", withdrawn_in=revision)
    find_run(change.connection, dataset, change.visible_revision)
    change.withdraw(schema.run, live)
