"""Runs are recorded, given a begin, superseded and withdrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from registry import schema
from registry.database import Change
from registry.errors import ConflictError, RequestError
from registry.identifiers import Dataset
from registry.instants import Instant
from registry.lookup.revisions import refuse_no_comment
from registry.lookup.runs import find_run, run_of
from registry.records import Run


@dataclass(frozen=True, slots=True)
class RunStatement:
    """A run, and when it began and ended as far as is known."""

    dataset: Dataset
    begin: Instant | None = None
    end: Instant | None = None


def state_runs(change: Change, statements: Sequence[RunStatement], *, supersede: bool) -> None:
    """Record runs; one that is known without a begin or end receives it.

    Raises
    ------
    ConflictError
        A run is known with another begin or end and `supersede` is not set; all such are listed.
    RequestError
        A run ends before it begins; `supersede` without a comment.
    """
    if supersede:
        refuse_no_comment(change.comment, "--supersede")
    conflicts = []
    for statement in statements:
        _refuse_backwards(statement)
        known = run_of(change.connection, statement.dataset, change.view)
        conflict = _conflict(change, known, statement)
        if conflict is not None and not supersede:
            conflicts.append(conflict)
        elif known is None or conflict is not None or _adds(known, statement):
            _replace(change, known, statement)
    if conflicts:
        raise ConflictError.all_of("runs conflict", conflicts, conflicts=conflicts)


def _conflict(change: Change, known: Run | None, said: RunStatement) -> str | None:
    """Return what speaks against recording the run as it is said: other times, or its own withdrawal."""
    mend = f"calreg run add {said.dataset} --supersede with a comment"
    if known is not None and _contradicts(known, said):
        was, wanted = _times(known.begin, known.end), _times(said.begin, said.end)
        return f"{said.dataset} is known with {was}, not {wanted}; {mend} replaces it"
    revision = _withdrawn_in(change, said) if known is None else None
    if revision is not None:
        return f"{said.dataset} was recorded so before, and revision {revision} withdrew it; {mend} brings it back"
    return None


def _withdrawn_in(change: Change, said: RunStatement) -> int | None:
    run = schema.run
    return change.connection.execute(
        sa.select(sa.func.max(run.c.withdrawn_in)).where(
            run.c.experiment == said.dataset.experiment,
            run.c.number == said.dataset.run,
            run.c.begin_at.is_not_distinct_from(said.begin),
            run.c.end_at.is_not_distinct_from(said.end),
        )
    ).scalar()


def _refuse_backwards(statement: RunStatement) -> None:
    if statement.begin is not None and statement.end is not None and statement.end < statement.begin:
        raise RequestError(
            f"{statement.dataset} ends at {statement.end}, before it begins at {statement.begin}"
        )


def _contradicts(known: Run, said: RunStatement) -> bool:
    return any(
        old is not None and new is not None and old != new
        for old, new in ((known.begin, said.begin), (known.end, said.end))
    )


def _adds(known: Run, said: RunStatement) -> bool:
    return (known.begin is None and said.begin is not None) or (known.end is None and said.end is not None)


def _times(begin: Instant | None, end: Instant | None) -> str:
    return f"begin {begin or 'not known'}" + (f" and end {end}" if end is not None else "")


def _replace(change: Change, known: Run | None, statement: RunStatement) -> None:
    run = schema.run
    begin, end = statement.begin, statement.end
    if known is not None:
        _withdraw(change, statement.dataset)
        begin = known.begin if begin is None else begin
        end = known.end if end is None else end
        _refuse_backwards(RunStatement(statement.dataset, begin, end))
    change.record(
        run,
        [
            {
                "experiment": statement.dataset.experiment,
                "number": statement.dataset.run,
                "begin_at": begin,
                "end_at": end,
            }
        ],
    )


def _withdraw(change: Change, dataset: Dataset) -> None:
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
    refuse_no_comment(change.comment, "a withdrawal")
    run = schema.run
    last = change.connection.execute(
        sa.select(sa.func.max(run.c.withdrawn_in)).where(
            run.c.experiment == dataset.experiment, run.c.number == dataset.run
        )
    ).scalar()
    if last is not None and run_of(change.connection, dataset, change.view) is None:
        raise ConflictError(f"{dataset} was withdrawn already, by revision {last}", withdrawn_in=last)
    find_run(change.connection, dataset, change.view)
    _withdraw(change, dataset)
