"""M-numbers of panels, recorded with a start time as far as `alias_rules` allows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change
from registry.errors import ConflictError
from registry.instants import BEGINNING, format_range
from registry.lookup import aliases, panels
from registry.lookup.revisions import require_comment
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
) -> dict[AliasStatement, AliasConflict]:
    """Return by statement the reason of each that cannot be recorded.

    They are held against what is recorded and against each other. Without those, others may conflict: a panel whose
    next start is left out bears its M-number for longer.
    """
    return _plan(connection, revision, list(statements)).conflicts


def find_withdrawn_aliases(
    connection: sa.Connection, revision: int, statements: Iterable[AliasStatement]
) -> dict[AliasStatement, str]:
    """Return by statement a sentence on each that was recorded before, from the same start time on, and withdrawn."""
    wanted = {
        (statement.panel, statement.m_number, statement.valid_from): statement for statement in statements
    }
    known = aliases.list_aliases_of_panels(
        connection, {panel for panel, _, _ in wanted}, revision, withdrawn=True
    )
    return {
        statement: f"that {statement.panel} bears {statement.m_number}{format_range(statement.valid_from, None)} was"
        f" stated before, and revision {alias.withdrawn_in} withdrew it"
        for alias in sorted(known, key=lambda alias: alias.withdrawn_in or 0)
        if alias.withdrawn_in and (statement := wanted.get((alias.panel, alias.alias, alias.valid_from)))
    }


class _Plan(NamedTuple):
    recorded: list[AliasStatement]  # live, of everything that the statements are about
    new: list[AliasStatement]
    conflicts: dict[AliasStatement, AliasConflict]


def _plan(connection: sa.Connection, revision: int, statements: Sequence[AliasStatement]) -> _Plan:
    recorded = read_related_statements(connection, revision, statements)
    new, conflicts = select_new(recorded, statements)
    return _Plan(recorded, new, conflicts | find_meeting_conflicts(recorded, [*recorded, *new]))


def read_related_statements(
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
    return [
        AliasStatement(alias.alias, alias.panel, alias.valid_from, alias.same_module) for alias in related
    ]


def _refuse_conflicts(conflicts: Mapping[AliasStatement, AliasConflict]) -> None:
    if conflicts:
        sentences = [conflict.sentence for conflict in conflicts.values()]
        remedies = {conflict.remedy for conflict in conflicts.values()}
        remedy = remedies.pop() if len(remedies) == 1 else None
        raise ConflictError.combine("M-numbers conflict", sentences, remedy=remedy, conflicts=sentences)


def _describe_unchanged(plan: _Plan, statements: Iterable[AliasStatement]) -> Iterator[str]:
    """Yield a note for each statement of what a panel bears then anyway, from an earlier start time on."""
    timelines = build_alias_timelines([*plan.recorded, *plan.new])
    for statement in dict.fromkeys(statements):
        borne = timelines[statement.panel].at(statement.valid_from)
        if borne is not None and borne.valid_from < statement.valid_from:
            start = "the beginning" if borne.valid_from == BEGINNING else borne.valid_from
            yield f"{statement.panel} bears {borne.m_number} from {start} on already"
