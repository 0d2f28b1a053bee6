"""A legacy directory whose folders have been to the door: what is sound in it, and what is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path

from registry import detectors
from registry.errors import ArrayError
from registry.importers.legacy_tree import Entry, Hazard, LegacyTree, read_legacy_tree
from registry.importers.panel_folder import PanelFolder, read_panel_folder
from registry.instants import BEGINNING
from registry.progress import Progress
from registry.records import CheckedConstants


@dataclass(slots=True)
class CheckedTree:
    """A tree, and its folders as far as they passed the door."""

    tree: LegacyTree
    folders: dict[Path, PanelFolder] = field(default_factory=dict)

    @property
    def used_folders(self) -> list[PanelFolder]:
        """The folders behind the entries, by path."""
        return [self.folders[path] for path in sorted({entry.folder for entry in self.tree.entries})]

    def constants_of(self, entry: Entry) -> tuple[CheckedConstants, ...]:
        """Return the constants of each kind behind an entry."""
        return self.folders[entry.folder].constants


def check_tree(
    root: Path, timezone: tzinfo, progress: Progress, *, with_refused: bool = False
) -> CheckedTree:
    """Read a tree, check the arrays of every folder once, and make hazards of the entries that do not pass.

    Parameters
    ----------
    with_refused
        Keep the entries that are hazards for other reasons than their arrays: to look at, not to import.

    Raises
    ------
    NotFoundError, RequestError, UnavailableError
        As `read_legacy_tree`; or a file cannot be read.
    """
    found = CheckedTree(read_legacy_tree(root, timezone))
    if with_refused:
        found.tree.entries = sorted([*found.tree.entries, *found.tree.excluded], key=lambda each: each.name)
    panels = {entry.folder: entry.panel for entry in found.tree.entries}
    problems: dict[Path, str] = {}
    with progress("checking modules", len(panels)) as advance:
        for folder, panel in sorted(panels.items()):
            try:
                found.folders[folder] = read_panel_folder(folder, detectors.type_of_panel(panel))
            except ArrayError as error:
                problems[folder] = str(error)
            advance()
    found.tree.exclude(
        Hazard(entry.name, problems[entry.folder]) for entry in found.tree.entries if entry.folder in problems
    )
    return found


def timezone_notes(tree: LegacyTree, timezone: tzinfo) -> list[str]:
    """Return what is to be said of the zone in which the stamps were read."""
    stamped = any(entry.valid_from != BEGINNING for entry in tree.entries)
    return ["stamps are read as UTC; --timezone says otherwise"] if stamped and timezone is UTC else []
