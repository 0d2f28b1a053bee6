"""Compare the constants that a legacy directory and the registry choose for a run, and explain the differences."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cache
from operator import attrgetter
from pathlib import Path

from registry.detectors.jungfrau import JUNGFRAU
from registry.errors import ArrayError, NotFoundError, RegistryError, UnavailableError
from registry.files import list_folder
from registry.identifiers import quote
from registry.importers.directory_rule import DirectoryRule
from registry.importers.legacy_tree import Entry
from registry.importers.panel_folders import CheckedTree, read_panel_folder
from registry.instants import Instant
from registry.lookup.timelines import build_timelines
from registry.records import ChoiceDifference, LinkDifference, Version
from registry.registration.planning import VersionKey


class ChoiceComparison:
    """Compares the constants that directory and registry choose for a run, and explains the differences."""

    def __init__(
        self,
        checked: CheckedTree,
        rule: DirectoryRule,
        live: Mapping[VersionKey, Version],
        links: Mapping[VersionKey, LinkDifference],
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
            ((panel, kind), start, live[panel, kind, start]) for panel, kind, start in sorted(live)
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


def _has_every_file(folder: Path, kind: str) -> bool:
    try:
        names = {entry.name for entry in list_folder(folder, "a folder with g0_gain.npy and so on")}
    except RegistryError:
        return False
    return names.issuperset(JUNGFRAU.file_names(kind))
