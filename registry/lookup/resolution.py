"""The question behind every export: from which constants is this detector's array made, at this instant?

All that is missing is found before anything is refused, so a person mends it in one go.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

import sqlalchemy as sa

from registry import detectors, schema
from registry.detectors import DetectorType, Kind
from registry.errors import (
    CorruptionError,
    IdentifierError,
    NotFoundError,
    NotValidError,
    Remedy,
    RequestError,
)
from registry.identifiers import Dataset, is_dataset, is_m_number, join_detector_id, quote
from registry.instants import Instant
from registry.lookup import validity
from registry.lookup.panels import find_panels, find_target, parse_target
from registry.lookup.runs import find_configuration, read_run
from registry.lookup.stored_files import list_verified_files
from registry.lookup.validity import ValidVersions
from registry.provenance.document import (
    FileStatistics,
    InputConfiguration,
    InputConstants,
    InputConversion,
    InputFile,
    InputPanel,
    InputRun,
    InputStage,
    Resolution,
    RevisionReference,
)
from registry.records import Configuration, Conversion, Panel, Run, StoredFile, Version

START_OF_RUN = "begin of the run"
REQUEST = "request"
START_OF_VERSION = "start of the version"


@dataclass(frozen=True, slots=True)
class ArrayRequest:
    """What is asked: ``at`` None means the begin of the run; ``types`` None the required ones."""

    target: str
    source: str | None = None
    at: Instant | None = None
    types: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ResolutionResult:
    """What a question comes to as of a revision.

    Attributes
    ----------
    warnings
        What deserves a look.
    blake3s
        Of the files, by SHA-256, as far as they are recorded.
    recorded_at
        When the revision was.
    """

    resolution: Resolution
    warnings: tuple[str, ...]
    blake3s: Mapping[str, str]
    recorded_at: str


RevisionReferences = Mapping[int, RevisionReference]
"""Of revisions, by number."""


@dataclass(frozen=True, slots=True)
class _RequestedDetector:
    """The panels asked about, and the run and configuration that name them, if a dataset did."""

    panels: tuple[Panel, ...]
    run: Run | None = None
    dataset: Dataset | None = None
    configuration: Configuration | None = None


def resolve(connection: sa.Connection, request: ArrayRequest, revision: int) -> ResolutionResult:
    """Return from which files the arrays are made.

    Raises
    ------
    IdentifierError, RequestError
        The question is not well formed, or several sources fit.
    NotFoundError
        The run, its detector, a panel or a type is not known, or the configuration carries no panel Ids.
    NotValidError
        The run's begin is not known and no instant is given, or for a panel nothing is valid then; all
        that is missing is listed.
    """
    subject = _find_requested_detector(connection, request, revision)
    detector = _find_detector_type(subject.panels)
    kinds = _find_kinds(detector, request.types)
    instant = _find_instant(subject, request.at)
    names = [kind.name for kind in kinds]
    found = validity.versions_at(
        connection, [each.panel for each in subject.panels], names, instant, revision
    )
    validity.refuse_missing(
        validity.describe_missing(connection, subject.panels, names, instant, found, revision)
    )
    files = list_verified_files(connection, found.values())
    named = [fact.recorded_in for fact in (subject.run, subject.configuration) if fact is not None]
    stamps = read_revision_references(
        connection, {revision, *named, *(version.recorded_in for version in found.values())}
    )
    resolution = Resolution(
        detector_type=detector.name,
        detector_id=join_detector_id([panel.panel for panel in subject.panels]),
        instant=str(instant),
        instant_is=START_OF_RUN if request.at is None else REQUEST,
        run=_build_input_run(subject, stamps),
        configuration=_build_input_configuration(subject.configuration, stamps),
        types=tuple(kind.calibration_type for kind in kinds),
        panels=_build_input_panels(subject.panels, kinds, found, files, stamps),
    )
    warnings = [*_list_run_warnings(subject, request.at, found), *_list_nonfinite_warnings(resolution)]
    blake3s = {
        file.sha256: file.blake3 for parts in files.values() for file in parts if file.blake3 is not None
    }
    return ResolutionResult(resolution, tuple(warnings), blake3s, stamps[revision].recorded_at)


def resolve_version(connection: sa.Connection, version: Version, revision: int) -> Resolution:
    """Return the resolution of one version alone: its panel, its kind, its files, whatever else is valid when.

    Raises
    ------
    NotValidError
        It is a gap.
    """
    if version.is_gap:
        raise NotValidError(f"version {version.version} is a gap: it has no pixels", version=version.version)
    panels = find_panels(connection, [version.panel], revision)
    kind = detectors.find_detector_type(panels[0].detector_type).find_kind(version.kind)
    found, files = {(version.panel, kind.name): version}, list_verified_files(connection, [version])
    return Resolution(
        detector_type=panels[0].detector_type,
        detector_id=version.panel,
        instant=str(version.valid_from),
        instant_is=START_OF_VERSION,
        run=None,
        configuration=None,
        types=(kind.calibration_type,),
        panels=_build_input_panels(
            panels, [kind], found, files, read_revision_references(connection, {version.recorded_in})
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
    panels = find_panels(connection, list(configuration.panels), revision)
    return _RequestedDetector(panels, read_run(connection, dataset, revision), dataset, configuration)


def configuration_without_ids_error(configuration: Configuration, dataset: Dataset) -> NotFoundError:
    """Return the refusal for a run whose configuration does not say which panels answered."""
    return NotFoundError(
        f"the configuration of {configuration.source} in {dataset} is {configuration.object_name},"
        " which carries no panel Ids",
        dataset=str(dataset),
        experiment=configuration.experiment,
        source=configuration.source,
        first_run=configuration.first_run,
        last_run=configuration.last_run,
        remedy=Remedy.CONFIGURE_DETECTOR,
    )


def _find_named_detector(
    connection: sa.Connection, request: ArrayRequest, revision: int
) -> _RequestedDetector:
    if "-" not in request.target and not is_m_number(request.target):
        raise IdentifierError(
            f"{quote(request.target)} is neither a dataset (exp=xcsls3716:run=631)"
            " nor a detector Id (panel Ids joined by '_')"
        )
    try:
        target = find_target(connection, request.target, revision)
    except NotFoundError as unknown:
        raise _missing_panels_error(connection, request, revision, unknown) from None
    if target.category == "alias":
        raise RequestError(
            f"{target.name} is an M-number, not a detector:"
            " name its panel Ids in segment order, joined by '_'"
        )
    if request.source is not None:
        raise RequestError("a source goes with a dataset; a detector Id names its panels itself")
    if request.at is None:
        raise RequestError("a detector Id has no time of its own", remedy=Remedy.GIVE_INSTANT)
    return _RequestedDetector(target.panels)


def _missing_panels_error(
    connection: sa.Connection, request: ArrayRequest, revision: int, unknown: NotFoundError
) -> NotFoundError:
    """Return the refusal of unknown panels together with what is missing of the detector's known ones."""
    names: list[str] = unknown.values.get("panels", [])
    identifiers = [each for each in parse_target(request.target)[1] if each not in names]
    if request.at is None or not identifiers:
        return unknown
    known = find_panels(connection, identifiers, revision)
    kinds = [kind.name for kind in _find_kinds(_find_detector_type(known), request.types)]
    found = validity.versions_at(connection, identifiers, kinds, request.at, revision)
    missing = validity.describe_missing(connection, known, kinds, request.at, found, revision)
    sentences = [*(unknown.details or (unknown.message,)), *chain.from_iterable(missing.values())]
    return NotFoundError.combine("panels or constants are missing", sentences, panels=names)


