"""A legacy directory becomes panels, aliases, constants and versions: all in one revision, or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path

from msgspec.structs import replace

from registry import detectors
from registry.api.backend import Backend
from registry.authorship import recordable
from registry.database import Change
from registry.errors import ArrayError, ConflictError, ImportHazardError, RegistryError
from registry.importers.legacy_tree import Hazard, LegacyTree, read_legacy_tree
from registry.importers.panel_folder import PanelFolder, read_panel_folder
from registry.instants import BEGINNING
from registry.lookup.revisions import refuse_no_comment
from registry.progress import Advance, Progress
from registry.records import Outcome
from registry.registration.constants import record_constants
from registry.registration.panels import add_panels, alias_conflicts, assign_aliases
from registry.registration.versions import Statement, conflicts, state

_STEP = 1000  # links between two steps of the progress


@dataclass(slots=True)
class _Import:
    """A tree, and its folders as far as they passed the door."""

    tree: LegacyTree
    folders: dict[Path, PanelFolder] = field(default_factory=dict)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(M-number, panel Id) of the links, each once."""
        return list(dict.fromkeys((each.m_number, each.panel) for each in self.tree.entries if each.m_number))

    @property
    def steps(self) -> int:
        """How many steps of progress `statements` makes."""
        return len(self.tree.entries) // _STEP

    def statements(self, comment: str | None, advance: Advance) -> Iterator[Statement]:
        """Return one by one what the entries state: each a version of each kind in its folder."""
        place = recordable(str(self.tree.root.absolute())).rstrip("/")
        for index, entry in enumerate(self.tree.entries, start=1):
            source = f"{place}/{recordable(entry.name)}"
            for made in self.folders[entry.folder].constants:
                yield Statement(entry.panel, made.kind, entry.valid_from, made.sha256, source, comment)
            if index % _STEP == 0:
                advance()

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
    _hold_against_registry(backend, found, progress, supersede=supersede)
    if found.tree.hazards and not skip_bad:
        raise _refusal(found.tree)

    def act(change: Change) -> None:
        new = frozenset(add_panels(change, (entry.panel for entry in found.tree.entries)))
        assign_aliases(change, found.pairs)
        used = {entry.folder for entry in found.tree.entries}
        record_constants(change, [each for path in sorted(used) for each in found.folders[path].constants])
        with progress("recording links", found.steps) as advance:
            state(change, found.statements(comment, advance), supersede=supersede, new_panels=new)
        found.tree.entries.clear()  # of a large tree, room for as many versions in the outcome

    notes, warnings = _remarks(found, timezone)
    outcome = backend.change(act, comment, files=found.files(), progress=progress, dry_run=dry_run)
    return replace(outcome, notes=(*notes, *outcome.notes), warnings=(*warnings, *outcome.warnings))


def _check_folders(found: _Import, progress: Progress) -> None:
    """Check the arrays of every folder once, and make its entries hazards where they do not pass."""
    panels = {entry.folder: entry.panel for entry in found.tree.entries}
    problems: dict[Path, str] = {}
    with progress("checking modules", len(panels)) as advance:
        for folder, panel in sorted(panels.items()):
            try:
                found.folders[folder] = read_panel_folder(folder, detectors.type_of_panel(panel))
            except ArrayError as error:
                problems[folder] = str(error)
            advance()
    found.tree.drop(
        Hazard(entry.name, problems[entry.folder]) for entry in found.tree.entries if entry.folder in problems
    )


def _hold_against_registry(backend: Backend, found: _Import, progress: Progress, *, supersede: bool) -> None:
    """Make hazards of the entries that contradict what is recorded."""
    with backend.view() as view:
        borne = alias_conflicts(view.connection, view.revision, found.pairs)
        found.tree.drop(
            Hazard(entry.name, borne[entry.m_number or "", entry.panel], is_conflict=True)
            for entry in found.tree.entries
            if (entry.m_number, entry.panel) in borne
        )
        with progress("comparing links", found.steps) as advance:
            said = conflicts(view.connection, found.statements(None, advance), supersede=supersede)
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


def _remarks(found: _Import, timezone: tzinfo) -> tuple[list[str], list[str]]:
    """Return what is to be said of the tree: (notes, warnings)."""
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
    return [*stamps, *found.tree.notes, *left_out], [*skipped, *warnings]
