"""M-numbers of panels are withdrawn: the panels bear what they bore before it, as far as `alias_rules` allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change
from registry.errors import ConflictError, NotFoundError, Remedy, RequestError
from registry.identifiers import suggestion
from registry.instants import Instant, format_range
from registry.lookup import aliases, panels
from registry.registration.alias_rules import find_meeting_conflicts
from registry.registration.aliases import read_related_statements
from registry.registration.borne_ranges import AliasStatement, build_alias_timelines


def withdraw_aliases(
    change: Change, m_number: str, identifiers: Sequence[str], valid_from: Instant | None
) -> None:
    """Withdraw the statements that panels bear an M-number, all or none; with a start time if one has several.

    Raises
    ------
    NotFoundError
        A panel does not bear it, or not from that start time on.
    ConflictError
        It was withdrawn already, or what a panel bears instead contradicts what others bear.
    RequestError
        A panel bears it from several start times on, and none is stated.
    """
    panels.find_panels(change.connection, identifiers, change.visible_revision)
    rows = {panel: _find_row(change, m_number, panel, valid_from) for panel in dict.fromkeys(identifiers)}
    before = _read_statements(change, list(rows))
    after = [
        statement
        for statement in before
        if statement.panel not in rows or statement.valid_from != rows[statement.panel].valid_from
    ]
    conflicts = find_meeting_conflicts(before, after).values()
    if conflicts:
        sentences = [f"without {m_number}, {conflict.sentence}" for conflict in conflicts]
        remedies = {conflict.remedy for conflict in conflicts}
        remedy = Remedy.STATE_BOARD_TOGETHER if remedies == {Remedy.STATE_BOARD_TOGETHER} else None
        raise ConflictError.combine("M-numbers conflict", sentences, remedy=remedy, conflicts=sentences)
    change.withdraw(schema.alias, [row.id for row in rows.values()])
    change.notes.append(_describe_withdrawal(m_number, rows, after))


class _AliasRow(NamedTuple):
    id: int
    valid_from: Instant


def _read_statements(change: Change, identifiers: Sequence[str]) -> list[AliasStatement]:
    """Return the live statements on the panels, and on the modules and M-numbers of these."""
    of_panels = aliases.list_aliases_of_panels(change.connection, identifiers, change.visible_revision)
    statements = [AliasStatement(alias.alias, alias.panel) for alias in of_panels]
    return read_related_statements(change.connection, change.visible_revision, statements)


def _find_row(change: Change, m_number: str, panel: str, valid_from: Instant | None) -> _AliasRow:
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
        live_starts = {Instant(row.valid_from) for row in known if row.withdrawn_in is None}
        raise _not_borne_error(change, m_number, panel, live_starts)
    live = [row for row in rows if row.withdrawn_in is None]
    if not live:
        raise ConflictError(
            f"the M-number {m_number} of {panel} was withdrawn already, by revision {rows[-1].withdrawn_in}",
            withdrawn_in=rows[-1].withdrawn_in,
        )
    if len(live) > 1:
        starts = [str(Instant(row.valid_from)) for row in sorted(live, key=lambda row: row.valid_from)]
        raise RequestError(
            f"{panel} bears {m_number} from {' and from '.join(starts)} on: one of them must be stated",
            remedy=Remedy.GIVE_ALIAS_START,
            starts=starts,
        )
    return _AliasRow(live[0].id, Instant(live[0].valid_from))


def _not_borne_error(change: Change, m_number: str, panel: str, starts: set[Instant]) -> NotFoundError:
    if starts:
        known = ", ".join(map(str, sorted(starts)))
        return NotFoundError(f"{panel} does not bear {m_number} from that time on; its start times: {known}")
    of_panel = aliases.list_aliases_of_panels(change.connection, [panel], change.visible_revision)
    near = suggestion(m_number, {alias.alias for alias in of_panel})
    return NotFoundError(f"panel {panel} does not bear the M-number {m_number}{near}")


def _describe_withdrawal(m_number: str, rows: dict[str, _AliasRow], after: Sequence[AliasStatement]) -> str:
    """Return which panels the M-number stands for, and what the withdrawn ones bear instead."""
    left = dict.fromkeys(statement.panel for statement in after if statement.m_number == m_number)
    timelines = build_alias_timelines(after)
    instead = [
        f"; {panel} bears {borne.m_number}{format_range(row.valid_from, None)}"
        for panel, row in rows.items()
        if (borne := timelines[panel].at(row.valid_from)) is not None
    ]
    left_names = ", ".join(left) or "no panel"
    return f"{m_number} stands for {left_names} from now on{''.join(instead)}; no version is changed"