def _find_detector_type(panels: Sequence[Panel]) -> DetectorType:
    names = {panel.detector_type for panel in panels}
    if len(names) > 1:
        raise RequestError(f"the panels are of several detector types: {', '.join(sorted(names))}")
    return detectors.find_detector_type(names.pop())


def _find_kinds(detector: DetectorType, types: tuple[str, ...] | None) -> list[Kind]:
    if not types:
        return [detector.find_kind(name) for name in detector.required_kinds]
    return [detector.find_kind_of_type(name) for name in dict.fromkeys(types)]


def _find_instant(requested: _RequestedDetector, at: Instant | None) -> Instant:
    if at is not None:
        return at
    if requested.run is not None and requested.run.begin is not None:
        return requested.run.begin
    why = "is registered without a begin" if requested.run else "is not registered"
    raise NotValidError(
        f"{requested.dataset} {why}, so it is not known which constants were valid",
        dataset=str(requested.dataset),
        remedy=Remedy.RECORD_START_TIME,
    )


def _list_run_warnings(
    requested: _RequestedDetector, at: Instant | None, valid_versions: ValidVersions
) -> list[str]:
    run = requested.run
    if run is None:
        return []
    warnings = []
    if at is not None and run.begin is not None and at != run.begin:
        warnings.append(
            f"{requested.dataset} began at {run.begin}; the constants of {at} are taken, as asked"
        )
    if run.end is not None:
        begin = at if run.begin is None else run.begin
        taken = "its begin" if at is None else str(at)
        warnings += [
            f"another {version.kind} of {version.panel} begins {version.valid_to}, inside {requested.dataset}"
            f" (to {run.end}); the one valid at {taken} is taken for all of it"
            for version in valid_versions.values()
            if version.valid_to is not None and begin is not None and begin < version.valid_to <= run.end
        ]
    return warnings


