"""Plan the files of an experiment in a calibration directory: one per calibration type and range of runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import sqlalchemy as sa

from registry.api.backend import Backend, ReadTransaction
from registry.api.deployment_checks import TypeCheck, get_constants
from registry.api.file_contents import ContentsReader
from registry.api.folder_problems import FolderProblems
from registry.calibration_folder import MAX_RUN, format_file_name, parse_file_name
from registry.exporters.deployed_files import Constants
from registry.exporters.psana import refuse_wide_mask
from registry.lookup.deployable_sources import DeployableSource
from registry.lookup.read_ranges import ReadRange
from registry.lookup.source_runs import SourceRuns
from registry.lookup.stored_files import list_stored_files
from registry.parallel import Advance
from registry.records import LeftOutRuns
from registry.run_ranges import find_ranges, format_runs


@dataclass(slots=True)
class PlannedFile:
    """A file that is to be there: of a calibration type, for recorded runs that have the constants of one of them."""

    run: int
    source: str
    type: str
    first_run: int
    last_run: int | None
    constants: Constants
    path: Path
    action: str = "new"


class SourcePlan:
    """The files of one source, and the runs for which there are none."""

    def __init__(
        self, backend: Backend, view: ReadTransaction, source: DeployableSource, folder: Path
    ) -> None:
        self.source, self.home = source, folder / source.home
        key = source.experiment, source.source
        self._kinds = tuple(kind.name for kind in source.kinds)
        runs = SourceRuns(view.connection, key, self._kinds, view.revision)
        self.left_out = list(self._list_left_out(runs))
        possible = {
            run
            for segment in runs.segments
            if segment.answer.describe_refusal(self._kinds) is None
            for run in segment.runs
            if run <= MAX_RUN
        }
        self.checks = [
            TypeCheck(
                backend, source, kind, folder, SourceRuns(view.connection, key, (kind.name,), view.revision)
            )
            for kind in source.kinds
        ]
        self.files = [file for check in self.checks for file in self._list_files(check, possible)]

    def _list_left_out(self, runs: SourceRuns) -> Iterator[LeftOutRuns]:
        reasons: dict[str, list[int]] = {}
        for segment in runs.segments:
            reason = segment.answer.describe_refusal(self._kinds)
            for run in segment.runs:
                beyond = f"it is beyond run {MAX_RUN}, the last for which a calibration directory is read"
                if reason is not None or run > MAX_RUN:
                    reasons.setdefault(reason or beyond, []).append(run)
        for reason, numbers in sorted(reasons.items(), key=lambda item: item[1][0]):
            yield LeftOutRuns(self.source.source, tuple(find_ranges(numbers)), reason)

    def _list_files(self, check: TypeCheck, possible: set[int]) -> Iterator[PlannedFile]:
        for segment in check.runs.segments:
            for is_possible, group in groupby(segment.runs, key=possible.__contains__):
                if not is_possible:
                    continue
                numbers = list(group)
                is_last = numbers[-1] == segment.last_run and check.runs.is_open(segment)
                last = None if is_last else numbers[-1]
                calibration_type = check.kind.calibration_type
                yield PlannedFile(
                    run=numbers[0],
                    source=self.source.source,
                    type=calibration_type,
                    first_run=numbers[0],
                    last_run=last,
                    constants=get_constants(segment.answer.constants[check.kind.name]),
                    path=self.home / calibration_type / format_file_name(numbers[0], last),
                )

    def refuse_wide_masks(self, connection: sa.Connection) -> None:
        """Refuse masks with bits that the framework drops, in files that are to be there."""
        answers = [
            (check.kind, segment.answer)
            for check in self.checks
            for segment in check.runs.segments
            if check.kind.is_mask and segment.answer.is_possible(check.kind.name)
        ]
        wanted = {sha256 for kind, answer in answers for sha256 in get_constants(answer.constants[kind.name])}
        files = list_stored_files(connection, wanted) if wanted else {}
        for kind, answer in answers:
            for panel, sha256 in zip(answer.panels, get_constants(answer.constants[kind.name]), strict=True):
                for file in files.get(sha256, ()):
                    where = f"panel {panel}, constants {sha256}, gain range {file.gain_range}"
                    refuse_wide_mask(kind, file.statistics.maximum, where)

    def count_parts(self) -> int:
        """Return the number of arrays in the files that are there, for a progress bar."""
        return sum(check.count_parts() for check in self.checks)

    def compare_with_folder(self, revision: int, advance: Advance) -> FolderProblems:
        """Set the action of every file, and return what is wrong with files that are there."""
        problems = FolderProblems([], [], [], [])
        for check in self.checks:
            self._compare_files(check, revision, problems, advance)
        types = [check.kind.calibration_type for check in self.checks]
        self.files.sort(key=lambda file: (types.index(file.type), file.first_run))
        return problems

    def _compare_files(
        self, check: TypeCheck, revision: int, problems: FolderProblems, advance: Advance
    ) -> None:
        calibration_type = check.kind.calibration_type
        planned = {file.path.name: file for file in self.files if file.type == calibration_type}
        reader = check.open_reader(revision)
        for name in check.folder.list_files(calibration_type):
            file = planned.get(name)
            if file is not None:
                is_right = reader.find_contents(name, advance).holds(file.constants)
                if not is_right:
                    file.action = "replaced"
                    problems.replaced.append(str(file.path))
                elif not check.folder.is_unfinished(calibration_type, name):
                    file.action = "unchanged"  # else it is written again, with its document
        self._compare_others(check, reader, planned, problems, advance)
        stopping = check.folder.list_stopping_files(calibration_type)
        problems.stopping.extend(f"{calibration_type}/{name}" for name in stopping)

    def _compare_others(
        self,
        check: TypeCheck,
        reader: ContentsReader,
        planned: dict[str, PlannedFile],
        problems: FolderProblems,
        advance: Advance,
    ) -> None:
        """Plan to replace the wrong files that would be read instead of the planned ones."""
        for part in check.list_readings(frozenset(planned)):
            if part.name is None or part.name in planned:
                continue
            place = f"{check.kind.calibration_type}/{part.name} for {_describe_runs(part)}"
            refusal = part.answer.describe_refusal((check.kind.name,))
            if refusal is not None:
                problems.kept.append(f"{place}, of which is known: {refusal}")
                continue
            constants = get_constants(part.answer.constants[check.kind.name])
            if reader.find_contents(part.name, advance).holds(constants):
                continue
            file = self._plan_replacement(check, part, constants)
            if file is None:
                problems.in_the_way.append(place)
            else:
                planned[part.name] = file
                self.files.append(file)
                problems.replaced.append(str(file.path))

    def _plan_replacement(
        self, check: TypeCheck, part: ReadRange, constants: Constants
    ) -> PlannedFile | None:
        """Return the file with right constants for the runs of one that is read instead of a new file.

        None if its range reaches into other constants, or into runs of which nobody knows them: then no file of this
        name is right.
        """
        file = parse_file_name(part.name or "")
        if file is None:
            return None
        last = None if file.name.endswith("-end.data") else file.last_run
        limits = file.first_run, last
        if (
            format_file_name(*limits) != file.name
            or (last is None and check.runs.find_last_run(part.runs[0]) is not None)
            or check.runs.find_wrong_run(limits, part.answer, None) is not None
            or check.runs.list_runs_without_start(limits)
        ):
            return None
        path = self.home / check.kind.calibration_type / file.name
        return PlannedFile(
            part.runs[0],
            self.source.source,
            check.kind.calibration_type,
            *limits,
            constants,
            path,
            "replaced",
        )


def _describe_runs(part: ReadRange) -> str:
    return f"{'run' if len(part.runs) == 1 else 'runs'} {format_runs(part.runs)}"
