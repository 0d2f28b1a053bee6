"""A legacy directory becomes panels, aliases, constants and versions: all in one revision, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from msgspec.structs import replace

from registry.api.backend import Backend
from registry.authorship import recordable
from registry.database import Change
from registry.errors import ConflictError, ImportHazardError, RegistryError
from registry.importers.checked_tree import CheckedTree, check_tree, zone_notes
from registry.importers.legacy_tree import Hazard, LegacyTree
from registry.lookup.revisions import refuse_no_comment
from registry.progress import Advance, Progress
from registry.records import CheckedConstants, Outcome
from registry.registration.constants import record_constants
from registry.registration.panels import add_panels, alias_conflicts, assign_aliases
from registry.registration.planning import Statement, conflicts
from registry.registration.versions import state

_STEP = 1000  # links between two steps of the progress


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What is asked for; see `Registry.import_tree`."""

    tree: Path
    skip_bad: bool
    supersede: bool
    comment: str | None
    dry_run: bool


def import_tree(backend: Backend, request: ImportRequest, progress: Progress) -> Outcome:
    """Import a legacy directory; see `Registry.import_tree`."""
    comment, supersede = request.comment, request.supersede
    if supersede:
        refuse_no_comment(comment, "--supersede")
    found = check_tree(request.tree, backend.timezone, progress)
    _hold_against_registry(backend, found, progress, supersede=supersede)
    if found.tree.hazards and not request.skip_bad:
        raise _refusal(found.tree)

    def act(change: Change) -> None:
        new = frozenset(add_panels(change, (entry.panel for entry in found.tree.entries)))
        assign_aliases(change, _pairs(found))
        record_constants(change, _constants(found))
        with progress("recording links", _steps(found)) as advance:
            state(change, _statements(found, comment, advance), supersede=supersede, new_panels=new)
        found.tree.entries.clear()  # of a large tree, room for as many versions in the outcome

    files = [file for each in _constants(found) for file in each.files]
    notes, warnings = _remarks(found, backend.timezone)
    outcome = backend.change(act, comment, files=files, progress=progress, dry_run=request.dry_run)
    return replace(outcome, notes=(*notes, *outcome.notes), warnings=(*warnings, *outcome.warnings))


def _pairs(found: CheckedTree) -> list[tuple[str, str]]:
    """Return (M-number, panel Id) of the links, each once."""
    return list(dict.fromkeys((each.m_number, each.panel) for each in found.tree.entries if each.m_number))


def _statements(found: CheckedTree, comment: str | None, advance: Advance) -> Iterator[Statement]:
    """Return one by one what the entries state: each a version of each kind in its folder."""
    place = recordable(str(found.tree.root.absolute())).rstrip("/")
    for index, entry in enumerate(found.tree.entries, start=1):
        source = f"{place}/{recordable(entry.name)}"
        for made in found.constants(entry):
            yield Statement(entry.panel, made.kind, entry.valid_from, made.sha256, source, comment)
        if index % _STEP == 0:
            advance()


def _constants(found: CheckedTree) -> list[CheckedConstants]:
    return [constants for folder in found.used for constants in folder.constants]


def _steps(found: CheckedTree) -> int:
    return len(found.tree.entries) // _STEP


def _hold_against_registry(
    backend: Backend, found: CheckedTree, progress: Progress, *, supersede: bool
) -> None:
    """Make hazards of the entries that contradict what is recorded."""
    with backend.view() as view:
        borne = alias_conflicts(view.connection, view.revision, _pairs(found))
        found.tree.drop(
            Hazard(entry.name, borne[entry.m_number or "", entry.panel], is_conflict=True)
            for entry in found.tree.entries
            if (entry.m_number, entry.panel) in borne
        )
        with progress("comparing links", _steps(found)) as advance:
            said = conflicts(view.connection, _statements(found, None, advance), supersede=supersede)
    stating = {(each.panel, each.valid_from) for each in said}
    names = {
        place: entry.name
        for entry in found.tree.entries
        if (place := (entry.panel, entry.valid_from)) in stating
    }
    found.tree.drop(
        Hazard(names[each.panel, each.valid_from], sentence, is_conflict=True)
        for each, sentence in said.items()
    )


def _refusal(tree: LegacyTree) -> RegistryError:
    hazards = tree.hazards
    sentences = [str(hazard) for hazard in hazards]
    message = (
        f"{str(tree.root)!r} cannot be imported as it stands: {_counted(len(hazards), 'hazard')},"
        " nothing was recorded; --skip-bad leaves these out"
    )
    kind = ConflictError if all(hazard.is_conflict for hazard in hazards) else ImportHazardError
    return kind(message, details=sentences, hazards=sentences)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _remarks(found: CheckedTree, timezone: tzinfo) -> tuple[list[str], list[str]]:
    """Return what is to be said of the tree: (notes, warnings)."""
    left_out = [
        f"{str(folder.path / name)!r} is no array of a known kind; it is left out"
        for folder in found.used
        for name in folder.left_out
    ]
    skipped = [f"skipped {hazard}" for hazard in found.tree.hazards]
    if skipped:
        skipped.append(
            "what a skipped entry would have replaced goes on being valid; calreg version gap ends it"
        )
    warnings = [warning for folder in found.used for warning in folder.warnings]
    return [*zone_notes(found.tree, timezone), *found.tree.notes, *left_out], [*skipped, *warnings]