def _list_nonfinite_warnings(resolution: Resolution) -> list[str]:
    """Return a warning for all constants that hold NaN or infinity, as was allowed when they were registered."""
    return [
        f"{constants.kind} of {panel.panel} (version {constants.version}) holds {count} values that are NaN or infinite"
        for panel in resolution.panels
        for constants in panel.constants
        if (count := sum(file.statistics.nonfinite for file in constants.files))
    ]


def read_revision_references(connection: sa.Connection, numbers: set[int]) -> RevisionReferences:
    """Return number, instant, author and comment of each of the revisions.

    Raises
    ------
    CorruptionError
        One of them is missing, and facts that it recorded are there.
    """
    rows = connection.execute(_select_revisions(), {"numbers": sorted(numbers)})
    found = {
        row.number: RevisionReference(row.number, str(Instant(row.recorded_at)), row.author, row.comment)
        for row in rows
    }
    if missing := numbers - found.keys():
        named = ", ".join(map(str, sorted(missing)))
        raise CorruptionError(f"the database is damaged: revision {named}, which recorded facts, is missing")
    return found


@cache
def _select_revisions() -> sa.Select[Any]:
    table = schema.revision
    return sa.select(table).where(table.c.number.in_(sa.bindparam("numbers", expanding=True)))


def _build_input_run(requested: _RequestedDetector, stamps: RevisionReferences) -> InputRun | None:
    if requested.dataset is None:
        return None
    run = requested.run
    return InputRun(
        experiment=requested.dataset.experiment,
        run=requested.dataset.run,
        begin=str(run.begin) if run and run.begin is not None else None,
        end=str(run.end) if run and run.end is not None else None,
        registered=stamps[run.recorded_in] if run else None,
    )


def _build_input_configuration(
    configuration: Configuration | None, stamps: RevisionReferences
) -> InputConfiguration | None:
    if configuration is None:
        return None
    return InputConfiguration(
        experiment=configuration.experiment,
        source=configuration.source,
        first_run=configuration.first_run,
        last_run=configuration.last_run,
        registered=stamps[configuration.recorded_in],
    )


def _build_input_panels(
    panels: Sequence[Panel],
    kinds: Sequence[Kind],
    valid_versions: ValidVersions,
    files: Mapping[str, Sequence[StoredFile]],
    stamps: RevisionReferences,
) -> tuple[InputPanel, ...]:
    def constants(version: Version) -> InputConstants:
        sha256 = version.constants or ""
        return InputConstants(
            kind=version.kind,
            version=version.version,
            valid_from=version.valid_from.iso,
            valid_to=None if version.valid_to is None else version.valid_to.iso,
            constants=sha256,
            registered=stamps[version.recorded_in],
            comment=version.comment,
            carried_from=version.carried_from,
            source_path=version.source_path,
            nonfinite_allowed=version.nonfinite_allowed,
            files=tuple(_input_file(file) for file in files[sha256]),
            conversion=_input_conversion(version.conversion),
        )

    return tuple(
        InputPanel(
            position=position,
            panel=panel.panel,
            alias=panel.alias,
            constants=tuple(constants(valid_versions[panel.panel, kind.name]) for kind in kinds),
        )
        for position, panel in enumerate(panels)
    )


def _input_conversion(found: Conversion | None) -> InputConversion | None:
    if found is None:
        return None
    return InputConversion(
        file=found.file,
        sha256=found.sha256,
        size=found.size,
        dtype=found.dtype,
        stages=tuple(
            InputStage(each.stage, each.gain_range, each.absolute_error, each.relative_error)
            for each in found.stages
        ),
        left_out=found.left_out,
    )


def _input_file(file: StoredFile) -> InputFile:
    seen = file.statistics
    return InputFile(
        gain_range=file.gain_range,
        sha256=file.sha256,
        size=file.size,
        statistics=FileStatistics(seen.minimum, seen.median, seen.maximum, seen.zeros, seen.nonfinite),
    )
