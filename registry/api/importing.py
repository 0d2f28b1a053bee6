"""A legacy directory becomes panels, aliases, constants and versions: all in one revision, or nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from pathlib import Path

from registry import detectors
from registry.api.backend import Backend
from registry.authorship import recordable
from registry.database import Change
from registry.errors import ArrayError, ConflictError, ImportHazardError, RegistryError
from registry.importers.legacy_tree import Entry, Hazard, LegacyTree, read_legacy_tree
from registry.importers.panel_folder import PanelFolder, read_panel_folder
from registry.instants import BEGINNING
from registry.lookup.revisions import refuse_no_comment
from registry.progress import Progress
from registry.records import Outcome
from registry.registration.constants import record_constants
from registry.registration.panels import add_panels, alias_conflicts, assign_aliases
from registry.registration.versions import Statement, plan, state


@dataclass(slots=True)
class _Import:
    """A tree, and its folders as far as they passed the door."""

    tree: LegacyTree
    folders: dict[Path, PanelFolder] = field(default_factory=dict)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(M-number, panel Id) of every link."""
        return [(entry.m_number, entry.panel) for entry in self.tree.entries if entry.m_number is not None]

    def statements(self, entry: Entry, comment: str | None) -> list[Statement]:
        """Return what an entry states: a version of each kind in its folder."""
        source = recordable(str((self.tree.root / entry.name).absolute()))
        return [
            Statement(entry.panel, constants.kind, entry.valid_from, constants.sha256, source, comment)
            for constants in self.folders[entry.folder].constants
        ]

    def files(self) -> list[tuple[Path, str]]:
        """Return the files behind the entries, with their checksums."""
        used = {entry.folder for entry in self.tree.entries}
        return [
            (file.path, file.sha256)
            for path in sorted(used)
            for constants in self.folders[path].constants
            for file in constants.files
        ]


def import_tree(
    backend: Backend,
    root: Path,
    timezone: tzinfo,
    progress: Progress,
    *,
    skip_bad: bool,
    supersede: bool,
    comment: str | None,
    dry_run: bool,
) -> Outcome:
    """Import a legacy directory; see `Registry.import_tree`."""
    if supersede:
        refuse_no_comment(comment, "--supersede")
    found = _Import(read_legacy_tree(root, timezone))
    _check_folders(found, progress)
    _hold_against_registry(backend, found, comment, supersede=supersede)
    if found.tree.hazards and not skip_bad:
        raise _refusal(found.tree)
    if not dry_run:
        backend.put(found.files(), progress)
    statements = [each for entry in found.tree.entries for each in found.statements(entry, comment)]

    def act(change: Change) -> None:
        add_panels(change, [entry.panel for entry in found.tree.entries])
        assign_aliases(change, found.pairs)
        used = {entry.folder for entry in found.tree.entries}
        record_constants(change, [each for path in sorted(used) for each in found.folders[path].constants])
        state(change, statements, supersede=supersede)

    outcome = backend.change(act, comment, dry_run=dry_run)
    return _with_remarks(outcome, found, timezone)


def _check_folders(found: _Import, progress: Progress) -> None:
    """Check the arrays of every folder once, and make its entries hazards where they do not pass."""
    types = {entry.folder: detectors.type_of_panel(entry.panel) for entry in found.tree.entries}
    problems: dict[Path, str] = {}
    with progress("checking modules", len(types)) as advance:
        for folder in sorted(types):
            try:
                found.folders[folder] = read_panel_folder(folder, types[folder])
            except ArrayError as error:
                problems[folder] = str(error)
            advance()
    found.tree.drop(
        [
            Hazard(entry.name, problems[entry.folder])
            for entry in found.tree.entries
            if entry.folder in problems
        ]
    )


def _hold_against_registry(backend: Backend, found: _Import, comment: str | None, *, supersede: bool) -> None:
    """Make hazards of the entries that contradict what is recorded."""
    with backend.view() as view:
        borne = alias_conflicts(view.connection, view.revision, found.pairs)
        found.tree.drop(
            [
                Hazard(entry.name, borne[entry.m_number or "", entry.panel], is_conflict=True)
                for entry in found.tree.entries
                if (entry.m_number, entry.panel) in borne
            ]
        )
        owners = {
            statement: entry for entry in found.tree.entries for statement in found.statements(entry, comment)
        }
        made = plan(view.connection, owners, supersede=supersede)
    found.tree.drop(
        [
            Hazard(owners[statement].name, sentence, is_conflict=True)
            for statement, sentence in made.conflicts.items()
        ]
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


def _with_remarks(outcome: Outcome, found: _Import, timezone: tzinfo) -> Outcome:
    used = sorted({entry.folder for entry in found.tree.entries})
    left_out = [
        f"{str(folder / name)!r} is no array of a known kind; it is left out"
        for folder in used
        for name in found.folders[folder].left_out
    ]
    skipped = [f"skipped {hazard}" for hazard in found.tree.hazards]
    if skipped:
        skipped.append(
            "what a skipped entry would have replaced goes on being valid; calreg version gap ends it"
        )
    stamped = any(entry.valid_from != BEGINNING for entry in found.tree.entries)
    stamps = ["stamps are read as UTC; --timezone says otherwise"] if stamped and timezone is UTC else []
    warnings = [warning for folder in used for warning in found.folders[folder].warnings]
    return replace(
        outcome,
        notes=(*stamps, *found.tree.notes, *left_out, *outcome.notes),
        warnings=(*skipped, *warnings, *outcome.warnings),
    )
