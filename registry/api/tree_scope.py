"""The panels that a legacy directory is compared for: those that it has or had, and those read out beside them."""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass

import sqlalchemy as sa

from registry.detectors import find_detector_type
from registry.detectors.jungfrau import JUNGFRAU
from registry.identifiers import format_count
from registry.importers.directory_rule import DirectoryRule
from registry.importers.legacy_tree import LegacyTree
from registry.lookup import panels
from registry.lookup.linked_panels import list_experiments_of_panels, list_linked_panels
from registry.lookup.runs import list_run_configurations
from registry.records import Configuration, Run


@dataclass(frozen=True, slots=True)
class TreeScope:
    """The panels, in the order of their registration, and the runs in which one of the directory's is read out.

    ``beside`` is the number of those read out beside its own, ``others`` that of the panels in the registry, of the
    same detector type, that are not compared.
    """

    panels: list[str]
    runs: list[tuple[Run, Configuration]]
    beside: int
    others: int

    @property
    def notes(self) -> list[str]:
        """The sentences on what is not compared."""
        return [*self._note_beside(), *self._note_others()]

    def _note_beside(self) -> Iterator[str]:
        if self.beside:
            count = format_count(self.beside, "panel")
            verb = "is" if self.beside == 1 else "are"
            runs = "in the runs beside panels of the directory, and in no others"
            yield f"{count} that the directory never had {verb} compared {runs}"

    def _note_others(self) -> Iterator[str]:
        if self.others:
            count = format_count(self.others, "panel")
            which = "has no link, had none, and is" if self.others == 1 else "have no link, had none, and are"
            beside = "read out beside no panel of the directory: not compared, nor are their runs"
            yield f"{count} of the registry {which} {beside}"


def find_scope(connection: sa.Connection, tree: LegacyTree, rule: DirectoryRule, revision: int) -> TreeScope:
    """Return what a directory is compared with: its cost follows the directory, not the registry.

    A panel of which a version came from a link is the directory's although the link is gone; and so is one whose link
    has a name that can be read no further than the panel.
    """
    known = [
        panel.panel
        for panel in panels.list_panels(connection, revision)
        if find_detector_type(panel.detector_type) is JUNGFRAU
    ]
    entries = {entry.panel for entry in (*tree.entries, *tree.excluded)}
    entries |= {panel for panel, _ in tree.unread.values() if panel is not None}
    own = {panel for panel in known if panel in entries or rule.has_link(panel)}
    own |= list_linked_panels(connection, [panel for panel in known if panel not in own], revision)
    runs = _list_runs(connection, own, revision)
    wanted = own.union(*(configuration.panels for _, configuration in runs))
    compared = [panel for panel in known if panel in wanted]
    return TreeScope(compared, runs, len(wanted - own), len(known) - len(compared))


def _list_runs(connection: sa.Connection, own: Set[str], revision: int) -> list[tuple[Run, Configuration]]:
    experiments = list_experiments_of_panels(connection, own, revision)
    return [
        (run, configuration)
        for run, configuration in list_run_configurations(connection, revision, experiments)
        if not own.isdisjoint(configuration.panels)
    ]
