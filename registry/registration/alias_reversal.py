"""The M-numbers of a revision that is undone: held against those of the others, and what they stand for then."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change, Row
from registry.errors import ConflictError
from registry.instants import Instant
from registry.lookup.revision_facts import RevisionFacts
from registry.lookup.value_lists import is_listed
from registry.registration.alias_rules import find_meeting_conflicts
from registry.registration.aliases import read_related_statements
from registry.registration.borne_ranges import AliasStatement


def refuse_alias_conflicts(change: Change, facts: RevisionFacts) -> None:
    """Refuse to undo a revision where what panels bear then contradicts what others bear since."""
    gone = _read_statements(change, facts.recorded.get("alias", ()))
    back = _read_statements(change, facts.withdrawn.get("alias", ()))
    if not (gone or back):
        return
    before = read_related_statements(change.connection, change.visible_revision, [*gone, *back])
    after = [*(statement for statement in before if statement not in gone), *back]
    conflicts = find_meeting_conflicts(before, after).values()
    if conflicts:
        sentences = [f"without revision {facts.number}, {conflict.sentence}" for conflict in conflicts]
        raise ConflictError.combine("M-numbers conflict", sentences, conflicts=sentences)


def _read_statements(change: Change, keys: Sequence[int]) -> list[AliasStatement]:
    if not keys:
        return []
    alias, panel = schema.alias, schema.panel
    query = (
        sa.select(alias, panel.c.identifier)
        .join(panel, panel.c.id == alias.c.panel_id)
        .where(is_listed(alias.c.id, keys))
        .order_by(alias.c.id)
    )
    return [
        AliasStatement(row.m_number, row.identifier, Instant(row.valid_from), bool(row.same_module))
        for row in change.connection.execute(query)
    ]


def note_borne_aliases(change: Change, rows: Iterable[Row]) -> None:
    """Note for which panels the M-numbers of these aliases stand from now on."""
    m_numbers = sorted({row["m_number"] for row in rows})
    if not m_numbers:
        return
    alias, panel = schema.alias, schema.panel
    query = (
        sa.select(alias.c.m_number, panel.c.identifier)
        .join(panel, panel.c.id == alias.c.panel_id)
        .where(is_listed(alias.c.m_number, m_numbers), schema.live_condition(alias, None))
        .order_by(alias.c.id)
    )
    borne: dict[str, dict[str, None]] = {m_number: {} for m_number in m_numbers}
    for m_number, identifier in change.connection.execute(query):
        borne[m_number][identifier] = None
    change.notes += [
        f"{m_number} stands for {', '.join(panels) or 'no panel'} from now on"
        for m_number, panels in borne.items()
    ]
