"""Pictures over time: what is valid when, and how it changed, handed to those who draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from registry import detectors
from registry.api.backend import Backend, ReadTransaction
from registry.arrays import parse_array
from registry.detectors import DetectorType
from registry.errors import NotValidError, RequestError
from registry.identifiers import Dataset, is_dataset
from registry.instants import Instant
from registry.lookup import versions
from registry.lookup.panels import find_panels
from registry.lookup.resolution import configuration_without_ids_error
from registry.lookup.revisions import AsOf
from registry.lookup.runs import find_configuration, list_runs_of_panels, read_run
from registry.lookup.stored_files import list_files_of_versions
from registry.parallel import Progress, map_in_threads
from registry.plots.files import PictureFile
from registry.records import Panel, Picture, Run, StoredFile, Version
from registry.store import ContentStore, name_use_in_errors

_MAX_SPREAD_FILES = 1000  # that are read for a band of spread: a few seconds


@dataclass(frozen=True, slots=True)
class TimesRequest:
    """What is asked, as it was given."""

    target: str
    source: str | None = None
    kinds: Sequence[str] | None = None
    as_of: AsOf = None


def draw_validity(backend: Backend, request: TimesRequest, file: PictureFile) -> Picture:
    """Draw what is valid when, and the runs; see `Plots.validity`."""
    with backend.read_transaction(request.as_of) as view:
        panels, run, name = _resolve_target(view, request)
        names = [panel.panel for panel in panels]
        detector = detectors.find_detector_type(panels[0].detector_type)
        kinds = [detector.find_kind(kind).name for kind in request.kinds] if request.kinds else None
        found = versions.list_validity_ranges(view.connection, names, kinds, view.revision)
        runs = list_runs_of_panels(view.connection, names, view.revision)
        revision = view.revision
    _refuse_no_versions(found, request)
    from registry.plots import validity

    subject = validity.Subject(
        title=f"What is valid when: {name}",
        subtitle=f"as of revision {revision}",
        panels=panels,
        versions=tuple(found),
        runs={panel: [run.begin for run in known if run.begin is not None] for panel, known in runs.items()},
        run=run,
        notes=tuple(_note_runs_without_start(runs)),
    )
    file.write(lambda: validity.draw(subject))
    return Picture(str(file.path), revision)


def _resolve_target(
    view: ReadTransaction, request: TimesRequest
) -> tuple[tuple[Panel, ...], tuple[str, Instant] | None, str]:
    """Return the panels, of a dataset the run with its begin, and how to call them."""
    if not is_dataset(request.target):
        if request.source is not None:
            raise RequestError(
                "a source goes with a dataset; a panel, an M-number or a detector Id names its panels"
            )
        panels = view.find_target(request.target).panels
        return (
            panels,
            None,
            request.target if len(panels) == 1 or "_" not in request.target else f"{len(panels)} panels",
        )
    dataset = Dataset.parse(request.target)
    configuration = find_configuration(view.connection, dataset, request.source, view.revision)
    if not configuration.panels:
        raise configuration_without_ids_error(configuration, dataset)
    panels = find_panels(view.connection, configuration.panels, view.revision)
    known = read_run(view.connection, dataset, view.revision)
    run = (str(dataset), known.begin) if known is not None and known.begin is not None else None
    return panels, run, f"{dataset}, {configuration.source}"


def _refuse_no_versions(found: Sequence[Version], request: TimesRequest) -> None:
    if not found:
        what = f"no version of {' or '.join(request.kinds)}" if request.kinds else "no version"
        raise NotValidError(f"{what} is registered for {request.target}: there is nothing to draw")


def _note_runs_without_start(runs: Mapping[str, Sequence[Run]]) -> list[str]:
    without = {(run.experiment, run.run) for known in runs.values() for run in known if run.begin is None}
    if not without:
        return []
    count = f"{len(without)} registered run{'s' if len(without) > 1 else ''}"
    return [f"{count} of these panels: begin not known, so not drawn."]


def draw_trend(backend: Backend, request: TimesRequest, file: PictureFile, progress: Progress) -> Picture:
    """Draw the median of every version over time; see `Plots.history`."""
    with backend.read_transaction(request.as_of) as view:
        target = view.find_target(request.target)
        if target.category == "detector":
            raise RequestError("a history is one panel's: give a panel Id or an M-number, not a detector Id")
        names = [panel.panel for panel in target.panels]
        detector = detectors.find_detector_type(target.panels[0].detector_type)
        kinds = [detector.find_kind(kind) for kind in dict.fromkeys(request.kinds or detector.required_kinds)]
        wanted = [kind.name for kind in kinds]
        found = versions.list_validity_ranges(view.connection, names, wanted, view.revision)
        files = list_files_of_versions(view.connection, names, wanted, view.revision)
        revision = view.revision
    _refuse_no_versions(found, request)
    from registry.plots import trend

    spreads = _compute_spreads(backend.store, found, files, detector, progress)
    subject = trend.Subject(
        title=f"History of {request.target}",
        subtitle=f"as of revision {revision}",
        detector=detector,
        kinds=tuple(kinds),
        panels=target.panels,
        versions=tuple(found),
        medians={number: [file.statistics.median for file in known] for number, known in files.items()},
        spreads=spreads,
        notes=() if spreads or not files else (f"No bands of spread: more than {_MAX_SPREAD_FILES} files.",),
    )
    file.write(lambda: trend.draw(subject))
    return Picture(str(file.path), revision)


_Spread = tuple[float, ...] | None


def _compute_spreads(
    store: ContentStore,
    found: Sequence[Version],
    files: Mapping[int, Sequence[StoredFile]],
    detector: DetectorType,
    progress: Progress,
) -> dict[int, list[_Spread]]:
    """Return by version and gain range how wide its values spread; each file is read once, and verified."""
    from registry.plots.pixels import spread_percentiles

    stated = {file.sha256: (file, version) for version in found for file in files.get(version.version, ())}
    if len(stated) > _MAX_SPREAD_FILES:
        return {}

    def read(each: tuple[StoredFile, Version]) -> _Spread:
        file, version = each
        kind = detector.find_kind(version.kind)
        with name_use_in_errors(version.kind, file.gain_range, version.panel, version.version):
            content = store.read(file.sha256, file.size)
        return spread_percentiles(
            parse_array(content, store.object_path(file.sha256), detector.panel_shape, kind.dtype), kind
        )

    with progress("reading constants", len(stated)) as advance:
        known = {}
        for sha256, value in zip(stated, map_in_threads(read, stated.values()), strict=True):
            known[sha256] = value
            advance()
    return {number: [known[file.sha256] for file in own] for number, own in files.items()}
