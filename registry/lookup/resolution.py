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
    RequestError,
)
from registry.identifiers import Dataset, is_dataset, is_m_number, join_detector_id, shown
from registry.instants import Instant
from registry.lookup import validity, versions
from registry.lookup.panels import find_panels, find_target, read_target
from registry.lookup.runs import find_configuration, run_of
from registry.lookup.validity import Found
from registry.provenance.document import (
    ConfigurationFacts,
    FileStatistics,
    InputConstants,
    InputConversion,
    InputFile,
    InputPanel,
    InputStage,
    Resolution,
    RevisionStamp,
    RunFacts,
)
from registry.records import Configuration, Conversion, Panel, Run, StoredFile, Version

BEGIN_OF_RUN = "begin of the run"
REQUEST = "request"
START_OF_VERSION = "start of the version"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: ``at`` None means the begin of the run; ``types`` None the required ones."""

    target: str
    source: str | None = None
    at: Instant | None = None
    types: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
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


Stamps = Mapping[int, RevisionStamp]
"""Of revisions, by number."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """The panels asked about, and the run and configuration that name them, if a dataset did."""

    panels: tuple[Panel, ...]
    run: Run | None = None
    dataset: Dataset | None = None
    configuration: Configuration | None = None


def resolve(connection: sa.Connection, question: Question, revision: int) -> Answer:
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
    subject = _subject(connection, question, revision)
    detector = _one_type(subject.panels)
    kinds = _kinds(detector, question.types)
    instant = _instant(subject, question.at)
    names = [kind.name for kind in kinds]
    found = validity.versions_at(
        connection, [each.panel for each in subject.panels], names, instant, revision
    )
    validity.refuse_missing(validity.missing(connection, subject.panels, names, instant, found, revision))
    files = versions.sound_files_of(connection, found.values())
    named = [fact.recorded_in for fact in (subject.run, subject.configuration) if fact is not None]
    stamps = stamp(connection, {revision, *named, *(version.recorded_in for version in found.values())})
    resolution = Resolution(
        detector_type=detector.name,
        detector_id=join_detector_id([panel.panel for panel in subject.panels]),
        instant=str(instant),
        instant_is=BEGIN_OF_RUN if question.at is None else REQUEST,
        run=_run_facts(subject, stamps),
        configuration=_configuration_facts(subject.configuration, stamps),
        types=tuple(kind.calibration_type for kind in kinds),
        panels=_input_panels(subject.panels, kinds, found, files, stamps),
    )
    warnings = [*_warnings(subject, question.at, found), *_nonfinite(resolution)]
    blake3s = {
        file.sha256: file.blake3 for parts in files.values() for file in parts if file.blake3 is not None
    }
    return Answer(resolution, tuple(warnings), blake3s, stamps[revision].recorded_at)


def resolution_of(connection: sa.Connection, version: Version, revision: int) -> Resolution:
    """Return the resolution of one version alone: its panel, its kind, its files, whatever else is valid when.

    Raises
    ------
    NotValidError
        It is a gap.
    """
    if version.is_gap:
        raise NotValidError(f"version {version.version} is a gap: it has no pixels", version=version.version)
    panels = find_panels(connection, [version.panel], revision)
    kind = detectors.detector_type(panels[0].detector_type).kind(version.kind)
    found, files = {(version.panel, kind.name): version}, versions.sound_files_of(connection, [version])
    return Resolution(
        detector_type=panels[0].detector_type,
        detector_id=version.panel,
        instant=str(version.valid_from),
        instant_is=START_OF_VERSION,
        run=None,
        configuration=None,
        types=(kind.calibration_type,),
        panels=_input_panels(panels, [kind], found, files, stamp(connection, {version.recorded_in})),
    )


def _subject(connection: sa.Connection, question: Question, revision: int) -> _Subject:
    if not is_dataset(question.target):
        return _named_detector(connection, question, revision)
    dataset = Dataset.parse(question.target)
    configuration = find_configuration(connection, dataset, question.source, revision)
    if not configuration.panels:
        raise without_ids(configuration, dataset)
    panels = find_panels(connection, list(configuration.panels), revision)
    return _Subject(panels, run_of(connection, dataset, revision), dataset, configuration)


def without_ids(found: Configuration, dataset: Dataset) -> NotFoundError:
    """Return the refusal for a run whose configuration does not say which panels answered."""
    last = f" --last-run {found.last_run}" if found.last_run is not None else ""
    return NotFoundError(
        f"the configuration of {found.source} in {dataset} is {found.object_name}, which carries no panel Ids;"
        f" calreg detector configure {found.experiment} {found.source} --first-run {found.first_run}{last}"
        " DETECTOR_ID says by hand which panels answered",
        dataset=str(dataset),
        source=found.source,
    )


def _named_detector(connection: sa.Connection, question: Question, revision: int) -> _Subject:
    if "-" not in question.target and not is_m_number(question.target):
        raise IdentifierError(
            f"{shown(question.target)} is neither a dataset (exp=xcsls3716:run=631)"
            " nor a detector Id (panel Ids joined by '_')"
        )
    try:
        target = find_target(connection, question.target, revision)
    except NotFoundError as unknown:
        raise _with_what_else_is_missing(connection, question, revision, unknown) from None
    if target.sort == "alias":
        raise RequestError(
            f"{target.name} is an M-number, not a detector:"
            " name its panel Ids in segment order, joined by '_'"
        )
    if question.source is not None:
        raise RequestError("a source goes with a dataset; a detector Id names its panels itself")
    if question.at is None:
        raise RequestError("a detector Id has no time of its own: give --at")
    return _Subject(target.panels)


def _with_what_else_is_missing(
    connection: sa.Connection, question: Question, revision: int, unknown: NotFoundError
) -> NotFoundError:
    """Return the refusal of unknown panels together with what is missing of the detector's known ones."""
    names: list[str] = unknown.values.get("panels", [])
    identifiers = [each for each in read_target(question.target)[1] if each not in names]
    if question.at is None or not identifiers:
        return unknown
    known = find_panels(connection, identifiers, revision)
    kinds = [kind.name for kind in _kinds(_one_type(known), question.types)]
    found = validity.versions_at(connection, identifiers, kinds, question.at, revision)
    missing = validity.missing(connection, known, kinds, question.at, found, revision)
    sentences = [*(unknown.details or (unknown.message,)), *chain.from_iterable(missing.values())]
    return NotFoundError.all_of("panels or constants are missing", sentences, panels=names)


