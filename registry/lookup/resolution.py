"""Resolution: the versions and files from which a detector's arrays are made at an instant.

Everything that is missing is listed in one refusal, so that it can be corrected at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from registry import detectors
from registry.detectors import DetectorType, Kind
from registry.errors import ConflictError, NotFoundError, NotValidError, Remedy, RequestError
from registry.identifiers import Dataset, format_count, is_dataset, join_detector_id
from registry.instants import Instant
from registry.lookup import validity
from registry.lookup.chosen_panels import choose_panels
from registry.lookup.document_facts import (
    build_input_configuration,
    build_input_panels,
    build_input_run,
    read_revision_references,
)
from registry.lookup.modules import refuse_modules_held_twice
from registry.lookup.panels import find_panels
from registry.lookup.readout_warnings import list_run_readout_warnings
from registry.lookup.runs import find_configuration, read_run
from registry.lookup.stored_files import list_verified_files
from registry.lookup.targets import (
    Target,
    configuration_without_ids_error,
    find_target,
    idle_source_error,
    parse_target,
    unknown_start_error,
)
from registry.lookup.validity import ValidVersions
from registry.provenance.document import Resolution
from registry.records import Configuration, Panel, Run, Version
from registry.sql import sa

# What a document states as the origin of its instant; published, like the rest of its format.
START_OF_RUN = "begin of the run"
REQUEST = "request"
START_OF_VERSION = "start of the version"


@dataclass(frozen=True, slots=True)
class ArrayRequest:
    """The requested arrays: of a dataset, or of a detector or panel by its name or Id, at an instant."""

    target: str
    source: str | None = None
    at: Instant | None = None  # by default the start time of the run
    types: tuple[str, ...] = ()  # calibration types, by default those of the required kinds
    # Panel Ids, M-numbers and segment numbers of the detector, by default all of its panels.
    panels: tuple[str | int, ...] | None = field(default=None, kw_only=True)


@dataclass(frozen=True, slots=True)
class ResolutionResult:
    """A resolution, and what else an export needs."""

    resolution: Resolution
    warnings: tuple[str, ...]
    blake3s: Mapping[str, str]  # by SHA-256 of the file, as far as recorded
    recorded_at: str  # the instant of the revision


@dataclass(frozen=True, slots=True)
class _RequestedDetector:
    """The panels of the request; for a dataset also its run, if registered, and the configuration."""

    panels: tuple[Panel, ...]
    run: Run | None = None
    dataset: Dataset | None = None
    configuration: Configuration | None = None


def resolve(connection: sa.Connection, request: ArrayRequest, revision: int) -> ResolutionResult:
    """Return the versions and files from which the requested arrays are made; refuse with all that is missing."""
    requested = _find_requested_detector(connection, request, revision)
    detector = _find_detector_type(requested.panels)
    kinds = _find_kinds(detector, request.types)
    instant = _find_instant(requested, request.at)
    whole = [panel.panel for panel in requested.panels]
    segments = _find_segments(requested, detector)
    positions = list(range(len(whole)))
    if request.panels is not None:
        positions = choose_panels(connection, request.panels, whole, segments, instant, revision)
    panels = [requested.panels[position] for position in positions]
    identifiers = [panel.panel for panel in panels]
    names = [kind.name for kind in kinds]
    valid = validity.versions_at(connection, identifiers, names, instant, revision)
    validity.refuse_missing(validity.describe_missing(connection, panels, names, instant, valid, revision))
    refuse_modules_held_twice({version.panel: version.alias for version in valid.values()}, instant)
    files = list_verified_files(connection, valid.values())
    facts = (requested.run, requested.configuration, *valid.values())
    references = read_revision_references(
        connection, {revision, *(fact.recorded_in for fact in facts if fact is not None)}
    )
    resolution = Resolution(
        detector_type=detector.name,
        detector_id=join_detector_id(whole),
        instant=str(instant),
        instant_is=START_OF_RUN if request.at is None else REQUEST,
        run=build_input_run(requested.dataset, requested.run, references),
        configuration=build_input_configuration(requested.configuration, references),
        types=tuple(kind.calibration_type for kind in kinds),
        panels=build_input_panels(panels, segments, kinds, valid, files, references, positions),
    )
    warnings = [*_list_run_warnings(requested, request.at, valid), *_list_value_warnings(resolution)]
    if requested.dataset is not None and requested.configuration is not None:
        warnings += list_run_readout_warnings(
            connection, requested.configuration, requested.dataset.run, revision
        )
    blake3s = {
        file.sha256: file.blake3 for parts in files.values() for file in parts if file.blake3 is not None
    }
    return ResolutionResult(resolution, tuple(warnings), blake3s, references[revision].recorded_at)


def resolve_version(connection: sa.Connection, version: Version, revision: int) -> Resolution:
    """Return the resolution of one version alone, whatever else is valid at its start; refuse a gap."""
    if version.is_gap:
        raise NotValidError(f"version {version.version} is a gap: it has no pixels", version=version.version)
    panels = find_panels(connection, [version.panel], revision)
    kind = detectors.find_detector_type(panels[0].detector_type).find_kind(version.kind)
    files = list_verified_files(connection, [version])
    references = read_revision_references(connection, {version.recorded_in})
    return Resolution(
        detector_type=panels[0].detector_type,
        detector_id=version.panel,
        instant=str(version.valid_from),
        instant_is=START_OF_VERSION,
        run=None,
        configuration=None,
        types=(kind.calibration_type,),
        panels=build_input_panels(
            panels, None, [kind], {(version.panel, kind.name): version}, files, references
        ),
    )


def _find_requested_detector(
    connection: sa.Connection, request: ArrayRequest, revision: int
) -> _RequestedDetector:
    if not is_dataset(request.target):
        return _find_named_detector(connection, request, revision)
    dataset = Dataset.parse(request.target)
    configuration = find_configuration(connection, dataset, request.source, revision)
    if not configuration.panels:
        raise configuration_without_ids_error(configuration, dataset)
    if problem := detectors.find_source_problem(configuration.source, configuration.panels):
        raise _contradictory_configuration_error(configuration, problem)
    panels = find_panels(connection, list(configuration.panels), revision)
    return _RequestedDetector(panels, read_run(connection, dataset, revision), dataset, configuration)


def _contradictory_configuration_error(configuration: Configuration, problem: str) -> ConflictError:
    """Return the refusal of a configuration that was recorded before its source was held against its panels."""
    return ConflictError(
        f"what is configured for {configuration.source} in {configuration.experiment}, runs {configuration.runs},"
        f" contradicts itself: {problem}",
        experiment=configuration.experiment,
        source=configuration.source,
        first_run=configuration.first_run,
        remedy=Remedy.WITHDRAW_CONFIGURATION,
    )


def _find_named_detector(
    connection: sa.Connection, request: ArrayRequest, revision: int
) -> _RequestedDetector:
    is_module = parse_target(request.target).category == "alias"
    try:
        target = find_target(connection, request.target, revision, request.at if is_module else None)
    except NotFoundError as unknown:
        raise _unknown_panels_error(connection, request, revision, unknown) from None
    if request.source is not None:
        raise idle_source_error(request.target)
    if request.at is None:
        what = "an M-number" if is_module else "a detector Id"
        raise RequestError(f"{what} has no time of its own", remedy=Remedy.GIVE_INSTANT)
    if not is_module:
        return _RequestedDetector(target.panels)
    return _RequestedDetector((_find_complete_panel(connection, request, target, request.at, revision),))


def _find_complete_panel(
    connection: sa.Connection, request: ArrayRequest, module: Target, at: Instant, revision: int
) -> Panel:
    """Return the one panel of a module whose constants are all valid then; refuse where there are several."""
    panels = {panel.panel: panel for panel in module.panels}
    kinds = [kind.name for kind in _find_kinds(_find_detector_type(module.panels), request.types)]
    valid = validity.versions_at(connection, list(panels), kinds, at, revision)
    missing = validity.describe_missing(connection, module.panels, kinds, at, valid, revision)
    complete = [name for name in panels if name not in missing]
    if not complete:
        validity.refuse_missing(missing)
    if len(complete) > 1:
        raise RequestError(
            f"{module.name} stands for {format_count(len(complete), 'panel Id')} with valid constants at {at}:"
            f" {', '.join(complete)}; say which one",
            alias=module.name,
            panels=complete,
        )
    return panels[complete[0]]


def _unknown_panels_error(
    connection: sa.Connection, request: ArrayRequest, revision: int, unknown: NotFoundError
) -> NotFoundError:
    """Return the refusal of the unknown panels, and of the missing constants of the known ones."""
    names: list[str] = unknown.values.get("panels", [])
    identifiers = [panel for panel in parse_target(request.target).identifiers if panel not in names]
    if request.at is None or not identifiers:
        return unknown
    known = find_panels(connection, identifiers, revision)
    kinds = [kind.name for kind in _find_kinds(_find_detector_type(known), request.types)]
    valid = validity.versions_at(connection, identifiers, kinds, request.at, revision)
    missing = validity.describe_missing(connection, known, kinds, request.at, valid, revision)
    sentences = [*(unknown.details or (unknown.message,)), *chain.from_iterable(missing.values())]
    return NotFoundError.combine("panels or constants are missing", sentences, panels=names)


def _find_detector_type(panels: Sequence[Panel]) -> DetectorType:
    names = {panel.detector_type for panel in panels}
    if len(names) > 1:
        raise RequestError(
            f"the panels are of several detector types: {', '.join(sorted(names))}",
            detector_types=sorted(names),
        )
    return detectors.find_detector_type(names.pop())


def _find_segments(requested: _RequestedDetector, detector: DetectorType) -> tuple[int, ...] | None:
    """Return the segment numbers of the panels; those of a detector Id are known if it is of a whole detector."""
    if requested.configuration is not None:
        return requested.configuration.segments
    return detectors.find_default_segments(detector, len(requested.panels))


def _find_kinds(detector: DetectorType, types: tuple[str, ...]) -> list[Kind]:
    if not types:
        return [detector.find_kind(name) for name in detector.required_kinds]
    return [detector.find_kind_of_type(name) for name in dict.fromkeys(types)]


def _find_instant(requested: _RequestedDetector, at: Instant | None) -> Instant:
    if at is not None:
        return at
    if requested.run is not None and requested.run.begin is not None:
        return requested.run.begin
    raise unknown_start_error(str(requested.dataset), requested.run)


def _list_run_warnings(
    requested: _RequestedDetector, at: Instant | None, valid_versions: ValidVersions
) -> list[str]:
    """Return the warnings of an instant other than the start time, and of versions that start during the run."""
    run, dataset = requested.run, requested.dataset
    if run is None:
        return []
    warnings = []
    if at is not None and run.begin is not None and at != run.begin:
        warnings.append(f"{dataset} started at {run.begin}; the constants of {at} are used, as requested")
    start = at if run.begin is None else run.begin
    if run.end is not None and start is not None:
        used = "its start time" if at is None else str(at)
        warnings += [
            f"another {version.kind} of {version.panel} starts at {version.valid_to}, during {dataset}"
            f" (until {run.end}); the one valid at {used} is used for the whole run"
            for version in valid_versions.values()
            if version.valid_to is not None and start < version.valid_to <= run.end
        ]
    return warnings


def _list_value_warnings(resolution: Resolution) -> list[str]:
    """Return warnings for all constants with NaN, infinity, or values that cannot be, allowed on registration."""
    versions = [
        (f"{constants.kind} of {panel.panel} (version {constants.version})", constants)
        for panel in resolution.panels
        for constants in panel.constants
    ]
    nonfinite = [
        f"{name} has {format_count(count, 'value')} that {'is' if count == 1 else 'are'} NaN or infinite"
        for name, constants in versions
        if (count := sum(file.statistics.nonfinite for file in constants.files))
    ]
    odd = [
        f"{name} has values that cannot be, as was allowed"
        for name, constants in versions
        if constants.odd_allowed
    ]
    return [*nonfinite, *odd]
