"""Compare a legacy directory with the registry while both are in use: its links, and the constants of every run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from registry.api.backend import Backend, ReadTransaction
from registry.api.tree_aliases import list_alias_hazards, read_known_aliases
from registry.api.tree_choices import ChoiceComparison
from registry.api.tree_mix_ups import TreeMaps
from registry.api.tree_scope import find_scope
from registry.api.tree_timezone import find_tree_timezone
from registry.authorship import escape_undecodable
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import InstantError, Remedy
from registry.importers.directory_rule import DEFAULT_TIME, DirectoryRule
from registry.importers.left_out import get_link_name
from registry.importers.legacy_tree import Entry, Hazard
from registry.importers.panel_folders import CheckedTree, check_tree
from registry.importers.tree_aliases import KnownAliases
from registry.instants import refuse_unlikely
from registry.lookup import versions
from registry.lookup.stored_files import list_stored_files
from registry.parallel import Progress
from registry.records import (
    CheckedConstants,
    LinkDifference,
    RunDifference,
    StoredFile,
    TreeComparison,
    Version,
)
from registry.records.differences import LinkChange
from registry.registration.planning import VersionKey
from registry.registration.stated_constants import Allowances


def compare_tree(backend: Backend, root: Path, progress: Progress) -> TreeComparison:
    """Compare a legacy directory with the registry; see `Registry.compare_tree`."""
    timezone = find_tree_timezone(backend)
    checked = check_tree(root, timezone.zone, progress, with_refused=True, any_time=True, allow_odd=True)
    rule = DirectoryRule(root)
    with backend.read_transaction() as view:
        checked.tree.hazards += list_alias_hazards(view, checked.tree)
        scope = find_scope(view.connection, checked.tree, rule, view.revision)
        registered = _read_registered_versions(view, scope.panels, checked)
        maps = TreeMaps(view.connection, checked, Allowances())
        replaced = maps.add_unrecorded(registered.live)
        checked.tree.hazards += maps.list_mix_ups(view.connection, replaced)
    checked.tree.exclude(list(_find_odd_entries(checked, registered)))
    links = _find_link_differences(checked, registered)
    comparison = ChoiceComparison(checked, rule, registered.live, links)
    differences = []
    with progress("comparing runs", len(scope.runs)) as advance:
        for run, configuration in scope.runs:
            choices = comparison.find_differences(configuration.panels, run.begin)
            if choices:
                source = configuration.source
                differences.append(RunDifference(run.experiment, run.run, source, run.begin, choices))
            advance()
    notes = [*timezone.list_notes(checked.tree), *checked.tree.notes, *scope.notes]
    if scope.runs:
        notes.append(
            f"without a time the directory is asked at {DEFAULT_TIME}; it never uses the time of a run"
        )
    return TreeComparison(
        tree=escape_undecodable(str(root)),
        revision=view.revision,
        compared_links=len(checked.tree.entries),
        compared_runs=len(scope.runs),
        links=tuple(links.values()),
        runs=tuple(differences),
        hazards=tuple(map(str, checked.tree.hazards)),
        notes=tuple(notes),
    )


@dataclass(frozen=True, slots=True)
class _RegisteredVersions:
    """The registry's versions of the panels that are compared.

    ``aliases`` are the M-numbers by panel Id and start, ``live`` and ``last`` the versions by key (the last one may be
    withdrawn), ``files`` the files, by the SHA-256 of their constants, of the live ones that entries state, too.
    """

    aliases: KnownAliases
    live: dict[VersionKey, Version]
    last: dict[VersionKey, Version]
    files: dict[str, tuple[StoredFile, ...]]


def _read_registered_versions(
    view: ReadTransaction, names: Sequence[str], checked: CheckedTree
) -> _RegisteredVersions:
    aliases = read_known_aliases(view.connection, view.revision, names)
    recorded = versions.list_recorded_versions(view.connection, names, view.revision)
    recorded.sort(key=attrgetter("version"))
    last = {(version.panel, version.kind, version.valid_from): version for version in recorded}
    live = {key: version for key, version in last.items() if version.withdrawn_in is None}
    stated = (live.get(key) for key in _list_keys(checked))
    constants = {version.constants for version in stated if version and version.constants}
    return _RegisteredVersions(aliases, live, last, list_stored_files(view.connection, constants))


def _list_keys(checked: CheckedTree) -> Iterator[VersionKey]:
    """Yield the keys of what the entries state."""
    for entry in checked.tree.entries:
        for constants in checked.get_constants(entry):
            yield entry.panel, constants.kind, entry.valid_from


def _find_odd_entries(checked: CheckedTree, registered: _RegisteredVersions) -> Iterator[Hazard]:
    """Yield a hazard for every entry whose values or start cannot be, unless the registry has taken them there."""
    for entry in checked.tree.entries:
        if not any(
            (entry.panel, kind, entry.valid_from) in registered.last for kind in JUNGFRAU.required_kinds
        ):
            try:
                refuse_unlikely(entry.valid_from, "a start of validity")
            except InstantError as error:
                yield Hazard(entry.name, error.message, remedy=error.remedy)
                continue
        sentences = []
        for constants in checked.get_constants(entry):
            last = registered.last.get((entry.panel, constants.kind, entry.valid_from))
            if last is None or last.constants != constants.sha256:
                sentences += [f"{str(file.path)!r} {file.odd}" for file in constants.files if file.odd]
        if sentences:
            yield Hazard(entry.name, "; ".join(sentences), remedy=Remedy.ALLOW_ODD)


def _find_link_differences(
    checked: CheckedTree, registered: _RegisteredVersions
) -> dict[VersionKey, LinkDifference]:
    """Return by key, in the order of panel, start and kind, where directory and registry differ."""
    differences = [*_compare_entries(checked, registered), *_find_unlinked_versions(checked, registered)]
    differences.sort(key=lambda link: (link.panel, link.valid_from, link.kind))
    return {(link.panel, link.kind, link.valid_from): link for link in differences}


def _compare_entries(checked: CheckedTree, registered: _RegisteredVersions) -> Iterator[LinkDifference]:
    for entry in checked.tree.entries:
        for constants in checked.get_constants(entry):
            key = (entry.panel, constants.kind, entry.valid_from)
            change, reason = _classify_entry(entry, constants, registered)
            if change is not None:
                live, last = registered.live.get(key), registered.last.get(key)
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
    entry: Entry, constants: CheckedConstants, registered: _RegisteredVersions
) -> tuple[LinkChange | None, str]:
    """Return how an entry's constants of one kind differ from the registry's, and the reason in words."""
    key = (entry.panel, constants.kind, entry.valid_from)
    live, last = registered.live.get(key), registered.last.get(key)
    borne = (
        registered.aliases[entry.panel].at(entry.valid_from) if entry.panel in registered.aliases else None
    )
    alias = borne.m_number if borne else None
    other_module = entry.m_number is not None and alias not in (None, entry.m_number)
    if last is None:
        target = f", and leads to {entry.m_number} (the registry: {alias})" if other_module else ""
        return "new", f"not imported yet{target}"
    if other_module:
        return "retargeted", f"retargeted since import, to {entry.m_number} (the registry: {alias})"
    if live is None:
        why = f": {last.withdrawal.comment}" if last.withdrawal and last.withdrawal.comment else ""
        return "withdrawn", f"withdrawn in revision {last.withdrawn_in}{why}"
    if live.constants == constants.sha256:
        return None, ""
    if live.constants is None or get_link_name(live.panel, live.source_path) is None:
        what = "a gap" if live.is_gap else "other constants"
        return "superseded", f"superseded by {what} in revision {live.recorded_in}"
    names = JUNGFRAU.file_names(constants.kind)
    before = {file.gain_range: file.sha256 for file in registered.files[live.constants]}
    files = [names[number] for number, file in enumerate(constants.files) if file.sha256 != before[number]]
    return "changed", f"{', '.join(files)} changed since import"


def _find_unlinked_versions(
    checked: CheckedTree, registered: _RegisteredVersions
) -> Iterator[LinkDifference]:
    """Yield the live versions that no entry states, except those of links that are hazards."""
    entries = {entry.name: entry for entry in checked.tree.entries}
    hazards = {hazard.name for hazard in checked.tree.hazards}
    linked = set(_list_keys(checked))
    for key, version in registered.live.items():
        link = get_link_name(version.panel, version.source_path)
        if key in linked or link in hazards:
            continue
        if link is None and version.kind not in JUNGFRAU.required_kinds:
            continue  # a legacy directory cannot hold this kind
        yield LinkDifference(
            change="added" if link is None else "removed",
            link=None,
            panel=version.panel,
            kind=version.kind,
            valid_from=version.valid_from,
            directory=None,
            registry=version.constants,
            version=version.version,
            reason=_describe_unlinked_version(version, link, entries.get(link or "")),
        )


def _describe_unlinked_version(version: Version, link: str | None, entry: Entry | None) -> str:
    if link is None:
        what = "a gap" if version.is_gap else "constants"
        return f"{what} of the registry alone, stated in revision {version.recorded_in}"
    if entry is None:
        return f"its link {link} is gone"
    if entry.valid_from != version.valid_from:
        return f"its link {link} is read as {entry.valid_from}: in another zone than on import"
    return f"its files are gone from {entry.folder.name}"
