"""Questions of what pictures over time show: the versions of panels, the runs that read them out, and medians.

See `questions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from registry import detectors
from registry.api.backend import Backend
from registry.errors import NotValidError
from registry.identifiers import format_count
from registry.instants import Instant
from registry.lookup.aliases import name_all_m_numbers
from registry.lookup.revisions import AsOfRef, read_revision_time
from registry.lookup.runs import group_runs_by_panels
from registry.lookup.stored_files import list_files_of_versions
from registry.lookup.targets import Target
from registry.lookup.versions import list_validity_ranges
from registry.records import Panel, Run, StoredFile, Version

_MAX_STRIPS = 4  # of runs with the same panels
_MAX_NAMED_PANELS = 3  # for a strip of runs


class RunStarts(Struct, frozen=True):
    """The start times of runs that had the same panels, and what they are called."""

    name: str
    starts: tuple[Instant, ...]


class NamedStart(Struct, frozen=True):
    """A run with its start time."""

    name: str
    begin: Instant


class ValidityFacts(Struct, frozen=True):
    """The versions of panels and the runs that read them out, as of a revision.

    Attributes
    ----------
    recorded_at
        The instant of that revision.
    subject
        What the target is called in a title.
    run
        The requested run, if it is one and its start time is known.
    segments
        The segment numbers of the panels, where they are known.
    without_start
        How many runs of these panels have no start time.
    """

    revision: int
    recorded_at: Instant | None
    subject: str
    panels: tuple[Panel, ...]
    versions: tuple[Version, ...]
    runs: tuple[RunStarts, ...]
    run: NamedStart | None
    segments: tuple[int, ...] | None
    without_start: int


class VersionFiles(Struct, frozen=True):
    """The files of a version, by gain range."""

    version: int
    files: tuple[StoredFile, ...]


class HistoryFacts(Struct, frozen=True):
    """The versions of panels with their files, as of a revision; ``subject`` is what the target is called."""

    revision: int
    subject: str
    kinds: tuple[str, ...]
    panels: tuple[Panel, ...]
    versions: tuple[Version, ...]
    files: tuple[VersionFiles, ...]


def find_validity_facts(
    backend: Backend,
    target: str,
    *,
    source: str | None = None,
    kinds: Sequence[str] | None = None,
    as_of: AsOfRef = None,
) -> ValidityFacts:
    """Return the versions of the panels of a target, and the runs that read them out."""
    with backend.read_transaction(as_of) as view:
        resolved = view.find_target(target, source=source)
        panels = name_all_m_numbers(view.connection, resolved.panels, view.revision)
        names = [panel.panel for panel in panels]
        detector = detectors.find_detector_type(panels[0].detector_type)
        wanted = [detector.find_kind(kind).name for kind in kinds] if kinds else None
        ranges = list_validity_ranges(view.connection, names, wanted, view.revision)
        runs = group_runs_by_panels(view.connection, names, view.revision)
        recorded_at = read_revision_time(view.connection, view.revision)
    _refuse_no_versions(ranges, target, kinds)
    begin = resolved.run.begin if resolved.run else None
    return ValidityFacts(
        revision=view.revision,
        recorded_at=recorded_at,
        subject=_name_target(resolved),
        panels=panels,
        versions=tuple(ranges),
        runs=tuple(RunStarts(name, tuple(starts)) for name, starts in _build_strips(runs, panels)),
        run=NamedStart(resolved.name, begin) if begin else None,
        segments=resolved.segments,
        without_start=sum(run.begin is None for used in runs.values() for run in used),
    )


def find_history_facts(
    backend: Backend,
    target: str,
    *,
    source: str | None = None,
    kinds: Sequence[str] | None = None,
    as_of: AsOfRef = None,
) -> HistoryFacts:
    """Return the versions of the panels of a target, with their files."""
    with backend.read_transaction(as_of) as view:
        resolved = view.find_target(target, source=source)
        names = [panel.panel for panel in resolved.panels]
        detector = detectors.find_detector_type(resolved.panels[0].detector_type)
        wanted = [detector.find_kind(kind).name for kind in dict.fromkeys(kinds or detector.required_kinds)]
        ranges = list_validity_ranges(view.connection, names, wanted, view.revision)
        panels = name_all_m_numbers(view.connection, resolved.panels, view.revision)
        files = list_files_of_versions(view.connection, names, wanted, view.revision)
    _refuse_no_versions(ranges, target, kinds)
    return HistoryFacts(
        revision=view.revision,
        subject=_name_target(resolved),
        kinds=tuple(wanted),
        panels=panels,
        versions=tuple(ranges),
        files=tuple(VersionFiles(number, parts) for number, parts in files.items()),
    )


def _name_target(resolved: Target) -> str:
    """Return a name for the title."""
    if resolved.category == "detector" and len(resolved.panels) > 1:
        return format_count(len(resolved.panels), "panel")
    return f"{resolved.name}, {resolved.source}" if resolved.source else resolved.name


def _build_strips(
    runs: Mapping[frozenset[str], Sequence[Run]], panels: Sequence[Panel]
) -> Iterator[tuple[str, list[Instant]]]:
    """Yield names and start times of runs with the same panels: most panels first, and the last ones together."""
    starts = {
        own: [run.begin for run in used if run.begin is not None]
        for own, used in sorted(
            runs.items(), key=lambda item: (-len(item[0]), -len(item[1]), sorted(item[0]))
        )
    }
    known = [(own, begins) for own, begins in starts.items() if begins]
    first = known[: _MAX_STRIPS - 1] if len(known) > _MAX_STRIPS else known
    for own, begins in first:
        yield f"{_name_panels(own, panels)} ({len(begins)})", begins
    rest = [begin for _, begins in known[len(first) :] for begin in begins]
    if rest:
        yield f"runs with other sets of panels ({len(rest)})", rest


def _name_panels(own: frozenset[str], panels: Sequence[Panel]) -> str:
    if len(own) == len(panels):
        return "runs" if len(panels) == 1 else "runs of all panels"
    if len(own) > _MAX_NAMED_PANELS:
        return f"runs of {len(own)} of {format_count(len(panels), 'panel')}"
    shared = [panel.alias for panel in panels]
    names = [
        panel.alias if panel.alias and shared.count(panel.alias) == 1 else panel.panel
        for panel in panels
        if panel.panel in own
    ]
    return f"runs of {', '.join(names)}"


def _refuse_no_versions(ranges: Sequence[Version], target: str, kinds: Sequence[str] | None) -> None:
    if not ranges:
        what = f"no version of {' or '.join(kinds)}" if kinds else "no version"
        raise NotValidError(f"{what} is registered for {target}: there is nothing to draw", target=target)
