"""Runs: recorded, completed with times, and superseded."""

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
from registry.lookup.values_table import values_table
from registry.records import SupersededRun


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


_Replacement = tuple[RunStatement, Any]
"""A run to be recorded, and the live row that it replaces, ``None`` where there is none."""


def record_runs(
    change: Change, statements: Sequence[RunStatement], *, supersede: bool, from_file: bool = False
) -> None:
    """Record runs; one that is known without a start or end time receives it.

    With `supersede`, and a comment, other times are replaced and withdrawn runs recorded again. Without it, runs
    `from_file` bring no withdrawn run back, whatever times the file gives.

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
    recorded = _read_recorded(change, statements)
    new = _plan_runs(recorded, statements, supersede=supersede, from_file=from_file)
    _supersede(change, [(statement, live) for statement, live in new if live is not None])
    change.record(
        schema.run,
        [
            {
                "experiment": statement.dataset.experiment,
                "number": statement.dataset.run,
                "begin_at": statement.begin,
                "end_at": statement.end,
            }
            for statement, _ in new
        ],
    )


def _supersede(change: Change, replaced: Sequence[_Replacement]) -> None:
    if replaced:
        change.withdraw(schema.run, [live.id for _, live in replaced])
        change.superseded_runs += [_build_superseded_run(statement, live) for statement, live in replaced]


def _plan_runs(
    recorded: dict[Dataset, list[Any]],
    statements: Sequence[RunStatement],
    *,
    supersede: bool,
    from_file: bool,
) -> list[_Replacement]:
    """Return what is to be recorded; refuse all that speaks against it."""
    new: list[_Replacement] = []
    conflicts: list[str] = []
    first: dict[Dataset, RunStatement] = {}
    for statement in statements:
        earlier = first.setdefault(statement.dataset, statement)
        if earlier is not statement:
            conflicts += [f"{statement.dataset} is stated twice, with other times"] * (earlier != statement)
            continue
        rows = recorded[statement.dataset]
        live = next((row for row in rows if row.withdrawn_in is None), None)
        conflict = None if supersede else _describe_conflict(statement, rows, live, from_file)
        if conflict is not None:
            conflicts.append(conflict)
        elif live is None or _find_replaced_times(statement, live):
            new.append((_complete(statement, live), live))
    stated = (*first.values(), *(statement for statement, _ in new))
    _refuse_problems(conflicts, [item.order_problem for item in stated if item.order_problem])
    return new


def _read_recorded(change: Change, statements: Sequence[RunStatement]) -> dict[Dataset, list[Any]]:
    """Return the rows ever recorded of each run, the oldest first."""
    run = schema.run
    numbers = [(statement.dataset.experiment, statement.dataset.run) for statement in statements]
    wanted = values_table(change.connection, list(dict.fromkeys(numbers)), run.c.experiment, run.c.number)
    same = sa.and_(run.c.experiment == wanted.c.experiment, run.c.number == wanted.c.number)
    rows = defaultdict(list)
    for row in change.connection.execute(sa.select(run).join(wanted, same).order_by(run.c.id)):
        rows[Dataset(row.experiment, row.number)].append(row)
    return rows


def _describe_conflict(
    statement: RunStatement, rows: Sequence[Any], live: Any, from_file: bool
) -> str | None:
    """Return what speaks against recording the run: other times, or a withdrawal of the run or of these times."""
    if live is not None and any(_find_replaced_times(statement, live)):
        known = _describe_times(live.begin_at, live.end_at)
        return f"{statement.dataset} is known with {known}, not {_describe_times(statement.begin, statement.end)}"
    withdrawn = [row for row in rows if row.withdrawn_in is not None and _is_same(statement, row, live)]
    if withdrawn:
        return f"{statement.dataset} was recorded so before, and revision {withdrawn[-1].withdrawn_in} withdrew it"
    if live is None and rows and from_file:
        return f"{statement.dataset} was withdrawn by revision {rows[-1].withdrawn_in}"
    return None


def _is_same(statement: RunStatement, row: Any, live: Any) -> bool:
    """Tell whether a withdrawn row had one of the times that the statement would bring back."""
    if live is None:
        same_begin = statement.begin is not None and statement.begin == row.begin_at
        return same_begin or (statement.begin, statement.end) == (row.begin_at, row.end_at)
    pairs = ((statement.begin, live.begin_at, row.begin_at), (statement.end, live.end_at, row.end_at))
    return any(new is not None and known is None and new == old for new, known, old in pairs)


def _find_replaced_times(statement: RunStatement, live: Any) -> list[bool]:
    """Return for each time that the statement changes whether it replaces a known one."""
    pairs = ((live.begin_at, statement.begin), (live.end_at, statement.end))
    return [known is not None for known, new in pairs if new is not None and new != known]


def _complete(statement: RunStatement, live: Any) -> RunStatement:
    """Return the statement with the recorded times of which it says nothing."""
    if live is None:
        return statement
    begin = live.begin_at if statement.begin is None else statement.begin
    end = live.end_at if statement.end is None else statement.end
    return RunStatement(statement.dataset, _as_instant(begin), _as_instant(end))


def _build_superseded_run(statement: RunStatement, live: Any) -> SupersededRun:
    return SupersededRun(
        experiment=statement.dataset.experiment,
        run=statement.dataset.run,
        begin=statement.begin,
        end=statement.end,
        previous_begin=_as_instant(live.begin_at),
        previous_end=_as_instant(live.end_at),
    )


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
