"""Collect what pictures show: the arrays of constants and their differences, validity ranges, medians over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from registry import detectors
from registry.api.backend import Backend, ReadTransaction
from registry.api.comparison import read_panel_array, resolve_comparable_versions
from registry.arrays import compare_pixels
from registry.detectors import DetectorType, Kind, ZeroMeaning
from registry.errors import NotValidError, Remedy, RequestError
from registry.exporters.assembly import build_assemblies
from registry.identifiers import Dataset, is_dataset
from registry.instants import Instant
from registry.lookup import versions
from registry.lookup.panels import find_panels
from registry.lookup.resolution import (
    REQUEST,
    ArrayRequest,
    configuration_without_ids_error,
    resolve,
    resolve_version,
)
from registry.lookup.revisions import AsOf
from registry.lookup.runs import find_configuration, list_runs_of_panels, read_run
from registry.lookup.stored_files import list_files_of_versions
from registry.parallel import Progress, map_in_threads
from registry.plots.files import PictureFile
from registry.provenance.document import InputPanel, Resolution
from registry.records import Panel, Picture, PixelCounts, Run, StoredFile, Version
from registry.store import ContentStore

if TYPE_CHECKING:
    # It imports matplotlib, which is not needed for a request that is refused.
    from registry.plots.constants import PanelMaps, Subject

_MAX_SPREAD_FILES = 1000  # reading them for the bands of spread takes a few seconds


@dataclass(frozen=True, slots=True)
class _ResolvedConstants:
    """The resolution of the arrays to draw, and the texts of the picture."""

    resolution: Resolution
    revision: int
    title: str
    subtitle: str
    withdrawn: bool = False
    warnings: tuple[str, ...] = ()


def draw_constants(
    backend: Backend,
    file: PictureFile,
    request: ArrayRequest | int,
    gain_ranges: Sequence[int] | None,
    as_of: AsOf,
    progress: Progress,
) -> Picture:
    """Draw a map of each panel, kind and gain range; see `Plots.constants`."""
    with backend.read_transaction(as_of) as view:
        resolved = (
            _resolve_version(view, request) if isinstance(request, int) else _resolve_detector(view, request)
        )
    resolution = resolved.resolution
    from registry.plots import constants

    detector = detectors.find_detector_type(resolution.detector_type)
    subject = constants.Subject(
        title=resolved.title,
        subtitle=resolved.subtitle,
        detector=detector,
        kinds=tuple(detector.find_kind_of_type(name) for name in resolution.types),
        gain_ranges=_check_gain_ranges(detector, gain_ranges),
        panels=resolution.panels,
        withdrawn=resolved.withdrawn,
    )
    block_size, mark_spacing = constants.block_size(detector, len(subject.panels))
    maps = _build_maps(resolution, backend.store, subject, (block_size, mark_spacing), progress)
    file.write(lambda: constants.draw(subject, maps, block_size))
    return Picture(
        path=str(file.path),
        revision=resolved.revision,
        pixels=tuple(
            PixelCounts(subject.panels[position].panel, kind, gain_range, map_.dead.count, map_.odd.count)
            for (kind, gain_range, position), map_ in maps.items()
        ),
        warnings=resolved.warnings,
    )


def _resolve_version(view: ReadTransaction, number: int) -> _ResolvedConstants:
    version = versions.find_version(view.connection, number, view.revision)
    resolution = resolve_version(view.connection, version, view.revision)
    withdrawn = f", withdrawn in revision {version.withdrawn_in}" if version.withdrawn_in else ""
    return _ResolvedConstants(
        resolution=resolution,
        revision=view.revision,
        title=f"Version {version.version}: {version.kind} of {_label_panel(resolution.panels[0])}",
        subtitle=f"as of revision {view.revision}{withdrawn}",
        withdrawn=version.withdrawn_in is not None,
    )


def _resolve_detector(view: ReadTransaction, request: ArrayRequest) -> _ResolvedConstants:
    answer = resolve(view.connection, request, view.revision)
    resolution = answer.resolution
    panels = resolution.panels
    name = _label_panel(panels[0]) if len(panels) == 1 else f"{len(panels)} panels"
    configuration = resolution.configuration
    detector = f"{request.target}, {configuration.source}" if configuration else f"detector of {name}"
    why = "as asked" if resolution.instant_is == REQUEST else resolution.instant_is
    return _ResolvedConstants(
        resolution=resolution,
        revision=view.revision,
        title=f"Constants of {detector}",
        subtitle=f"{name}, valid at {resolution.instant} ({why}), as of revision {view.revision}",
        warnings=answer.warnings,
    )


def _label_panel(panel: InputPanel) -> str:
    return f"{panel.panel} ({panel.alias})" if panel.alias else panel.panel


def _check_gain_ranges(detector: DetectorType, wanted: Sequence[int] | None) -> tuple[int, ...]:
    known = range(detector.gain_ranges)
    for gain_range in wanted or ():
        if gain_range not in known:
            raise RequestError(
                f"{detector.name} has no gain range {gain_range}; known: {', '.join(map(str, known))}",
                known=list(known),
            )
    return tuple(sorted(set(wanted))) if wanted else tuple(known)


def _build_maps(
    resolution: Resolution,
    store: ContentStore,
    subject: Subject,
    block_size: tuple[int, int],
    progress: Progress,
) -> PanelMaps:
    """Read every array and reduce it to its map at once: those of a large detector do not fit into memory."""
    from registry.plots.pixels import PanelMap, build_panel_map

    def reduce(part: tuple[Kind, int, int, NDArray[Any]]) -> tuple[tuple[str, int, int], PanelMap]:
        kind, gain_range, panel, array = part
        return (kind.name, gain_range, panel), build_panel_map(array, kind, *block_size)

    def read_parts() -> Iterator[tuple[Kind, int, int, NDArray[Any]]]:
        for assembly in build_assemblies(resolution, store):
            for part in assembly.read_parts():
                if part.gain_range in subject.gain_ranges:
                    yield assembly.kind, part.gain_range, part.panel, part.array.copy()

    maps = {}
    total = len(subject.kinds) * len(subject.gain_ranges) * len(subject.panels)
    with progress("reading constants", total) as advance:
        for key, panel_map in map_in_threads(reduce, read_parts()):
            maps[key] = panel_map
            advance()
    return maps


def draw_difference(
    backend: Backend,
    file: PictureFile,
    before: int,
    after: int,
    as_of: AsOf,
    *,
    relative: bool,
    gain_ranges: Sequence[int] | None,
) -> Picture:
    """Draw what changed from one version to another; see `Plots.diff`."""
    with backend.read_transaction(as_of) as view:
        pair = resolve_comparable_versions(view, before, after)
        revision = view.revision
    (old,), (new,) = (build_assemblies(resolution, backend.store) for resolution in pair)
    kind, detector = old.kind, old.detector
    if kind.zero is ZeroMeaning.GOOD:
        raise RequestError(
            f"{kind.name} consists of flags, whose changes have no size",
            remedy=Remedy.COUNT_CHANGES,
            before=before,
            after=after,
        )
    wanted = _check_gain_ranges(detector, gain_ranges)
    from registry.plots import differences
    from registry.plots.pixels import build_pixel_change

    block_size = differences.block_size(detector)
    changes = tuple(
        (
            compare_pixels(one.gain_range, one.array, other.array),
            build_pixel_change(one.array, other.array, kind, *block_size, relative=relative),
        )
        for one, other in zip(old.read_parts(), new.read_parts(), strict=True)
        if one.gain_range in wanted
    )
    subject = differences.Subject(
        title=f"{kind.name}: version {after} against version {before}",
        subtitles=(
            _describe_version(pair[1]),
            f"against {_describe_version(pair[0])}",
            f"as of revision {revision}",
        ),
        unit=f"% of version {before}" if relative else kind.unit,
        detector=detector,
        changes=changes,
    )
    file.write(lambda: differences.draw(subject))
    return Picture(str(file.path), revision)


def _describe_version(resolution: Resolution) -> str:
    panel = resolution.panels[0]
    constants = panel.constants[0]
    return f"version {constants.version}: {_label_panel(panel)}, from {constants.valid_from or 'beginning'}"


def draw_validity(
    backend: Backend,
    file: PictureFile,
    target: str,
    source: str | None,
    kinds: Sequence[str] | None,
    as_of: AsOf,
) -> Picture:
    """Draw validity ranges and runs; see `Plots.validity`."""
    with backend.read_transaction(as_of) as view:
        panels, run, name = _resolve_target(view, target, source)
        names = [panel.panel for panel in panels]
        detector = detectors.find_detector_type(panels[0].detector_type)
        wanted = [detector.find_kind(kind).name for kind in kinds] if kinds else None
        ranges = versions.list_validity_ranges(view.connection, names, wanted, view.revision)
        runs = list_runs_of_panels(view.connection, names, view.revision)
        revision = view.revision
    _refuse_no_versions(ranges, target, kinds)
    from registry.plots import validity

    subject = validity.Subject(
        title=f"Validity of {name}",
        subtitle=f"as of revision {revision}",
        panels=panels,
        versions=tuple(ranges),
        runs={panel: [run.begin for run in used if run.begin is not None] for panel, used in runs.items()},
        run=run,
        notes=tuple(_note_runs_without_start(runs)),
    )
    file.write(lambda: validity.draw(subject))
    return Picture(str(file.path), revision)


def _resolve_target(
    view: ReadTransaction, target: str, source: str | None
) -> tuple[tuple[Panel, ...], tuple[str, Instant] | None, str]:
    """Return the panels, the run with its start time if the target is a dataset, and a name for the title."""
    if not is_dataset(target):
        if source is not None:
            raise RequestError(
                "a source goes with a dataset; a panel Id, an M-number or a detector Id names its panels",
                target=target,
            )
        panels = view.find_target(target).panels
        is_short = len(panels) == 1 or "_" not in target
        return panels, None, target if is_short else f"{len(panels)} panels"
    dataset = Dataset.parse(target)
    configuration = find_configuration(view.connection, dataset, source, view.revision)
    if not configuration.panels:
        raise configuration_without_ids_error(configuration, dataset)
    panels = find_panels(view.connection, configuration.panels, view.revision)
    registered = read_run(view.connection, dataset, view.revision)
    run = (str(dataset), registered.begin) if registered and registered.begin is not None else None
    return panels, run, f"{dataset}, {configuration.source}"


def _refuse_no_versions(ranges: Sequence[Version], target: str, kinds: Sequence[str] | None) -> None:
    if not ranges:
        what = f"no version of {' or '.join(kinds)}" if kinds else "no version"
        raise NotValidError(f"{what} is registered for {target}: there is nothing to draw", target=target)


def _note_runs_without_start(runs: Mapping[str, Sequence[Run]]) -> list[str]:
    without = {(run.experiment, run.run) for used in runs.values() for run in used if run.begin is None}
    if not without:
        return []
    count = f"{len(without)} registered run{'s' if len(without) > 1 else ''}"
    return [f"{count} of these panels: start time not known, so not drawn."]


def draw_trend(
    backend: Backend,
    file: PictureFile,
    name: str,
    kinds: Sequence[str] | None,
    as_of: AsOf,
    progress: Progress,
) -> Picture:
    """Draw the median of every version over time; see `Plots.history`."""
    with backend.read_transaction(as_of) as view:
        target = view.find_target(name)
        if target.category == "detector":
            raise RequestError(
                "a history belongs to a panel: give a panel Id or an M-number, not a detector Id",
                target=name,
            )
        names = [panel.panel for panel in target.panels]
        detector = detectors.find_detector_type(target.panels[0].detector_type)
        drawn = [detector.find_kind(kind) for kind in dict.fromkeys(kinds or detector.required_kinds)]
        wanted = [kind.name for kind in drawn]
        ranges = versions.list_validity_ranges(view.connection, names, wanted, view.revision)
        files = list_files_of_versions(view.connection, names, wanted, view.revision)
        revision = view.revision
    _refuse_no_versions(ranges, name, kinds)
    from registry.plots import trend

    spreads = _compute_spreads(backend.store, ranges, files, detector, progress)
    subject = trend.Subject(
        title=f"History of {name}",
        subtitle=f"as of revision {revision}",
        detector=detector,
        kinds=tuple(drawn),
        panels=target.panels,
        versions=tuple(ranges),
        medians={number: [file.statistics.median for file in parts] for number, parts in files.items()},
        spreads=spreads,
        notes=() if spreads or not files else (f"No bands of spread: more than {_MAX_SPREAD_FILES} files.",),
    )
    file.write(lambda: trend.draw(subject))
    return Picture(str(file.path), revision)


_Spread = tuple[float, ...] | None


def _compute_spreads(
    store: ContentStore,
    ranges: Sequence[Version],
    files: Mapping[int, Sequence[StoredFile]],
    detector: DetectorType,
    progress: Progress,
) -> dict[int, list[_Spread]]:
    """Return by version and gain range the percentiles of its values; a file of several versions is read once."""
    from registry.plots.pixels import spread_percentiles

    uses = {file.sha256: (file, version) for version in ranges for file in files.get(version.version, ())}
    if len(uses) > _MAX_SPREAD_FILES:
        return {}

    def compute(use: tuple[StoredFile, Version]) -> _Spread:
        file, version = use
        array = read_panel_array(store, detector, version.kind, version.panel, version.version, file)
        return spread_percentiles(array, detector.find_kind(version.kind))

    spreads = {}
    with progress("reading constants", len(uses)) as advance:
        for sha256, spread in zip(uses, map_in_threads(compute, uses.values()), strict=True):
            spreads[sha256] = spread
            advance()
    return {number: [spreads[file.sha256] for file in parts] for number, parts in files.items()}
