"""A legacy directory becomes panels, aliases, constants and versions: all in one revision, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from msgspec.structs import replace

from registry.api.backend import Backend
from registry.authorship import escape_undecodable
from registry.database.change import Change
from registry.errors import ConflictError, ImportHazardError, RegistryError
from registry.importers.legacy_tree import Hazard, LegacyTree
from registry.importers.panel_folders import CheckedTree, check_tree, timezone_notes
from registry.lookup.revisions import require_comment
from registry.parallel import Advance, Progress
from registry.records import CheckedConstants, Outcome
from registry.registration.panels import add_aliases, add_panels, find_alias_conflicts
from registry.registration.planning import VersionStatement, find_conflicts
from registry.registration.versions import record_constants, record_versions

_LINKS_PER_STEP = 1000  # links between two steps of the progress


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What is asked for; see `Registry.measure_import`."""

    tree: Path
    skip_bad: bool
    supersede: bool
    comment: str | None
    dry_run: bool


def import_tree(backend: Backend, request: ImportRequest, progress: Progress) -> Outcome:
    """Import a legacy directory; see `Registry.measure_import`."""
    comment, supersede = request.comment, request.supersede
    if supersede:
        require_comment(comment, "--supersede")
    found = check_tree(request.tree, backend.timezone, progress)
    _check_against_registry(backend, found, progress, supersede=supersede)
    if found.tree.hazards and not request.skip_bad:
        raise _hazards_error(found.tree)

    def act(change: Change) -> None:
        new = frozenset(add_panels(change, (entry.panel for entry in found.tree.entries)))
        add_aliases(change, _list_aliases(found))
        record_constants(change, _list_constants(found))
        with progress("recording links", _count_steps(found)) as advance:
            record_versions(
                change, _build_statements(found, comment, advance), supersede=supersede, new_panels=new
            )
        found.tree.entries.clear()  # of a large tree, room for as many versions in the outcome

    files = [file for each in _list_constants(found) for file in each.files]
    notes, warnings = _collect_notes_and_warnings(found, backend.timezone)
    outcome = backend.record_revision(act, comment, files=files, progress=progress, dry_run=request.dry_run)
    return replace(outcome, notes=(*notes, *outcome.notes), warnings=(*warnings, *outcome.warnings))


def _list_aliases(found: CheckedTree) -> list[tuple[str, str]]:
    """Return (M-number, panel Id) of the links, each once."""
    return list(dict.fromkeys((each.m_number, each.panel) for each in found.tree.entries if each.m_number))


def _build_statements(
    found: CheckedTree, comment: str | None, advance: Advance
) -> Iterator[VersionStatement]:
    """Return one by one what the entries state: each a version of each kind in its folder."""
    place = escape_undecodable(str(found.tree.root.absolute())).rstrip("/")
    for index, entry in enumerate(found.tree.entries, start=1):
        source = f"{place}/{escape_undecodable(entry.name)}"
        for made in found.constants_of(entry):
            yield VersionStatement(entry.panel, made.kind, entry.valid_from, made.sha256, source, comment)
        if index % _LINKS_PER_STEP == 0:
            advance()


def _list_constants(found: CheckedTree) -> list[CheckedConstants]:
    return [constants for folder in found.used_folders for constants in folder.constants]


def _count_steps(found: CheckedTree) -> int:
    return len(found.tree.entries) // _LINKS_PER_STEP


def _check_against_registry(
    backend: Backend, found: CheckedTree, progress: Progress, *, supersede: bool
) -> None:
    """Make hazards of the entries that contradict what is recorded."""
    with backend.read_transaction() as view:
        borne = find_alias_conflicts(view.connection, view.revision, _list_aliases(found))
        found.tree.exclude(
            Hazard(entry.name, borne[entry.m_number or "", entry.panel], is_conflict=True)
            for entry in found.tree.entries
            if (entry.m_number, entry.panel) in borne
        )
        with progress("comparing links", _count_steps(found)) as advance:
            said = find_conflicts(
                view.connection, _build_statements(found, None, advance), supersede=supersede
            )
    stating = {(each.panel, each.valid_from) for each in said}
    names = {
        place: entry.name
        for entry in found.tree.entries
        if (place := (entry.panel, entry.valid_from)) in stating
    }
    found.tree.exclude(
        Hazard(names[each.panel, each.valid_from], sentence, is_conflict=True)
        for each, sentence in said.items()
    )


def _hazards_error(tree: LegacyTree) -> RegistryError:
    hazards = tree.hazards
    sentences = [str(hazard) for hazard in hazards]
    message = (
        f"{str(tree.root)!r} cannot be imported as it stands: {_format_count(len(hazards), 'hazard')},"
        " nothing was recorded; --skip-bad leaves these out"
    )
    kind = ConflictError if all(hazard.is_conflict for hazard in hazards) else ImportHazardError
    return kind(message, details=sentences, hazards=sentences)


def _format_count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _collect_notes_and_warnings(found: CheckedTree, timezone: tzinfo) -> tuple[list[str], list[str]]:
    """Return what is to be said of the tree: (notes, warnings)."""
    left_out = [
        f"{str(folder.path / name)!r} is no array of a known kind; it is left out"
        for folder in found.used_folders
        for name in folder.left_out
    ]
    skipped = [f"skipped {hazard}" for hazard in found.tree.hazards]
    if skipped:
        skipped.append(
            "what a skipped entry would have replaced goes on being valid; calreg version gap ends it"
        )
    warnings = [warning for folder in found.used_folders for warning in folder.warnings]
    return [*timezone_notes(found.tree, timezone), *found.tree.notes, *left_out], [*skipped, *warnings]