def _one_type(panels: Sequence[Panel]) -> DetectorType:
    names = {panel.detector_type for panel in panels}
    if len(names) > 1:
        raise RequestError(f"the panels are of several detector types: {', '.join(sorted(names))}")
    return detectors.detector_type(names.pop())


def _kinds(detector: DetectorType, types: tuple[str, ...] | None) -> list[Kind]:
    if not types:
        return [detector.kind(name) for name in detector.required_kinds]
    return [detector.kind_of_type(name) for name in dict.fromkeys(types)]


def _instant(subject: _Subject, at: Instant | None) -> Instant:
    if at is not None:
        return at
    if subject.run is not None and subject.run.begin is not None:
        return subject.run.begin
    why = "is registered without a begin" if subject.run else "is not registered"
    raise NotValidError(
        f"{subject.dataset} {why}, so it is not known which constants were valid;"
        f" give --at, or calreg run add {subject.dataset} --begin T",
        dataset=str(subject.dataset),
    )


def _warnings(subject: _Subject, at: Instant | None, found: Found) -> list[str]:
    run = subject.run
    if run is None:
        return []
    warnings = []
    if at is not None and run.begin is not None and at != run.begin:
        warnings.append(f"{subject.dataset} began at {run.begin}; the constants of {at} are taken, as asked")
    if run.end is not None:
        begin = at if run.begin is None else run.begin
        taken = "its begin" if at is None else str(at)
        warnings += [
            f"another {version.kind} of {version.panel} begins {version.valid_to}, inside {subject.dataset}"
            f" (to {run.end}); the one valid at {taken} is taken for all of it"
            for version in found.values()
            if version.valid_to is not None and begin is not None and begin < version.valid_to <= run.end
        ]
    return warnings


def _nonfinite(resolution: Resolution) -> list[str]:
    """Return a warning for all constants that hold NaN or infinity, as was allowed when they were registered."""
    return [
        f"{constants.kind} of {panel.panel} (version {constants.version}) holds {count} values that are NaN or infinite"
        for panel in resolution.panels
        for constants in panel.constants
        if (count := sum(file.statistics.nonfinite for file in constants.files))
    ]


def stamp(connection: sa.Connection, numbers: set[int]) -> Stamps:
    """Return number, instant, author and comment of each of the revisions.

    Raises
    ------
    CorruptionError
        One of them is missing, and facts that it recorded are there.
    """
    rows = connection.execute(_select_revisions(), {"numbers": sorted(numbers)})
    found = {
        row.number: RevisionStamp(row.number, str(Instant(row.recorded_at)), row.author, row.comment)
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


def _run_facts(subject: _Subject, stamps: Stamps) -> RunFacts | None:
    if subject.dataset is None:
        return None
    run = subject.run
    return RunFacts(
        experiment=subject.dataset.experiment,
        run=subject.dataset.run,
        begin=str(run.begin) if run and run.begin is not None else None,
        end=str(run.end) if run and run.end is not None else None,
        registered=stamps[run.recorded_in] if run else None,
    )


def _configuration_facts(found: Configuration | None, stamps: Stamps) -> ConfigurationFacts | None:
    if found is None:
        return None
    return ConfigurationFacts(
        experiment=found.experiment,
        source=found.source,
        first_run=found.first_run,
        last_run=found.last_run,
        registered=stamps[found.recorded_in],
    )


def _input_panels(
    panels: Sequence[Panel],
    kinds: Sequence[Kind],
    found: Found,
    files: Mapping[str, Sequence[StoredFile]],
    stamps: Stamps,
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
            constants=tuple(constants(found[panel.panel, kind.name]) for kind in kinds),
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
