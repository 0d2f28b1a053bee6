"""A legacy directory held against the registry while both live: links, and what each run would get."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path, PurePosixPath

from registry.api.backend import Backend, ReadTransaction
from registry.detectors import find_detector_type, type_of_panel
from registry.detectors.jungfrau import JUNGFRAU
from registry.identifiers import quote
from registry.importers.legacy_tree import DEFAULT_TIME, DirectoryRule, Entry
from registry.importers.panel_folders import CheckedTree, check_tree, timezone_notes
from registry.instants import Instant
from registry.lookup import panels, versions
from registry.lookup.runs import list_run_configurations
from registry.lookup.stored_files import list_stored_files
from registry.lookup.timelines import build_timelines
from registry.progress import Progress
from registry.records import (
    CheckedConstants,
    ChoiceDifference,
    Configuration,
    LinkDifference,
    Run,
    RunDifference,
    StoredFile,
    TreeComparison,
    Version,
)
from registry.records.differences import LinkChange

VersionKey = tuple[str, str, Instant]
"""A panel, a kind, and a start."""


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


@dataclass(frozen=True, slots=True)
class RegisteredVersions:
    """What the registry states, or stated, of the panels that the directory's scheme knows.

    Attributes
    ----------
    modules
        The M-number that a panel bears.
    ever
        By place, the versions in the order of their numbers.
    files
        By the SHA-256 of constants.
    """

    aliases: dict[str, str | None]
    versions: dict[VersionKey, list[Version]]
    files: dict[str, tuple[StoredFile, ...]]

    def get_live(self, place: VersionKey) -> Version | None:
        """Return what is stated at a place."""
        return next((each for each in self.versions.get(place, ()) if each.withdrawn_in is None), None)

    def get_last(self, place: VersionKey) -> Version | None:
        """Return what was stated last at a place, withdrawn or not."""
        return max(self.versions.get(place, ()), key=lambda each: each.version, default=None)


def read_registered_versions(view: ReadTransaction) -> RegisteredVersions:
    """Return what the registry states, or stated, of all panels that the directory's scheme knows."""
    known = [
        panel
        for panel in panels.list_panels(view.connection, view.revision)
        if find_detector_type(panel.detector_type) is JUNGFRAU
    ]
    ever: dict[VersionKey, list[Version]] = defaultdict(list)
    for version in versions.list_recorded_versions(
        view.connection, [panel.panel for panel in known], view.revision
    ):
        ever[version.panel, version.kind, version.valid_from].append(version)
    named = {each.constants for found in ever.values() for each in found if each.constants}
    return RegisteredVersions(
        aliases={panel.panel: panel.alias for panel in known},
        versions=dict(ever),
        files=list_stored_files(view.connection, named),
    )


def find_link_differences(found: CheckedTree, stated: RegisteredVersions) -> dict[VersionKey, LinkDifference]:
    """Return by place, in their order, what directory and registry state otherwise."""
    differences = [*_compare_entries(found, stated), *_find_unlinked_versions(found, stated)]
    differences.sort(key=lambda each: (each.panel, each.valid_from, each.kind))
    return {(each.panel, each.kind, each.valid_from): each for each in differences}


def _compare_entries(found: CheckedTree, stated: RegisteredVersions) -> Iterator[LinkDifference]:
    for entry in found.tree.entries:
        for constants in found.constants_of(entry):
            place = (entry.panel, constants.kind, entry.valid_from)
            live = stated.get_live(place)
            last = stated.get_last(place)
            change, reason = _classify_entry(entry, constants, stated, live, last)
            if change is not None:
                yield LinkDifference(
                    change=change,
                    link=entry.name,
                    panel=entry.panel,
                    kind=constants.kind,
                    valid_from=entry.valid_from,
                    directory=constants.sha256,
                    registry=live.constants if live else None,
                    version=last.version if last else None,
                    reason=reason,
                )


def _classify_entry(
    entry: Entry,
    constants: CheckedConstants,
    stated: RegisteredVersions,
    live: Version | None,
    last: Version | None,
) -> tuple[LinkChange | None, str]:
    module = stated.aliases.get(entry.panel)
    elsewhere = entry.m_number is not None and module not in (None, entry.m_number)
    if last is None:
        others = f", and leads to {entry.m_number} (the registry: {module})" if elsewhere else ""
        return "new", f"not imported yet{others}"
    if elsewhere:
        said = f"retargeted since import, to {entry.m_number} (the registry: {module})"
        return "retargeted", said
    if live is None:
        return "withdrawn", describe_withdrawal(last)
    if live.constants == constants.sha256:
        return None, ""
    if live.constants is None or get_link_name(live) is None:
        what = "a gap" if live.constants is None else "other constants"
        return "superseded", f"superseded by {what} in revision {live.recorded_in}"
    names = JUNGFRAU.file_names(constants.kind)
    before = {file.gain_range: file.sha256 for file in stated.files[live.constants]}
    files = [names[number] for number, file in enumerate(constants.files) if file.sha256 != before[number]]
    return "changed", f"{', '.join(files)} changed since import"


def describe_withdrawal(version: Version) -> str:
    """Return in which revision a version was withdrawn, and why."""
    why = version.withdrawal.comment if version.withdrawal else None
    return f"withdrawn in revision {version.withdrawn_in}{f': {why}' if why else ''}"


def _find_unlinked_versions(found: CheckedTree, stated: RegisteredVersions) -> Iterator[LinkDifference]:
    """Return the live versions that no entry states; of links that are hazards nothing is known."""
    entries = {entry.name: entry for entry in found.tree.entries}
    bad = {hazard.name for hazard in found.tree.hazards}
    there = {
        (entry.panel, made.kind, entry.valid_from)
        for entry in found.tree.entries
        for made in found.constants_of(entry)
    }
    for place in stated.versions:
        version = stated.get_live(place)
        link = get_link_name(version) if version else None
        if version is None or place in there or link in bad:
            continue
        change: LinkChange = "removed"
        reason = f"its link {link} is gone"
        if link in entries and entries[link].valid_from != version.valid_from:
            reason = f"its link {link} is read as {entries[link].valid_from}: in another zone than on import"
        elif link in entries:
            reason = f"its files are gone from {entries[link].folder.name}"
        elif link is None:
            if version.kind not in JUNGFRAU.required_kinds:
                continue  # such a directory has no such kinds
            change = "added"
            what = "a gap" if version.is_gap else "constants"
            reason = f"{what} of the registry alone, stated in revision {version.recorded_in}"
        yield LinkDifference(
            change=change,
            link=None,
            panel=version.panel,
            kind=version.kind,
            valid_from=version.valid_from,
            directory=None,
            registry=version.constants,
            version=version.version,
            reason=reason,
        )


def get_link_name(version: Version) -> str | None:
    """Return the name of the link from which a version was imported, None where it was stated otherwise."""
    name = PurePosixPath(version.source_path or "").name
    return name if name == version.panel or name.startswith(f"{version.panel}-") else None


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
