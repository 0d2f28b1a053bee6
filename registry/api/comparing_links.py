"""Where the links of a directory and the versions of the registry state other things, and since when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from registry.api.backend import ReadTransaction
from registry.detectors import find_detector_type
from registry.detectors.jungfrau import JUNGFRAU
from registry.importers.checked_tree import CheckedTree
from registry.importers.legacy_tree import Entry
from registry.instants import Instant
from registry.lookup import panels, versions
from registry.lookup.stored_files import list_stored_files
from registry.records import CheckedConstants, LinkDifference, StoredFile, Version
from registry.records.tree_comparison import LinkChange

VersionKey = tuple[str, str, Instant]
"""A panel, a kind, and a start."""


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
