"""The time zone in which the stamps of a legacy directory are read, and what to say about it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import PurePosixPath

import sqlalchemy as sa

from registry.api.backend import Backend
from registry.authorship import escape_undecodable
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import ConflictError, Remedy
from registry.importers.legacy_tree import LegacyTree, escape_name
from registry.instants import BEGINNING
from registry.lookup.starts import sources_near_starts
from registry.lookup.timezones import read_timezone
from registry.timezones import find_recorded_zone

_LARGEST_ZONE_DIFFERENCE = 26 * 3_600_000_000  # microseconds: from UTC-12 to UTC+14


@dataclass(frozen=True, slots=True)
class TreeTimezone:
    """The zone of a directory's stamps, and the name of the registry's own at that moment."""

    zone: tzinfo
    registry_zone: str

    def list_notes(self, tree: LegacyTree) -> list[str]:
        """Return a note on the zone, where there are stamps."""
        if not tree.has_local_times or all(entry.valid_from == BEGINNING for entry in tree.entries):
            return []
        if str(self.zone) == self.registry_zone:
            return [f"stamps are read in {self.zone}, the registry's time zone, unless another one is given"]
        later = f"stamps that are given later are read in {self.registry_zone}, the registry's time zone"
        return [f"stamps of this directory are read in {self.zone}; {later}"]

    def refuse_change(self, connection: sa.Connection, *, chosen: bool) -> None:
        """Refuse to record starts that were read in the registry's zone, if it has another one by now."""
        if not chosen and (present := read_timezone(connection)) != self.registry_zone:
            raise ConflictError(
                f"the registry's time zone was changed from {self.registry_zone} to {present} meanwhile; nothing was"
                " recorded, repeat the import",
                timezone=present,
            )


def refuse_other_timezone(connection: sa.Connection, tree: LegacyTree, known: Collection[str]) -> None:
    """Refuse a directory whose stamps were read in another time zone by an earlier import; `known` panels have any.

    Every link would start a second time, some hours away. A link that was imported is known by its name, and what
    another layout states by the last part of its path; two zones are at most 26 hours apart.
    """
    if not tree.has_local_times:
        return
    required = JUNGFRAU.required_kinds
    names = {
        (entry.panel, tree.kinds.get(entry.name, required)[0], entry.valid_from): entry.name
        for entry in tree.entries
        if entry.panel in known and entry.valid_from != BEGINNING
    }
    other: dict[str, str] = {}
    for key, start, path in sources_near_starts(connection, list(names), _LARGEST_ZONE_DIFFERENCE):
        is_same = PurePosixPath(path or "").name == PurePosixPath(escape_undecodable(names[key])).name
        if is_same and start != key[2]:
            other[names[key]] = (
                f"{escape_name(names[key])} was imported with the start {start}, and is read as {key[2]} now"
            )
    if other:
        raise ConflictError.combine(
            f"links of {str(tree.root)!r} were imported with other starts, so in another time zone",
            list(other.values()),
            remedy=Remedy.GIVE_TIMEZONE,
            links=list(other),
        )


def find_tree_timezone(backend: Backend) -> TreeTimezone:
    """Return the zone in which the stamps of a directory are read now."""
    with backend.database.autocommit_read() as connection:
        registry_zone = read_timezone(connection)
    chosen = backend.chosen_zone
    return TreeTimezone(find_recorded_zone(registry_zone) if chosen is None else chosen, registry_zone)
