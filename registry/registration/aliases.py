"""M-numbers of panels: recorded with a start time, and withdrawn, as far as `alias_rules` allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change
from registry.errors import ConflictError, NotFoundError, Remedy, RequestError
from registry.identifiers import suggestion
from registry.instants import BEGINNING, Instant, format_range
from registry.lookup import aliases, panels
from registry.lookup.revisions import require_comment
from registry.records import Alias
from registry.registration.alias_rules import (
    AliasConflict,
    find_meeting_conflicts,
    parse_serial_number,
    select_new,
)
from registry.registration.borne_ranges import AliasStatement, build_alias_timelines


def add_aliases(change: Change, statements: Sequence[AliasStatement]) -> None:
    """Record the M-numbers of panels, all recorded already; what a panel bears at that time anyway changes nothing.

    Raises
    ------
    ConflictError
        A statement contradicts another one at the same time, see `alias_rules`; all such are listed.
    RequestError
        Another serial number is said to be of the same module, without a comment.
    """
    if any(statement.same_module for statement in statements):
        require_same_module_comment(change.comment)
    plan = _plan(change.connection, change.visible_revision, statements)
    _refuse_conflicts(plan.conflicts)
    keys = panels.read_panel_keys(change.connection, [statement.panel for statement in plan.new])
    change.record(
        schema.alias,
        [
            {
                "m_number": statement.m_number,
                "panel_id": keys[statement.panel],
                "valid_from": statement.valid_from,
                "same_module": True if statement.same_module else None,
            }
            for statement in plan.new
        ],
    )
    change.notes += _describe_unchanged(plan, statements)


def require_same_module_comment(comment: str | None) -> None:
    """Refuse the statement that a module's serial number has changed without a comment."""
    require_comment(comment, "another serial number of the same module")


def find_alias_conflicts(
    connection: sa.Connection, revision: int, statements: Iterable[AliasStatement]
) -> dict[AliasStatement, str]:
    """Return by statement a sentence on each that cannot be recorded.

    They are held against what is recorded and against each other. Without those, others may conflict: a panel whose
    next start is left out bears its M-number for longer.
    """
    conflicts = _plan(connection, revision, list(statements)).conflicts
    return {statement: conflict.sentence for statement, conflict in conflicts.items()}


class _Plan(NamedTuple):
    recorded: list[AliasStatement]  # live, of everything that the statements are about
    new: list[AliasStatement]
    conflicts: dict[AliasStatement, AliasConflict]


def _plan(connection: sa.Connection, revision: int, statements: Sequence[AliasStatement]) -> _Plan:
    recorded = _read_related(connection, revision, statements)
    new, conflicts = select_new(recorded, statements)
    return _Plan(recorded, new, conflicts | find_meeting_conflicts(recorded, [*recorded, *new]))


def _read_related(
    connection: sa.Connection, revision: int, statements: Sequence[AliasStatement]
) -> list[AliasStatement]:
    """Return the live statements on the panels, on their modules, and on the M-numbers."""
    identifiers = {statement.panel for statement in statements}
    related = aliases.list_related_aliases(
        connection,
        panels=identifiers,
        m_numbers={statement.m_number for statement in statements},
        serial_numbers={parse_serial_number(panel).text for panel in identifiers},
        revision=revision,
    )
    return [_build_statement(alias) for alias in related]


def _build_statement(alias: Alias) -> AliasStatement:
    return AliasStatement(alias.alias, alias.panel, alias.valid_from, alias.same_module)


def _refuse_conflicts(conflicts: Mapping[AliasStatement, AliasConflict]) -> None:
    if conflicts:
        sentences = [conflict.sentence for conflict in conflicts.values()]
        curable = all(conflict.of_serial_numbers for conflict in conflicts.values())
        remedy = Remedy.STATE_SAME_MODULE if curable else None
        raise ConflictError.combine("M-numbers conflict", sentences, remedy=remedy, conflicts=sentences)


