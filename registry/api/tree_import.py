"""Import a legacy directory of links as panels, aliases, constants and versions, in one revision or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from msgspec.structs import replace

from registry.api.backend import Backend
from registry.api.tree_timezone import TreeTimezone, find_tree_timezone
from registry.authorship import escape_undecodable
from registry.database.change import Change
from registry.errors import ConflictError, ImportHazardError, RegistryError, Remedy
from registry.identifiers import format_count
from registry.importers.legacy_tree import Hazard, LegacyTree
from registry.importers.panel_folders import CheckedTree, check_tree
from registry.lookup.revisions import require_comment
from registry.parallel import Advance, Progress
from registry.records import CheckedConstants, Outcome
from registry.registration.aliases import add_aliases, find_alias_conflicts
from registry.registration.borne_ranges import AliasStatement
from registry.registration.panels import add_panels
from registry.registration.planning import VersionStatement, find_conflicts
from registry.registration.versions import record_constants, record_versions

_LINKS_PER_STEP = 1000  # links between two steps of the progress


def import_tree(
    backend: Backend,
    root: Path,
    progress: Progress,
    *,
    skip_bad: bool,
    allow_odd: bool,
    supersede: bool,
    comment: str | None,
    any_time: bool,
    dry_run: bool,
) -> Outcome:
    """Import a legacy directory; see `Registry.import_tree`."""
    if supersede:
        require_comment(comment, "superseding")
    timezone = find_tree_timezone(backend)
    checked = check_tree(root, timezone.zone, progress, any_time=any_time, allow_odd=allow_odd)
    _exclude_conflicts(backend, checked, progress, supersede=supersede)
    if checked.tree.hazards and not skip_bad:
        raise _hazards_error(checked.tree)

    def record(change: Change) -> None:
        timezone.refuse_change(change.connection, chosen=backend.chosen_zone is not None)
        new = frozenset(add_panels(change, (entry.panel for entry in checked.tree.entries)))
        add_aliases(change, _list_aliases(checked))
        record_constants(change, _list_constants(checked))
        with progress("recording links", len(checked.tree.entries) // _LINKS_PER_STEP) as advance:
            statements = _build_statements(checked, comment, advance)
            record_versions(change, statements, supersede=supersede, new_panels=new)
        checked.tree.entries.clear()  # the outcome of a large tree needs the memory for as many versions

    files = [file for constants in _list_constants(checked) for file in constants.files]
    notes, warnings = _collect_notes(timezone, checked), _collect_warnings(checked)
    outcome = backend.record_revision(record, comment, files=files, progress=progress, dry_run=dry_run)
    return replace(outcome, notes=(*notes, *outcome.notes), warnings=(*warnings, *outcome.warnings))


def _list_aliases(checked: CheckedTree) -> list[AliasStatement]:
    """Return what the links state, without repetition."""
    links = ((entry.m_number, entry.panel) for entry in checked.tree.entries)
    return list(dict.fromkeys(AliasStatement(m_number, panel) for m_number, panel in links if m_number))


def _build_statements(
    checked: CheckedTree, comment: str | None, advance: Advance
) -> Iterator[VersionStatement]:
    """Yield a version for every entry and every kind in its folder."""
    root = escape_undecodable(str(checked.tree.root.absolute())).rstrip("/")
    for index, entry in enumerate(checked.tree.entries, start=1):
        path = f"{root}/{escape_undecodable(entry.name)}"
        for constants in checked.get_constants(entry):
            yield VersionStatement(
                entry.panel,
                constants.kind,
                entry.valid_from,
                constants.sha256,
                path,
                comment,
                odd_allowed=constants.is_odd,
            )
        if index % _LINKS_PER_STEP == 0:
            advance()


def _list_constants(checked: CheckedTree) -> list[CheckedConstants]:
    return [constants for folder in checked.used_folders for constants in folder.constants]


def _exclude_conflicts(
    backend: Backend, checked: CheckedTree, progress: Progress, *, supersede: bool
) -> None:
    """Turn the entries that conflict with what is recorded into hazards."""
    tree = checked.tree
    with backend.read_transaction() as view:
        aliases = find_alias_conflicts(view.connection, view.revision, _list_aliases(checked))
        tree.exclude(
            Hazard(entry.name, aliases[AliasStatement(entry.m_number, entry.panel)], is_conflict=True)
            for entry in tree.entries
            if entry.m_number and AliasStatement(entry.m_number, entry.panel) in aliases
        )
        with progress("comparing links", len(checked.tree.entries) // _LINKS_PER_STEP) as advance:
            statements = _build_statements(checked, None, advance)
            conflicts = find_conflicts(view.connection, statements, supersede=supersede)
    starts = {(statement.panel, statement.valid_from) for statement in conflicts}
    names = {
        (entry.panel, entry.valid_from): entry.name
        for entry in tree.entries
        if (entry.panel, entry.valid_from) in starts
    }
    tree.exclude(
        Hazard(names[statement.panel, statement.valid_from], reason, is_conflict=True)
        for statement, reason in conflicts.items()
    )


def _hazards_error(tree: LegacyTree) -> RegistryError:
    count = format_count(len(tree.hazards), "hazard")
    sentences = [str(hazard) for hazard in tree.hazards]
    error_class = ConflictError if all(hazard.is_conflict for hazard in tree.hazards) else ImportHazardError
    remedy = Remedy.SKIP_OR_SUPERSEDE if error_class is ConflictError else Remedy.SKIP_BAD_ENTRIES
    if any(hazard.is_odd for hazard in tree.hazards):
        remedy = Remedy.SKIP_OR_ALLOW_ODD
    return error_class(
        f"{str(tree.root)!r} cannot be imported as it stands: {count}, nothing was recorded",
        details=sentences,
        hazards=sentences,
        remedy=remedy,
    )


def _collect_notes(timezone: TreeTimezone, checked: CheckedTree) -> list[str]:
    left_out = [
        f"{str(folder.path / name)!r} is not an array of a known kind; it is left out"
        for folder in checked.used_folders
        for name in folder.left_out
    ]
    return [*timezone.list_notes(checked.tree), *checked.tree.notes, *left_out]


def _collect_warnings(checked: CheckedTree) -> list[str]:
    skipped = [f"skipped {hazard}" for hazard in checked.tree.hazards]
    if skipped:
        skipped.append("what a skipped entry would have replaced stays valid; a gap ends it")
    return [*skipped, *(warning for folder in checked.used_folders for warning in folder.warnings)]
