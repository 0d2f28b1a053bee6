"""Runs are recorded, given a begin, superseded and withdrawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change, Row
from registry.errors import ConflictError, RequestError
from registry.identifiers import Dataset
from registry.instants import Instant
from registry.lookup.revisions import require_comment
from registry.lookup.runs import find_run, read_run


@dataclass(frozen=True, slots=True)
class RunStatement:
    """A run, and when it began and ended as far as is known."""

    dataset: Dataset
    begin: Instant | None = None
    end: Instant | None = None

    @property
    def order_problem(self) -> str | None:
        """The sentence that says so where the run ends before it begins."""
        if self.begin is None or self.end is None or self.begin <= self.end:
            return None
        return f"{self.dataset} ends at {self.end}, before it begins at {self.begin}"


def record_runs(change: Change, statements: Sequence[RunStatement], *, supersede: bool) -> None:
    """Record runs; one that is known without a begin or end receives it.

    Raises
    ------
    ConflictError
        A run is known with another begin or end, or was withdrawn, and `supersede` is not set; or the batch
        contradicts itself. All such are listed.
    RequestError
        Runs end before they begin; `supersede` without a comment.
    """
    if supersede:
        require_comment(change.comment, "--supersede")
    earlier = _find_recorded(change, statements)
    first: dict[Dataset, RunStatement] = {}
    conflicts: list[str] = []
    new: list[RunStatement] = []
    withdrawn: list[int] = []
    for said in statements:
        known = first.setdefault(said.dataset, said)
        if known is not said:
            conflicts += [f"{said.dataset} is stated twice, with other times"] if known != said else []
            continue
        rows = earlier[said.dataset]
        live = next((row for row in rows if row.withdrawn_in is None), None)
        conflict = None if supersede else _describe_conflict(said, rows, live)
        if conflict is not None:
            conflicts.append(conflict)
        elif live is None or _adds_times(said, live) or _contradicts(said, live):
            new.append(_complete(said, live))
            withdrawn += [live.id] if live is not None else []
    _refuse_problems(
        conflicts, [each.order_problem for each in (*first.values(), *new) if each.order_problem is not None]
    )
    if withdrawn:
        change.withdraw(schema.run, withdrawn)
    change.record(schema.run, [_build_row(each) for each in new])


def _find_recorded(change: Change, statements: Sequence[RunStatement]) -> dict[Dataset, list[Any]]:
    """Return the rows ever recorded of each run, the oldest first."""
    run = schema.run
    experiments = {each.dataset.experiment for each in statements}
    query = sa.select(run).where(run.c.experiment.in_(experiments)).order_by(run.c.id)
    rows = defaultdict(list)
    for row in change.connection.execute(query):
        rows[Dataset(row.experiment, row.number)].append(row)
    return rows


def _describe_conflict(statement: RunStatement, rows: Sequence[Any], live: Any) -> str | None:
    """Return what speaks against recording the run as it is said: other times, or its own withdrawal."""
    mend = f"calreg run add {statement.dataset} --supersede with a comment"
    if live is not None and _contradicts(statement, live):
        was, wanted = (
            _describe_times(live.begin_at, live.end_at),
            _describe_times(statement.begin, statement.end),
        )
        return f"{statement.dataset} is known with {was}, not {wanted}; {mend} replaces it"
    same = [
        row.withdrawn_in for row in rows if (row.begin_at, row.end_at) == (statement.begin, statement.end)
    ]
    if live is None and same:
        return f"{statement.dataset} was recorded so before, and revision {max(same)} withdrew it; {mend} brings it back"
    return None


def _contradicts(statement: RunStatement, live: Any) -> bool:
    return any(
        old is not None and new is not None and old != new
        for old, new in ((live.begin_at, statement.begin), (live.end_at, statement.end))
    )


def _adds_times(statement: RunStatement, live: Any) -> bool:
    return (live.begin_at is None and statement.begin is not None) or (
        live.end_at is None and statement.end is not None
    )


def _complete(statement: RunStatement, live: Any) -> RunStatement:
    """Return the statement with what was known before and is not spoken of now."""
    if live is None:
        return statement
    begin = live.begin_at if statement.begin is None else statement.begin
    end = live.end_at if statement.end is None else statement.end
    return RunStatement(statement.dataset, _as_instant(begin), _as_instant(end))


def _as_instant(value: int | None) -> Instant | None:
    return None if value is None else Instant(value)


def _describe_times(begin: int | None, end: int | None) -> str:
    said = "not known" if begin is None else str(Instant(begin))
    return f"begin {said}" + ("" if end is None else f" and end {Instant(end)}")


def _refuse_problems(conflicts: Sequence[str], backwards: Sequence[str]) -> None:
    if backwards:
        distinct = list(dict.fromkeys(backwards))
        raise RequestError.combine("runs end before they begin", distinct, runs=distinct)
    if conflicts:
        raise ConflictError.combine("runs conflict", conflicts, conflicts=conflicts)


def _build_row(statement: RunStatement) -> Row:
    return {
        "experiment": statement.dataset.experiment,
        "number": statement.dataset.run,
        "begin_at": statement.begin,
        "end_at": statement.end,
    }


def _withdraw_live(change: Change, dataset: Dataset) -> None:
    run = schema.run
    key = change.connection.execute(
        sa.select(run.c.id).where(
            run.c.experiment == dataset.experiment, run.c.number == dataset.run, run.c.withdrawn_in.is_(None)
        )
    ).scalar_one()
    change.withdraw(run, [key])


def withdraw_run(change: Change, dataset: Dataset) -> None:
    """Withdraw what is known of a run.

    Raises
    ------
    NotFoundError
        It is not registered.
    ConflictError
        It was withdrawn already.
    RequestError
        There is no comment.
    """
    require_comment(change.comment, "a withdrawal")
    run = schema.run
    last = change.connection.execute(
        sa.select(sa.func.max(run.c.withdrawn_in)).where(
            run.c.experiment == dataset.experiment, run.c.number == dataset.run
        )
    ).scalar()
    if last is not None and read_run(change.connection, dataset, change.visible_revision) is None:
        raise ConflictError(f"{dataset} was withdrawn already, by revision {last}", withdrawn_in=last)
    find_run(change.connection, dataset, change.visible_revision)
    _withdraw_live(change, dataset)
