"""A legacy directory held against the registry while both live: links, and what each run would get."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path

from registry.api.backend import Backend, ReadTransaction
from registry.api.comparing_links import (
    RegisteredVersions,
    VersionKey,
    find_link_differences,
    read_registered_versions,
)
from registry.detectors import type_of_panel
from registry.detectors.jungfrau import JUNGFRAU
from registry.identifiers import quote
from registry.importers.checked_tree import CheckedTree, check_tree, timezone_notes
from registry.importers.directory_rule import DEFAULT_TIME, DirectoryRule
from registry.importers.legacy_tree import Entry
from registry.instants import Instant
from registry.lookup.runs import list_run_configurations
from registry.lookup.timelines import build_timelines
from registry.progress import Progress
from registry.records import (
    ChoiceDifference,
    Configuration,
    LinkDifference,
    Run,
    RunDifference,
    TreeComparison,
    Version,
)


def compare_tree(backend: Backend, root: Path, progress: Progress) -> TreeComparison:
    """Compare a legacy directory with the registry; see `Registry.compare_tree`."""
    found = check_tree(root, backend.timezone, progress, with_refused=True)
    rule = DirectoryRule(root)
    with backend.read_transaction() as view:
        stated = read_registered_versions(view)
        links = find_link_differences(found, stated)
        comparing = _ChoiceComparison(found, rule, stated, links)
        configurations = _list_run_configurations(view)
        with progress("comparing runs", len(configurations)) as advance:
            different = []
            for run, configuration in configurations:
                choices = tuple(comparing.find_differences(configuration.panels, run.begin))
                if choices:
                    source = configuration.source
                    different.append(RunDifference(run.experiment, run.run, source, run.begin, choices))
                advance()
    asked = f"without a time the directory is asked at {DEFAULT_TIME}; it never uses the time of a run"
    return TreeComparison(
        tree=str(root),
        revision=view.revision,
        compared_links=len(found.tree.entries),
        compared_runs=len(configurations),
        links=tuple(links.values()),
        runs=tuple(different),
        hazards=tuple(map(str, found.tree.hazards)),
        notes=(
            *timezone_notes(found.tree, backend.timezone),
            *found.tree.notes,
            *([asked] if configurations else []),
        ),
    )


def _list_run_configurations(view: ReadTransaction) -> list[tuple[Run, Configuration]]:
    """Return each registered run with each of its detectors of the type that the directory is for."""
    return [
        (run, configuration)
        for run, configuration in list_run_configurations(view.connection, view.revision)
        if type_of_panel(configuration.panels[0]) is JUNGFRAU
    ]


class _ChoiceComparison:
    """What directory and registry choose for panels and kinds, and why that differs."""

    def __init__(
        self,
        found: CheckedTree,
        rule: DirectoryRule,
        stated: RegisteredVersions,
        links: dict[VersionKey, LinkDifference],
    ) -> None:
        self._found, self._rule, self._links = found, rule, links
        self._by_name = {entry.name: entry for entry in found.tree.entries}
        self._hazards = {hazard.name: hazard.reason for hazard in found.tree.hazards}
        entries = sorted(found.tree.entries, key=attrgetter("valid_from"))
        self._entries = build_timelines((entry.panel, entry.valid_from, entry) for entry in entries)
        self._versions = build_timelines(
            ((version.panel, version.kind), version.valid_from, version)
            for key in sorted(stated.versions)
            if (version := stated.get_live(key)) is not None
        )

    def find_differences(self, panels: tuple[str, ...], begin: Instant | None) -> Iterator[ChoiceDifference]:
        """Return for which panels and kinds the choices differ in a run that began then (None: not known)."""
        for panel in panels:
            link = self._rule.pick(panel)
            entry = self._by_name.get(link or "")
            for kind in JUNGFRAU.required_kinds:
                held = None if begin is None else self._versions[panel, kind].at(begin)
                directory = self._get_constants(entry, kind)
                registry = held.constants if held else None
                if directory != registry:
                    number = held.version if held else None
                    reason = "; ".join(self._explain_difference(link, entry, panel, kind, begin, held))
                    yield ChoiceDifference(panel, kind, link, directory, number, registry, reason)

    def _get_constants(self, entry: Entry | None, kind: str) -> str | None:
        made = self._found.constants_of(entry) if entry else ()
        return next((each.sha256 for each in made if each.kind == kind), None)

    def _explain_difference(
        self,
        link: str | None,
        entry: Entry | None,
        panel: str,
        kind: str,
        begin: Instant | None,
        held: Version | None,
    ) -> Iterator[str]:
        if link is None or entry is None:
            yield self._explain_missing_choice(link)
            return
        if begin is None:
            yield "the run's begin is not known, and without it the registry refuses"
            return
        due = self._entries[panel].at(begin)
        if entry.valid_from > begin:
            yield "the link starts after the run"
        elif due is not entry:
            yield "the directory never uses the run's time"
        if self._get_constants(due, kind) != (held.constants if held else None):
            yield self._explain_disagreement(due, panel, kind, held)

    def _explain_missing_choice(self, link: str | None) -> str:
        if self._rule.fatal_entries:
            return f"{quote(self._rule.fatal_entries[0])} breaks the directory's look-up of every detector"
        if link is None:
            return "the directory has no link of this panel"
        return f"of the link that the directory picks: {self._hazards.get(link, 'it cannot be taken')}"

    def _explain_disagreement(self, due: Entry | None, panel: str, kind: str, held: Version | None) -> str:
        """Return why the registry does not hold what the link states that was due at the run's begin."""
        if held is not None and held.is_gap:
            why = f": {held.comment}" if held.comment else ""
            return f"the registry has a gap from {held.valid_from}{why}"
        if held is not None and (due is None or held.valid_from > due.valid_from):
            return f"version {held.version}, from {held.valid_from}, is not in the directory"
        place = (panel, kind, due.valid_from) if due else None
        difference = self._links.get(place) if place else None
        return difference.reason if difference else "the registry has nothing of that time"
