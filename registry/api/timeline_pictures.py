"""Collect what pictures over time show: the validity ranges of versions, and how their medians changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from registry import detectors
from registry.api.backend import Backend, ReadTransaction
from registry.api.comparison import read_panel_array
from registry.detectors import DetectorType
from registry.errors import NotValidError, RequestError
from registry.exporters.missing_inputs import Input, name_missing_inputs
from registry.identifiers import format_count
from registry.instants import Instant
from registry.lookup import versions
from registry.lookup.aliases import name_all_m_numbers
from registry.lookup.revisions import AsOf
from registry.lookup.runs import list_runs_of_panels
from registry.lookup.stored_files import list_files_of_versions
from registry.parallel import Progress, map_in_threads
from registry.plots.files import PictureFile
from registry.records import FileUse, Panel, Picture, Run, StoredFile, Version
from registry.store import ContentStore

_MAX_HISTORIES = 5  # in one picture: the styles of lines
_MAX_SPREAD_FILES = 1000  # reading them for the bands of spread takes a few seconds


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
        panels = name_all_m_numbers(view.connection, panels, view.revision)
        names = [panel.panel for panel in panels]
        detector = detectors.find_detector_type(panels[0].detector_type)
        wanted = [detector.find_kind(kind).name for kind in kinds] if kinds else None
        ranges = versions.list_validity_ranges(view.connection, names, wanted, view.revision)
        runs = list_runs_of_panels(view.connection, names, view.revision)
    _refuse_no_versions(ranges, target, kinds)
    from registry.plots import validity

    subject = validity.Subject(
        title=f"Validity of {name}",
        subtitle=f"as of revision {view.revision}",
        panels=panels,
        versions=tuple(ranges),
        runs={panel: [run.begin for run in used if run.begin is not None] for panel, used in runs.items()},
        run=run,
        notes=tuple(_note_runs_without_start(runs)),
    )
    file.write(lambda: validity.draw(subject))
    return Picture(str(file.path), view.revision)


def _resolve_target(
    view: ReadTransaction, target: str, source: str | None
) -> tuple[tuple[Panel, ...], tuple[str, Instant] | None, str]:
    """Return the panels, the run with its start time if the target is a dataset, and a name for the title."""
    resolved = view.find_target(target, source=source)
    if resolved.category == "detector" and len(resolved.panels) > 1:
        return resolved.panels, None, format_count(len(resolved.panels), "panel")
    begin = resolved.run.begin if resolved.run else None
    name = f"{resolved.name}, {resolved.source}" if resolved.source else resolved.name
    return resolved.panels, None if begin is None else (resolved.name, begin), name


def _refuse_no_versions(ranges: Sequence[Version], target: str, kinds: Sequence[str] | None) -> None:
    if not ranges:
        what = f"no version of {' or '.join(kinds)}" if kinds else "no version"
        raise NotValidError(f"{what} is registered for {target}: there is nothing to draw", target=target)


def _note_runs_without_start(runs: Mapping[str, Sequence[Run]]) -> list[str]:
    without = {(run.experiment, run.run) for used in runs.values() for run in used if run.begin is None}
    if not without:
        return []
    count = format_count(len(without), "registered run")
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
        names = [panel.panel for panel in target.panels]
        if target.is_detector and len(names) > _MAX_HISTORIES:
            raise RequestError(
                f"a history shows at most {_MAX_HISTORIES} panels that can be told apart, and {name} has"
                f" {len(names)}: name one of them",
                target=name,
                panels=names,
            )
        detector = detectors.find_detector_type(target.panels[0].detector_type)
        drawn = [detector.find_kind(kind) for kind in dict.fromkeys(kinds or detector.required_kinds)]
        wanted = [kind.name for kind in drawn]
        ranges = versions.list_validity_ranges(view.connection, names, wanted, view.revision)
        panels = name_all_m_numbers(view.connection, target.panels, view.revision)
        files = list_files_of_versions(view.connection, names, wanted, view.revision)
    _refuse_no_versions(ranges, name, kinds)
    from registry.plots import trend

    spreads = _compute_spreads(backend.store, ranges, files, detector, progress)
    subject = trend.Subject(
        title=f"History of {name}",
        subtitle=f"as of revision {view.revision}",
        detector=detector,
        kinds=tuple(drawn),
        panels=panels,
        versions=tuple(ranges),
        medians={number: [file.statistics.median for file in parts] for number, parts in files.items()},
        spreads=spreads,
        notes=() if spreads or not files else (f"No bands of spread: more than {_MAX_SPREAD_FILES} files.",),
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
