"""Panels and their M-numbers: recorded, and M-numbers withdrawn."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from registry import detectors, schema
from registry.database.change import Change
from registry.errors import ConflictError, NotFoundError
from registry.identifiers import suggestion
from registry.instants import BEGINNING
from registry.lookup import panels


def add_panels(change: Change, identifiers: Iterable[str]) -> list[str]:
    """Record the panels that are not known yet; return their Ids. All Ids must be canonical."""
    wanted = [(name, detectors.parse_panel_id(name)) for name in dict.fromkeys(identifiers)]
    known = panels.read_panel_keys(change.connection, [name for name, _ in wanted])
    new = [(name, parsed) for name, parsed in wanted if name not in known]
    change.record(
        schema.panel,
        [
            {
                "identifier": name,
                "detector_type": detectors.find_panel_type(name).name,
                "module_version": parsed.module_version,
                "firmware_version": parsed.firmware_version,
                "serial_number": parsed.serial_number,
            }
            for name, parsed in new
        ],
    )
    return [name for name, _ in new]


def add_aliases(change: Change, pairs: Sequence[tuple[str, str]]) -> None:
    """Record that panels, all recorded already, bear M-numbers: pairs of (M-number, panel Id).

    Raises
    ------
    ConflictError
        A panel bears another M-number, its serial number belongs to a panel that does, or the M-number to
        panels of another type; all such are listed.
    """
    conflicts = find_alias_conflicts(change.connection, change.visible_revision, pairs)
    if conflicts:
        sentences = list(conflicts.values())
        raise ConflictError.combine("M-numbers conflict", sentences, conflicts=sentences)
    recorded = {
        (alias.alias, alias.panel)
        for alias in panels.list_aliases(change.connection, change.visible_revision)
    }
    keys = panels.read_panel_keys(change.connection, [panel for _, panel in pairs])
    change.record(
        schema.alias,
        [
            {"m_number": m_number, "panel_id": keys[panel], "valid_from": BEGINNING}
            for m_number, panel in dict.fromkeys(pairs)
            if (m_number, panel) not in recorded
        ],
    )


def find_alias_conflicts(
    connection: sa.Connection, revision: int, pairs: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Return by (M-number, panel Id) a sentence on each pair that cannot be recorded.

    The pairs are checked against what is recorded and against each other: a panel bears one M-number, a
    serial number belongs to one module, and a module is of one type.
    """
    by_panel: dict[str, str] = {}
    by_serial: dict[tuple[str, str], tuple[str, str]] = {}
    by_alias: dict[str, str] = {}
    for alias in panels.list_aliases(connection, revision):
        by_panel[alias.panel] = alias.alias
        by_serial[_parse_serial_number(alias.panel)] = (alias.alias, alias.panel)
        by_alias[alias.alias] = alias.panel
    conflicts = {}
    for m_number, panel in dict.fromkeys(pairs):
        borne = by_panel.setdefault(panel, m_number)
        owner, other = by_serial.setdefault(_parse_serial_number(panel), (m_number, panel))
        fellow = by_alias.setdefault(m_number, panel)
        if borne != m_number:
            reason = f"it bears the M-number {borne}"
        elif owner != m_number:
            reason = f"its serial number is that of {other}, which bears {owner}"
        elif detectors.find_panel_type(fellow) is not detectors.find_panel_type(panel):
            reason = f"it is of another detector type than {fellow}, which bears it"
        else:
            continue
        conflicts[m_number, panel] = f"panel {panel} cannot bear {m_number}: {reason}"
    return conflicts


def _parse_serial_number(panel: str) -> tuple[str, str]:
    """Return the detector type and serial number of a panel: serial numbers are given out type by type."""
    return detectors.find_panel_type(panel).name, detectors.parse_panel_id(panel).serial_number


def withdraw_alias(change: Change, m_number: str, panel: str) -> None:
    """Withdraw the statement that the panel bears the M-number; a `ConflictError` if it was withdrawn already."""
    panels.find_panels(change.connection, [panel], change.visible_revision)
    alias = schema.alias
    rows = change.connection.execute(
        sa.select(alias.c.id, alias.c.withdrawn_in)
        .join(schema.panel, schema.panel.c.id == alias.c.panel_id)
        .where(alias.c.m_number == m_number, schema.panel.c.identifier == panel)
        .order_by(alias.c.id)
    ).all()
    aliases = panels.list_aliases(change.connection, change.visible_revision)
    if not rows:
        borne = [known.alias for known in aliases if known.panel == panel]
        raise NotFoundError(
            f"panel {panel} does not bear the M-number {m_number}{suggestion(m_number, borne)}"
        )
    if rows[-1].withdrawn_in is not None:
        raise ConflictError(
            f"the M-number {m_number} of {panel} was withdrawn already, by revision {rows[-1].withdrawn_in}",
            withdrawn_in=rows[-1].withdrawn_in,
        )
    change.withdraw(alias, [rows[-1].id])
    left = [known.panel for known in aliases if known.alias == m_number and known.panel != panel]
    change.notes.append(
        f"{m_number} stands for {', '.join(left) or 'no panel'} from now on; no version is changed"
    )
