"""The outcome of a change: what it recorded and withdrew, and what follows from that."""

from __future__ import annotations

from registry.database.change import Change
from registry.lookup import versions
from registry.records import Outcome


def build_outcome(change: Change, *, dry_run: bool) -> Outcome:
    """Return what a change recorded and withdrew, and its consequences."""
    # Only needed after a write.
    from registry.lookup.changes import list_changes
    from registry.lookup.consequences import Consequences, find_consequences
    from registry.lookup.readout_warnings import list_readout_warnings

    connection, number = change.connection, change.revision
    # Only tables that the change touched are queried: each statement is a round trip to a server.
    consequences = find_consequences(change, number) if number else Consequences()
    readout_warnings = list_readout_warnings(connection, change.recorded, number) if number else []
    new, gone = change.recorded["version"], change.withdrawn["version"]
    list_versions = versions.list_versions_of_revision
    recorded = tuple(list_versions(connection, number, "recorded_in", new)) if number and new else ()
    withdrawn = tuple(list_versions(connection, number, "withdrawn_in", gone)) if number and gone else ()
    touched = change.recorded | change.withdrawn
    return Outcome(
        revision=None if dry_run else number,
        dry_run=dry_run,
        versions=recorded,
        withdrawn=withdrawn,
        unchanged=tuple(versions.list_versions_with_numbers(connection, change.unchanged, None)),
        facts=list_changes(connection, number, recorded, withdrawn, touched) if number else (),
        notes=(*change.notes, *consequences.notes),
        warnings=(*change.warnings, *consequences.warnings, *readout_warnings),
        superseded_runs=tuple(change.superseded_runs),
        affected_runs=consequences.runs,
        affected_exports=consequences.exports,
        same_constants=consequences.same_constants,
    )
