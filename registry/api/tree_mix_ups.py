"""Files of other modules in a legacy directory: its distinct maps are compared, however many links lead to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from registry.api.tree_aliases import read_known_aliases
from registry.database.change import Change
from registry.importers.legacy_tree import Entry, Hazard
from registry.importers.panel_folders import CheckedTree
from registry.lookup.file_uses import Module
from registry.lookup.revisions import read_newest_revision
from registry.records import CheckedConstants, Version
from registry.registration.mix_ups import compare_sensors, refuse_mix_ups
from registry.registration.planning import VersionKey, VersionStatement
from registry.registration.stated_constants import (
    Allowances,
    Comparison,
    ConstantsKey,
    StatedConstants,
    build_module,
)


class TreeMaps:
    """The maps of a tree, and how they compare with each other and with what is recorded.

    Attributes
    ----------
    comparison
        What was found; empty until `list_mix_ups`.
    """

    def __init__(self, connection: sa.Connection, checked: CheckedTree, allowances: Allowances) -> None:
        self.checked = checked
        self.comparison = Comparison()
        self._allowances = allowances
        self._compared_as_of = read_newest_revision(connection)
        self._entries = {(entry.panel, entry.valid_from): entry for entry in checked.tree.entries}
        self._new: set[ConstantsKey] = set()
        self._build_module = cache(build_module)
        unnamed = {entry.panel for entry in checked.tree.entries if entry.m_number is None}
        self._known = read_known_aliases(connection, self._compared_as_of, unnamed) if unnamed else {}

    @property
    def has_equal_starts(self) -> bool:
        """True if entries have the panel and the start of another, and may contradict it."""
        return len(self._entries) < len(self.checked.tree.entries)

    def add_new(self, statements: Iterable[VersionStatement]) -> None:
        """Add statements that are not recorded yet; what is recorded already is not compared."""
        for statement in statements:
            module = self.find_module(self._entries[statement.panel, statement.valid_from])
            self._new.add((module, statement.constants or ""))

    def add_entries(self, entries: Iterable[Entry]) -> None:
        """Add entries of which nothing is recorded yet."""
        for module, folder in {(self.find_module(entry), entry.folder) for entry in entries}:
            self._new |= {(module, constants.sha256) for constants in self.checked.folders[folder].constants}

    def add_unrecorded(self, live: Mapping[VersionKey, Version]) -> list[int]:
        """Add what an import would record beside these versions; return the numbers of those that it would replace."""
        replaced = []
        for entry in self.checked.tree.entries:
            for constants in self.checked.get_constants(entry):
                version = live.get((entry.panel, constants.kind, entry.valid_from))
                if version is None or version.constants != constants.sha256:
                    self._new.add(self.find_key(entry, constants))
                    replaced += [version.version] if version else []
        return replaced

    def list_mix_ups(self, connection: sa.Connection, superseded: Collection[int]) -> list[Hazard]:
        """Return a hazard for each entry, and each kind, that leads to files of another module."""
        self._compare(connection, superseded)
        return list(self._list_hazards()) if self.comparison.mix_ups else []

    def refuse_later_mix_ups(self, change: Change, superseded: Collection[int]) -> None:
        """Refuse what has become a mix-up since the files were compared, by what others have recorded meanwhile."""
        if change.newest != self._compared_as_of:
            self._compare(change.connection, superseded)
            refuse_mix_ups(self.comparison)

    def _compare(self, connection: sa.Connection, superseded: Collection[int]) -> None:
        stated: dict[ConstantsKey, StatedConstants] = {}
        seen: set[tuple[Module, Path]] = set()
        for entry in self.checked.tree.entries:
            source = self.find_module(entry), entry.folder
            if source in seen:
                continue
            seen.add(source)
            for constants in self.checked.get_constants(entry):
                key = source[0], constants.sha256
                if key in self._new and key not in stated:
                    stated[key] = StatedConstants(key[0], constants, entry.name)
        self.comparison = compare_sensors(connection, list(stated.values()), self._allowances, superseded)

    def find_key(self, entry: Entry, constants: CheckedConstants) -> ConstantsKey:
        """Return the module of an entry, and the checksum of constants behind it."""
        return self.find_module(entry), constants.sha256

    def find_module(self, entry: Entry) -> Module:
        """Return the module that has the panel from the start of an entry on."""
        m_number = entry.m_number
        if m_number is None and entry.panel in self._known:
            borne = self._known[entry.panel].at(entry.valid_from)
            m_number = borne.m_number if borne else None
        return self._build_module(entry.panel, m_number)

    def _list_hazards(self) -> Iterator[Hazard]:
        for entry in self.checked.tree.entries:
            for constants in self.checked.get_constants(entry):
                for mix_up in self.comparison.mix_ups.get(self.find_key(entry, constants), ()):
                    yield Hazard(entry.name, mix_up.reason, "mix-up", constants.kind, mix_up.remedy)