def _describe_unchanged(plan: _Plan, statements: Iterable[AliasStatement]) -> Iterator[str]:
    """Yield a note for each statement of what a panel bears then anyway, from an earlier start time on."""
    timelines = build_alias_timelines([*plan.recorded, *plan.new])
    for statement in dict.fromkeys(statements):
        borne = timelines[statement.panel].at(statement.valid_from)
        if borne is not None and borne.valid_from < statement.valid_from:
            start = "the beginning" if borne.valid_from == BEGINNING else borne.valid_from
            yield f"{statement.panel} bears {borne.m_number} from {start} on already"


def withdraw_alias(change: Change, m_number: str, panel: str, valid_from: Instant | None) -> None:
    """Withdraw the statement that the panel bears the M-number, from a start time on if there are several.

    Raises
    ------
    NotFoundError
        The panel does not bear it, or not from that start time on.
    ConflictError
        It was withdrawn already, or what the panel bears instead contradicts what others bear.
    RequestError
        The panel bears it from several start times on, and none is stated.
    """
    panels.find_panels(change.connection, [panel], change.visible_revision)
    row = _find_row(change, m_number, panel, valid_from)
    known = aliases.list_aliases_of_panels(change.connection, [panel], change.visible_revision)
    before = _read_related(
        change.connection, change.visible_revision, [_build_statement(alias) for alias in known]
    )
    after = [
        statement
        for statement in before
        if (statement.panel, statement.valid_from) != (panel, row.valid_from)
    ]
    _refuse_conflicts(find_meeting_conflicts(before, after))
    change.withdraw(schema.alias, [row.id])
    change.notes.append(_describe_withdrawal(m_number, panel, Instant(row.valid_from), after))


def _find_row(change: Change, m_number: str, panel: str, valid_from: Instant | None) -> Any:
    """Return the live alias."""
    alias = schema.alias
    query = (
        sa.select(alias.c.id, alias.c.valid_from, alias.c.withdrawn_in)
        .join(schema.panel, schema.panel.c.id == alias.c.panel_id)
        .where(alias.c.m_number == m_number, schema.panel.c.identifier == panel)
        .order_by(alias.c.id)
    )
    known = change.connection.execute(query).all()
    rows = [row for row in known if valid_from is None or row.valid_from == valid_from]
    if not rows:
        raise _not_borne_error(change, m_number, panel, [Instant(row.valid_from) for row in known])
    live = [row for row in rows if row.withdrawn_in is None]
    if not live:
        raise ConflictError(
            f"the M-number {m_number} of {panel} was withdrawn already, by revision {rows[-1].withdrawn_in}",
            withdrawn_in=rows[-1].withdrawn_in,
        )
    if len(live) > 1:
        starts = [str(Instant(start)) for start in sorted(row.valid_from for row in live)]
        raise RequestError(
            f"{panel} bears {m_number} from {' and '.join(starts)} on: which statement is meant?",
            remedy=Remedy.GIVE_ALIAS_START,
            starts=starts,
        )
    return live[0]


def _not_borne_error(change: Change, m_number: str, panel: str, starts: Sequence[Instant]) -> NotFoundError:
    if starts:
        known = ", ".join(str(start) for start in sorted(set(starts)))
        return NotFoundError(f"no alias {m_number} of {panel} starts then; known: {known}")
    borne = {
        alias.alias
        for alias in aliases.list_aliases_of_panels(change.connection, [panel], change.visible_revision)
    }
    return NotFoundError(f"panel {panel} does not bear the M-number {m_number}{suggestion(m_number, borne)}")


def _describe_withdrawal(m_number: str, panel: str, start: Instant, after: Sequence[AliasStatement]) -> str:
    """Return which panels the M-number stands for, and what the panel bears instead."""
    left = dict.fromkeys(statement.panel for statement in after if statement.m_number == m_number)
    borne = build_alias_timelines(after)[panel].at(start)
    instead = f"; {panel} bears {borne.m_number}{format_range(start, None)}" if borne else ""
    return (
        f"{m_number} stands for {', '.join(left) or 'no panel'} from now on{instead}; no version is changed"
    )
