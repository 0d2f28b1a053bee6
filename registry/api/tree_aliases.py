"""The M-numbers of a legacy directory, held against each other and against the registry."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import sqlalchemy as sa

from registry.api.backend import ReadTransaction
from registry.database.change import Change
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import Remedy
from registry.importers.left_out import LeftOutEntry, get_link_name
from registry.importers.legacy_tree import Entry, Hazard, LegacyTree
from registry.importers.tree_aliases import KnownAliases, find_contradictions, follow_moves, plan_aliases
from registry.instants import format_range
from registry.lookup.aliases import list_related_aliases
from registry.lookup.starts import versions_at_starts
from registry.lookup.timelines import Timeline
from registry.records.imports import SkipCause
from registry.registration.alias_rules import AliasConflict, parse_serial_number
from registry.registration.aliases import find_alias_conflicts, find_withdrawn_aliases
from registry.registration.borne_ranges import AliasStatement, build_alias_timelines


def read_known_aliases(connection: sa.Connection, revision: int, panels: Iterable[str]) -> KnownAliases:
    """Return the live M-numbers of these panels, and of all others with their serial numbers."""
    identifiers = set(panels)
    serial_numbers = {parse_serial_number(panel).text for panel in identifiers}
    return build_alias_timelines(
        AliasStatement(alias.alias, alias.panel, alias.valid_from, alias.same_module)
        for alias in list_related_aliases(
            connection, panels=identifiers, m_numbers=(), serial_numbers=serial_numbers, revision=revision
        )
    )


def exclude_alias_conflicts(
    view: ReadTransaction, tree: LegacyTree, *, same_module: bool, supersede: bool
) -> list[AliasStatement]:
    """Turn the links whose M-number cannot be recorded into hazards; return the statements of all others.

    Without `supersede` no link brings an M-number back that was withdrawn.

    A panel whose link is left out bears its M-number for longer, so others may conflict then: it is asked again.
    """
    every = [*tree.entries, *tree.excluded]  # what a link states counts, even if its arrays cannot be taken
    known = read_known_aliases(view.connection, view.revision, {entry.panel for entry in every})
    left_out: Sequence[Entry] = ()
    while True:
        plan = plan_aliases(every, known, left_out)
        statements, conflicts = _find_conflicts(
            view, plan, known, [*every, *left_out], same_module=same_module, supersede=supersede
        )
        retargeted = _find_retargeted(view, every, plan, known)
        hazards = [
            replace(reason, name=entry.name)
            for entry in every
            if (reason := retargeted.get(entry.name) or conflicts.get(plan.get(entry.name)))
        ]
        tree.exclude(hazards)
        if not hazards and len(every) == len(tree.entries):
            return statements
        every, left_out = tree.entries, tree.excluded


def _find_conflicts(
    view: ReadTransaction,
    plan: dict[str, AliasStatement],
    known: KnownAliases,
    entries: Iterable[Entry],
    *,
    same_module: bool,
    supersede: bool,
) -> tuple[list[AliasStatement], dict[AliasStatement | None, Hazard]]:
    """Return the statements that can be recorded, and by statement the reason of each that cannot."""
    stated = list(dict.fromkeys(plan.values()))
    followed = follow_moves(stated, known, entries)
    statements = [*stated, *followed]
    withdrawn = {} if supersede else find_withdrawn_aliases(view.connection, view.revision, statements)
    contradictions = find_contradictions(statements, known, same_module=same_module)
    reasons: dict[AliasStatement | None, Hazard] = {
        statement: _build_hazard(conflict, "bad") for statement, conflict in contradictions.items()
    }
    reasons |= {
        statement: Hazard("", sentence, "withdrawn", remedy=Remedy.SUPERSEDE)
        for statement, sentence in withdrawn.items()
    }
    wanted = [
        statement
        for statement in statements
        if statement not in reasons and followed.get(statement) not in reasons
    ]
    conflicts = find_alias_conflicts(view.connection, view.revision, wanted)
    if same_module and conflicts:
        wanted = [replace(row, same_module=True) if row in conflicts else row for row in wanted]
        conflicts = {
            replace(row, same_module=False): conflict
            for row, conflict in find_alias_conflicts(view.connection, view.revision, wanted).items()
        }
    reasons |= {statement: _build_hazard(conflict, "conflict") for statement, conflict in conflicts.items()}
    # What follows from a link is not recorded without it, nor the link without what follows.
    reasons |= {followed[row]: reason for row, reason in reasons.items() if row in followed}
    return wanted, reasons


def _build_hazard(conflict: AliasConflict, cause: SkipCause) -> Hazard:
    """Return the reason to leave out the links that rely on a statement; the caller names them."""
    remedy = conflict.remedy if conflict.remedy is Remedy.STATE_SAME_MODULE else None
    return Hazard("", conflict.sentence, cause, remedy=remedy)


def _find_retargeted(
    view: ReadTransaction,
    entries: Collection[Entry],
    plan: dict[str, AliasStatement],
    known: KnownAliases,
) -> dict[str, Hazard]:
    """Return the links that were imported, and lead to another module now than the registry has for their start.

    Not those to a module that was recorded, and withdrawn: it is the registry that has changed.
    """
    moved = [
        entry
        for entry in entries
        if entry.panel in known and entry.name in plan and _bears_another(known[entry.panel], entry)
    ]
    withdrawn = find_withdrawn_aliases(view.connection, view.revision, [plan[entry.name] for entry in moved])
    moved = [entry for entry in moved if plan[entry.name] not in withdrawn]
    starts = [(entry.panel, kind, entry.valid_from) for entry in moved for kind in JUNGFRAU.required_kinds]
    valid = versions_at_starts(view.connection, starts)
    imported = {
        (panel, start)
        for (panel, _, start), version in valid.items()
        if version.constants and version.valid_from == start and get_link_name(panel, version.source_path)
    }
    return {
        entry.name: Hazard(entry.name, _describe_retargeting(entry, known), "conflict")
        for entry in moved
        if (entry.panel, entry.valid_from) in imported
    }


def _bears_another(timeline: Timeline[AliasStatement], entry: Entry) -> bool:
    borne = timeline.at(entry.valid_from)
    return borne is not None and borne.m_number != entry.m_number


def _describe_retargeting(entry: Entry, known: KnownAliases) -> str:
    borne = known[entry.panel].at(entry.valid_from)
    return (
        f"panel {entry.panel} cannot bear {entry.m_number}{format_range(entry.valid_from, None)}: it bears the M-number"
        f" {borne.m_number if borne else None}, and this link was imported before"
    )


def list_alias_hazards(view: ReadTransaction, tree: LegacyTree) -> list[Hazard]:
    """Return a hazard for every link whose M-number contradicts another link, or the registry, at the same time."""
    every = [*tree.entries, *tree.excluded]
    known = read_known_aliases(view.connection, view.revision, {entry.panel for entry in every})
    plan = plan_aliases(every, known)
    _, conflicts = _find_conflicts(view, plan, known, every, same_module=False, supersede=False)
    return [
        replace(reason, name=entry.name) for entry in every if (reason := conflicts.get(plan.get(entry.name)))
    ]


def warn_of_modules_left(change: Change, left_out: Iterable[LeftOutEntry]) -> None:
    """Warn of panels that still bear an M-number at the start of a link that leads to another module."""
    links = [entry for entry in left_out if entry.m_number and entry.panel]
    panels = {entry.panel or "" for entry in links}
    known = read_known_aliases(change.connection, change.visible_revision, panels)
    for entry in links:
        timeline = known.get(entry.panel or "")
        borne = timeline.at(entry.valid_from) if timeline and entry.valid_from is not None else None
        if borne is not None and borne.m_number != entry.m_number:
            change.warnings.append(
                f"{entry.panel} bears {borne.m_number} at {entry.valid_from}, although the skipped {entry.name} leads"
                f" to {entry.m_number}"
            )
