"""Entries that are left out of an import: what is known of the panel, the start and the kinds of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from operator import attrgetter
from pathlib import Path, PurePosixPath

from registry.detectors import find_base
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import RegistryError
from registry.files import list_folder
from registry.importers.legacy_tree import Hazard, LegacyTree, escape_name
from registry.importers.panel_folders import find_present_kinds
from registry.instants import Instant
from registry.records.imports import SkipCause


@dataclass(frozen=True, slots=True)
class LeftOutEntry:
    """An entry that is left out.

    Attributes
    ----------
    hazards
        The reasons, at least one.
    panel, valid_from
        As far as the name can be read; None where it cannot.
    kinds
        Those that would have started; None where the folder cannot be read.
    m_number
        The module to which the link leads, None if it cannot be followed.
    """

    name: str
    hazards: tuple[Hazard, ...]
    panel: str | None
    valid_from: Instant | None
    kinds: tuple[str, ...] | None
    m_number: str | None

    def explain(self, kind: str) -> tuple[SkipCause, str]:
        """Return why constants of this kind are left out: for its own sake, or for that of the whole entry."""
        own = next((hazard for hazard in self.hazards if hazard.kind == kind), None) or next(
            # Files of which nobody knows the condition.
            (hazard for hazard in self.hazards if hazard.cause == "bad" and hazard.kind == find_base(kind)),
            None,
        )
        if own is None:
            own = next((hazard for hazard in self.hazards if hazard.kind is None), None)
        # Beside another kind that was withdrawn, this one was not.
        return (own.cause, own.reason) if own else ("conflict", self.hazards[0].reason)


def list_left_out(tree: LegacyTree) -> Iterator[LeftOutEntry]:
    """Yield every entry that is left out, by name."""
    excluded = {entry.name: entry for entry in tree.excluded}
    list_kinds = cache(_list_kinds)
    for name, group in groupby(sorted(tree.hazards, key=attrgetter("name")), key=attrgetter("name")):
        hazards = tuple(group)
        if entry := excluded.get(name):
            kinds = tree.kinds.get(name) or list_kinds(entry.folder)
            yield LeftOutEntry(
                escape_name(name), hazards, entry.panel, entry.valid_from, kinds, entry.m_number
            )
        else:
            panel, valid_from = tree.unread.get(name, (None, None))
            yield LeftOutEntry(escape_name(name), hazards, panel, valid_from, tree.kinds.get(name), None)


def _list_kinds(folder: Path) -> tuple[str, ...] | None:
    try:
        names = {item.name for item in list_folder(folder, "a folder")}
    except RegistryError:
        return None
    return tuple(find_present_kinds(JUNGFRAU, names))


def get_link_name(panel: str, source_path: str | None) -> str | None:
    """Return the name of the link from which a panel's version was imported, None for a version from elsewhere."""
    if source_path is None or panel not in source_path:  # at once: a comparison asks for each of its versions
        return None
    name = PurePosixPath(source_path).name
    return name if name == panel or name.startswith(f"{panel}-") else None
