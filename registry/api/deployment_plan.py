"""Plan the files of an experiment in a calibration directory: one per calibration type and range of runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from registry.api.backend import Backend, ReadTransaction
from registry.api.deployment_checks import TypeCheck, get_constants
from registry.calibration_folder import MAX_RUN, format_file_name
from registry.errors import ConflictError, Remedy
from registry.exporters.deployed_files import Constants
from registry.identifiers import shorten
from registry.lookup.deployable_sources import DeployableSource
from registry.lookup.read_ranges import ReadRange
from registry.lookup.source_runs import SourceRuns
from registry.parallel import Advance
from registry.records import LeftOutRuns
from registry.run_ranges import find_ranges, format_runs


@dataclass(slots=True)
class PlannedFile:
    """A file that is to be there: of a calibration type, for recorded runs that have these constants."""

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
                    source=self.source.source,
                    type=calibration_type,
                    first_run=numbers[0],
                    last_run=last,
                    constants=get_constants(segment.answer.constants[check.kind.name]),
                    path=self.home / calibration_type / format_file_name(numbers[0], last),
                )

    def count_parts(self) -> int:
        """Return the number of arrays in the files that are there, for a progress bar."""
        return sum(check.count_parts() for check in self.checks)

    def compare_with_folder(self, revision: int, advance: Advance) -> FolderProblems:
        """Set the action of every file, and return what is wrong with files that are there."""
        problems = FolderProblems([], [], [])
        for check in self.checks:
            self._compare_files(check, revision, problems, advance)
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
                file.action = "unchanged" if is_right else "replaced"
                if not is_right:
                    problems.replaced.append(str(file.path))
        for part in check.list_readings(frozenset(planned)):
            if part.name is None or part.name in planned:
                continue
            place = f"{calibration_type}/{part.name} for {_describe_runs(part)}"
            refusal = part.answer.describe_refusal((check.kind.name,))
            if refusal is not None:
                problems.kept.append(f"{place}, of which is known: {refusal}")
            elif not reader.find_contents(part.name, advance).holds(
                get_constants(part.answer.constants[check.kind.name])
            ):
                problems.in_the_way.append(place)


@dataclass(frozen=True, slots=True)
class FolderProblems:
    """Files that would be replaced, files that are read instead of new ones, and files for runs without constants."""

    replaced: list[str]
    in_the_way: list[str]
    kept: list[str]

    def refuse(self, folder: Path, *, force: bool) -> None:
        """Refuse a folder with files that are not what is to be deployed."""
        if self.in_the_way:
            raise ConflictError(
                f"the analysis framework would go on to read files in {str(folder)!r} that do not hold the constants of"
                f" these runs; remove them: {shorten(self.in_the_way)}",
                path=str(folder),
                files=self.in_the_way,
            )
        if self.replaced and not force:
            raise ConflictError(
                f"these files are there and do not hold the constants of their runs: {shorten(self.replaced)}",
                remedy=Remedy.REPLACE_FILES,
                path=str(folder),
                files=self.replaced,
            )

    def list_warnings(self) -> list[str]:
        """Return warnings on files that no new one replaces."""
        return [f"the analysis framework still reads {place}" for place in self.kept]


def _describe_runs(part: ReadRange) -> str:
    return f"{'run' if len(part.runs) == 1 else 'runs'} {format_runs(part.runs)}"
