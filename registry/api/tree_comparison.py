"""Compare a legacy directory with the registry while both are in use: its links, and the constants of every run."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from pathlib import Path

from registry.api.backend import Backend, ReadTransaction
from registry.api.tree_aliases import list_alias_hazards, read_known_aliases
from registry.api.tree_mix_ups import TreeMaps
from registry.api.tree_scope import find_scope
from registry.api.tree_timezone import find_tree_timezone
from registry.authorship import escape_undecodable
from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import ArrayError, InstantError, NotFoundError, RegistryError, Remedy, UnavailableError
from registry.files import list_folder
from registry.identifiers import quote
from registry.importers.directory_rule import DEFAULT_TIME, DirectoryRule
from registry.importers.left_out import get_link_name
from registry.importers.legacy_tree import Entry, Hazard
from registry.importers.panel_folders import CheckedTree, check_tree, read_panel_folder
from registry.importers.tree_aliases import KnownAliases
from registry.instants import Instant, refuse_unlikely
from registry.lookup import versions
from registry.lookup.stored_files import list_stored_files
from registry.lookup.timelines import build_timelines
from registry.parallel import Progress
from registry.records import (
    CheckedConstants,
    ChoiceDifference,
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
    comparison = _ChoiceComparison(checked, rule, registered, links)
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


def _has_every_file(folder: Path, kind: str) -> bool:
    try:
        names = {entry.name for entry in list_folder(folder, "a folder with g0_gain.npy and so on")}
    except RegistryError:
        return False
    return names.issuperset(JUNGFRAU.file_names(kind))


class _ChoiceComparison:
    """Compares the constants that directory and registry choose for a run, and explains the differences."""

    def __init__(
        self,
        checked: CheckedTree,
        rule: DirectoryRule,
        registered: _RegisteredVersions,
        links: dict[VersionKey, LinkDifference],
    ) -> None:
        self._checked, self._rule, self._links = checked, rule, links
        self._pick = cache(rule.pick)
        self._by_name = {entry.name: entry for entry in checked.tree.entries}
        self._hazards = {hazard.name: hazard.reason for hazard in checked.tree.hazards}
        self._refused: dict[tuple[str, str], tuple[str | None, bool]] = {}
        self._found: dict[tuple[tuple[str, ...], int], tuple[ChoiceDifference, ...]] = {}
        self._list_starts = cache(self._merge_starts)
        entries = sorted(checked.tree.entries, key=attrgetter("valid_from"))
        self._entries = build_timelines((entry.panel, entry.valid_from, entry) for entry in entries)
        self._versions = build_timelines(
            ((panel, kind), start, registered.live[panel, kind, start])
            for panel, kind, start in sorted(registered.live)
        )

    def find_differences(
        self, panels: tuple[str, ...], start: Instant | None
    ) -> tuple[ChoiceDifference, ...]:
        """Return the panels and kinds for which the choices differ in a run of this start time, if it is known.

        Of instants between two neighbouring starts of their links and versions it is one object.
        """
        index = -1 if start is None else bisect_right(self._list_starts(panels), start)
        differences = self._found.get((panels, index))
        if differences is None:
            differences = self._found[panels, index] = tuple(self._compare_choices(panels, start))
        return differences

    def _merge_starts(self, panels: tuple[str, ...]) -> list[int]:
        """Return in order the starts at which something else becomes due, in the directory or the registry."""
        timelines = [self._entries[panel] for panel in panels]
        kinds = JUNGFRAU.required_kinds
        starts = {start for timeline in timelines for start in timeline.starts}
        starts.update(
            start for panel in panels for kind in kinds for start in self._versions[panel, kind].starts
        )
        return sorted(starts)

    def _compare_choices(self, panels: tuple[str, ...], start: Instant | None) -> Iterator[ChoiceDifference]:
        for panel in panels:
            link = self._pick(panel)
            entry = self._by_name.get(link or "")
            for kind in JUNGFRAU.required_kinds:
                version = None if start is None else self._versions[panel, kind].at(start)
                directory = self._get_constants(entry, kind)
                registry = version.constants if version else None
                is_unusable = False
                if (
                    entry is None and link is not None
                ):  # refused, if only for its name: the directory does not ask
                    directory, is_unusable = self._read_refused(link, kind)
                if is_unusable or directory != registry:
                    number = version.version if version else None
                    reason = "; ".join(self._explain_difference(link, panel, kind, start, version))
                    yield ChoiceDifference(panel, kind, link, directory, number, registry, reason)

    def _read_refused(self, link: str, kind: str) -> tuple[str | None, bool]:
        """Return the constants behind a link that is a hazard, and whether there are files that cannot be any."""
        if (link, kind) not in self._refused:
            folder = self._checked.tree.root / link
            constants, is_unusable = None, False
            try:
                module = read_panel_folder(folder, JUNGFRAU, [kind], allow_nonfinite=True, allow_odd=True)
                constants = module.constants[0].sha256
            except ArrayError:  # with a file missing, the directory gives nothing
                is_unusable = _has_every_file(folder, kind)
            except NotFoundError:
                pass
            except UnavailableError:  # others may read it
                is_unusable = True
            self._refused[link, kind] = constants, is_unusable
        return self._refused[link, kind]

    def _get_constants(self, entry: Entry | None, kind: str) -> str | None:
        checked = self._checked.get_constants(entry) if entry else ()
        return next((constants.sha256 for constants in checked if constants.kind == kind), None)

    def _explain_difference(
        self, link: str | None, panel: str, kind: str, start: Instant | None, version: Version | None
    ) -> Iterator[str]:
        entry = self._by_name.get(link or "")
        if entry is None:
            yield self._explain_missing_choice(link)
            return
        if start is None:
            yield "the start time is not known, and without it the registry refuses"
            return
        due = self._entries[panel].at(start)
        if entry.valid_from > start:
            yield "the link starts after the run"
        elif due is not entry:
            yield "the directory never uses the run's time"
        if self._get_constants(due, kind) != (version.constants if version else None):
            yield self._explain_disagreement(due, panel, kind, version)

    def _explain_missing_choice(self, link: str | None) -> str:
        if self._rule.fatal_entries:
            return f"{quote(self._rule.fatal_entries[0])} breaks the directory's look-up of every detector"
        if link is None:
            return "the directory has no link of this panel"
        return f"of the link that the directory picks: {self._hazards.get(link, 'it cannot be used')}"

    def _explain_disagreement(self, due: Entry | None, panel: str, kind: str, version: Version | None) -> str:
        """Return why the registry's version is not that of the link which was due at the run's start."""
        if version is not None and version.is_gap:
            why = f": {version.comment}" if version.comment else ""
            return f"the registry has a gap from {version.valid_from}{why}"
        if version is not None and (due is None or version.valid_from > due.valid_from):
            return f"version {version.version}, from {version.valid_from}, is not in the directory"
        difference = self._links.get((panel, kind, due.valid_from)) if due else None
        return difference.reason if difference else "the registry has nothing of that time"
