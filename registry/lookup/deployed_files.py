"""The files that recorded exports deployed for ranges of runs, and the runs that they serve wrongly.

Of a calibration directory the file is read that the analysis framework takes; of the newer data system, among the
arrays whose range contains the run, those with the highest first run, then the smallest last, then the newest
(slac-lcls/lcls2, ``pscalib/calib/CalibDoc.py``). Only what is recorded counts here: a folder itself may hold other
files too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa

from registry import detectors, schema
from registry.calibration_folder import MAX_RUN, choose_files, parse_file_name
from registry.identifiers import split_detector_id
from registry.lookup.answers import Source
from registry.lookup.export_configurations import choose_configuration_of_export
from registry.lookup.exported_constants import read_exported_constants
from registry.lookup.runs import list_configurations
from registry.lookup.source_runs import SourceRuns
from registry.run_ranges import format_runs


@dataclass(frozen=True, slots=True)
class WrongFile:
    """A deployed file, and the recorded runs for which it is read though their constants are others now."""

    path: str
    type: str
    export: int
    experiment: str
    runs: tuple[int, ...]

    def __str__(self) -> str:
        noun = "run" if len(self.runs) == 1 else "runs"
        return f"{self.path} for {noun} {format_runs(self.runs)} of {self.experiment}"


def list_wrong_files(
    connection: sa.Connection, source: Source, revision: int, *, runs: Set[int] | None = None
) -> list[WrongFile]:
    """Return the deployed files of a source that are read for runs whose constants they do not hold.

    Runs without a start time are left out: nobody knows their constants.
    """
    deployed = _list_deployed(connection, source)
    if not deployed:
        return []
    contents = read_exported_constants(connection, {row.id for row in deployed})
    segments = _read_segments(connection, source, deployed)
    kinds = sorted({_find_kind(row) for row in deployed})
    answers = [
        (run, segment.answer)
        for segment in SourceRuns(connection, source, kinds, revision).segments
        for run in segment.runs
        if runs is None or run in runs
    ]
    wrong: defaultdict[tuple[int, str, str], list[int]] = defaultdict(list)
    for rows in _group_by_reader(deployed).values():
        chosen = _choose(rows, [run for run, _ in answers])
        for run, answer in answers:
            row = chosen.get(run)
            if row is None or answer.is_undecided:
                continue
            kind = _find_kind(row)
            held = tuple(contents[row.id].get((panel, kind)) for panel in split_detector_id(row.detector_id))
            if (
                not answer.is_possible(kind)
                or answer.constants[kind] != held
                or (row.id in segments and segments[row.id] != answer.segments)
            ):
                wrong[row.id, row.type, row.path].append(run)
    return [
        WrongFile(path, calibration_type, export, source[0], tuple(sorted(numbers)))
        for (export, calibration_type, path), numbers in wrong.items()
    ]


def find_recorded_constants(
    connection: sa.Connection, sha256: str, calibration_type: str
) -> tuple[str, ...] | None:
    """Return the constants, panel by panel, in a file of a type that a recorded export wrote; None if none did."""
    export, output = schema.export, schema.export_output
    query = (
        sa.select(export.c.id, export.c.detector_id, output.c.type)
        .join(output, output.c.export_id == export.c.id)
        .where(output.c.sha256 == sha256, output.c.type == calibration_type)
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    contents, kind = read_exported_constants(connection, {row.id})[row.id], _find_kind(row)
    constants = tuple(contents.get((panel, kind), "") for panel in split_detector_id(row.detector_id))
    return constants if all(constants) else None


def _list_deployed(connection: sa.Connection, source: Source) -> Sequence[Any]:
    """Return the deployed arrays of a source, each the newest of its path, by number of the export."""
    export, output = schema.export, schema.export_output
    query = (
        sa.select(
            export.c.id,
            export.c.revision,
            export.c.detector_id,
            export.c.source,
            export.c.run,
            export.c.first_run,
            export.c.last_run,
            output.c.type,
            output.c.path,
        )
        .join(output, output.c.export_id == export.c.id)
        .where(export.c.experiment == source[0], export.c.source == source[1])
        .where(export.c.first_run.is_not(None))
        .order_by(export.c.id)
    )
    newest = {(row.path, row.type): row for row in connection.execute(query)}
    return sorted(newest.values(), key=lambda row: row.id)


def _find_kind(row: Any) -> str:
    detector = detectors.find_panel_type(split_detector_id(row.detector_id)[0])
    return detector.find_kind_of_type(row.type).name


def _read_segments(
    connection: sa.Connection, source: Source, deployed: Sequence[Any]
) -> Mapping[int, tuple[int, ...] | None]:
    """Return by export of the newer system, which reads by segment number, the segment numbers of its panels."""
    by_segment = [row for row in deployed if not _is_of_directory(row)]
    if not by_segment:
        return {}
    newest = max(row.revision for row in by_segment)
    known = [
        row
        for row in list_configurations(connection, newest, {source[0]}, withdrawn=True)
        if row.source == source[1]
    ]
    chosen = {row.id: choose_configuration_of_export(known, row) for row in by_segment}
    return {number: row.segments for number, row in chosen.items() if row is not None}


def _is_of_directory(row: Any) -> bool:
    return parse_file_name(PurePath(row.path).name) is not None


def _group_by_reader(deployed: Iterable[Any]) -> Mapping[tuple[str, str], list[Any]]:
    """Return the arrays among which a reader chooses: of one folder and type, or of one type in the newer system."""
    groups: defaultdict[tuple[str, str], list[Any]] = defaultdict(list)
    for row in deployed:
        folder = str(PurePath(row.path).parent) if _is_of_directory(row) else ""
        groups[folder, row.type].append(row)
    return groups


def _choose(rows: Sequence[Any], runs: Sequence[int]) -> dict[int, Any]:
    """Return by run the array that is read; rows are by number of the export."""
    by_name = {PurePath(row.path).name: row for row in rows}
    if _is_of_directory(rows[0]):
        return {run: by_name[name] for run, name in choose_files(by_name, runs).items() if name is not None}
    rows = sorted(rows, key=lambda row: (row.first_run, -(MAX_RUN if row.last_run is None else row.last_run)))
    return {
        run: row
        for row in rows  # a later one replaces an earlier one
        for run in runs
        if row.first_run <= run and (row.last_run is None or run <= row.last_run)
    }
