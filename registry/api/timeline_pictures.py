"""Collect what pictures over time show: the validity ranges of versions, and how their medians changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from registry import detectors
from registry.api.backend import Backend
from registry.api.comparison import read_panel_array
from registry.detectors import DetectorType
from registry.errors import NotValidError
from registry.exporters.missing_inputs import Input, name_missing_inputs
from registry.identifiers import format_count
from registry.instants import Instant
from registry.lookup import versions
from registry.lookup.aliases import name_all_m_numbers
from registry.lookup.revisions import AsOf, read_revision_time
from registry.lookup.runs import group_runs_by_panels
from registry.lookup.stored_files import list_files_of_versions
from registry.lookup.targets import Target
from registry.parallel import Progress, map_in_threads
from registry.plots.files import PictureFile
from registry.records import FileUse, Panel, Picture, Run, StoredFile, Version
from registry.store import ContentStore

_MAX_BANDS = 5  # panels whose bands of spread can be told apart
_MAX_STRIPS = 4  # of runs with the same panels
_MAX_NAMED_PANELS = 3  # for a strip of runs
_MAX_SPREAD_FILES = 1000  # reading them for the bands of spread takes a few seconds


def draw_validity(
    backend: Backend,
    file: PictureFile,
    target: str,
    source: str | None,
    kinds: Sequence[str] | None,
    at: Instant | None,
    as_of: AsOf,
) -> Picture:
    """Draw validity ranges and runs; see `Plots.validity`."""
    with backend.read_transaction(as_of) as view:
        resolved = view.find_target(target, source=source)
        panels = name_all_m_numbers(view.connection, resolved.panels, view.revision)
        names = [panel.panel for panel in panels]
        detector = detectors.find_detector_type(panels[0].detector_type)
        wanted = [detector.find_kind(kind).name for kind in kinds] if kinds else None
        ranges = versions.list_validity_ranges(view.connection, names, wanted, view.revision)
        runs = group_runs_by_panels(view.connection, names, view.revision)
        recorded_at = read_revision_time(view.connection, view.revision)
    _refuse_no_versions(ranges, target, kinds)
    from registry.plots import validity

    order = {kind.name: position for position, kind in enumerate(detector.kinds)}
    subject = validity.Subject(
        title=f"Validity of {_name_target(resolved)}",
        subtitle=f"as of revision {view.revision}",
        panels=panels,
        versions=tuple(sorted(ranges, key=lambda version: order[version.kind])),
        runs=tuple(validity.RunStrip(name, starts) for name, starts in _build_strips(runs, panels)),
        run=(resolved.name, resolved.run.begin) if resolved.run and resolved.run.begin else None,
        segments=resolved.segments,
        reference=_name_reference(at, view.revision, recorded_at),
        notes=tuple(_note_runs_without_start(runs)),
    )
    file.write(lambda: validity.draw(subject))
    return Picture(str(file.path), view.revision)


def _name_target(resolved: Target) -> str:
    """Return a name for the title."""
    if resolved.category == "detector" and len(resolved.panels) > 1:
        return format_count(len(resolved.panels), "panel")
    return f"{resolved.name}, {resolved.source}" if resolved.source else resolved.name


def _name_reference(
    at: Instant | None, revision: int, recorded_at: Instant | None
) -> tuple[str, Instant] | None:
    """Return the instant of the line through all rows: the requested one, else that of the revision, not today's."""
    if at is not None:
        return str(at).removesuffix("T00:00:00Z"), at
    if recorded_at is None:
        return None
    return f"revision {revision}, {str(recorded_at)[:10]}", recorded_at


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


def _note_runs_without_start(runs: Mapping[frozenset[str], Sequence[Run]]) -> list[str]:
    without = sum(run.begin is None for used in runs.values() for run in used)
    if not without:
        return []
    count = format_count(without, "registered run")
    return [f"{count} of these panels: start time not known, so not drawn."]


def draw_trend(
    backend: Backend,
    file: PictureFile,
    name: str,
    kinds: Sequence[str] | None,
    as_of: AsOf,
    progress: Progress,
    *,
    in_units: bool,
) -> Picture:
    """Draw the median of every version over time; see `Plots.history`."""
    with backend.read_transaction(as_of) as view:
        target = view.find_target(name)
        names = [panel.panel for panel in target.panels]
        detector = detectors.find_detector_type(target.panels[0].detector_type)
        drawn = [detector.find_kind(kind) for kind in dict.fromkeys(kinds or detector.required_kinds)]
        wanted = [kind.name for kind in drawn]
        ranges = versions.list_validity_ranges(view.connection, names, wanted, view.revision)
        panels = name_all_m_numbers(view.connection, target.panels, view.revision)
        files = list_files_of_versions(view.connection, names, wanted, view.revision)
    _refuse_no_versions(ranges, name, kinds)
    from registry.plots import trend

    are_many = len(panels) > _MAX_BANDS
    spreads = {} if are_many else _compute_spreads(backend.store, ranges, files, detector, progress)
    no_bands = (
        ""
        if are_many or spreads or not files
        else f"No bands of spread: more than {_MAX_SPREAD_FILES} files."
    )
    subject = trend.Subject(
        title=f"History of {_name_target(target)}",
        subtitle=f"as of revision {view.revision}",
        detector=detector,
        kinds=tuple(drawn),
        panels=panels,
        versions=tuple(ranges),
        medians={number: [file.statistics.median for file in parts] for number, parts in files.items()},
        spreads=spreads,
        notes=(no_bands,) if no_bands else (),
        in_units=in_units,
    )
    file.write(lambda: trend.draw(subject))
    return Picture(str(file.path), view.revision)


_Spread = tuple[float, ...] | None


def _compute_spreads(
    store: ContentStore,
    ranges: Sequence[Version],
    files: Mapping[int, Sequence[StoredFile]],
    detector: DetectorType,
    progress: Progress,
) -> dict[int, list[_Spread]]:
    """Return by version and gain range the percentiles of its values; a file of several versions is read once."""
    from registry.plots.pixels import find_spread

    uses = {file.sha256: (file, version) for version in ranges for file in files.get(version.version, ())}
    if len(uses) > _MAX_SPREAD_FILES:
        return {}

    def compute(use: tuple[StoredFile, Version]) -> _Spread:
        file, version = use
        array = read_panel_array(store, detector, version.kind, version.panel, version.version, file)
        return find_spread(array, detector.find_kind(version.kind))

    def list_inputs() -> Iterator[Input]:
        for version in ranges:
            for file in files.get(version.version, ()):
                use = FileUse(version.kind, file.gain_range, version.panel, version.version)
                yield file.sha256, file.size, use

    spreads = {}
    with name_missing_inputs(store, list_inputs), progress("reading constants", len(uses)) as advance:
        for sha256, spread in zip(uses, map_in_threads(compute, uses.values()), strict=True):
            spreads[sha256] = spread
            advance()
    return {number: [spreads[file.sha256] for file in parts] for number, parts in files.items()}
