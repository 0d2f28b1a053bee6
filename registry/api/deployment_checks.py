"""Check the files of an experiment in a calibration directory: for every recorded run, is the right one read?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain, groupby
from pathlib import Path

from registry.api.backend import Backend, ReadTransaction
from registry.api.file_contents import ContentsReader, FileContents, StoreProblem
from registry.api.objects import describe_problems
from registry.api.stale_copies import StoreWitness
from registry.detectors import Kind
from registry.errors import NotFoundError
from registry.exporters.deployed_files import Constants, DeployedFolder
from registry.exporters.missing_inputs import build_error
from registry.files import translate_os_errors
from registry.identifiers import format_count
from registry.lookup.constants_of_files import describe_constants
from registry.lookup.deployable_sources import DeployableSource, list_deployable_sources
from registry.lookup.read_ranges import ReadRange, list_read_ranges
from registry.lookup.revisions import AsOf
from registry.lookup.source_runs import SourceRuns
from registry.parallel import Advance, Progress
from registry.records import DeploymentCheck, ReadRuns
from registry.run_ranges import find_ranges, format_runs


@dataclass(frozen=True, slots=True)
class DeploymentRequest:
    """The files of an experiment: of all sources or those that fit a name, of these types or of the required ones."""

    experiment: str
    source: str | None = None
    types: tuple[str, ...] = ()
    as_of: AsOf = None


def check_deployment(
    backend: Backend, request: DeploymentRequest, folder: Path, progress: Progress
) -> DeploymentCheck:
    """Return for every recorded run which file is read; see `Registry.check_deployment`."""
    with translate_os_errors("read", folder):
        if not folder.is_dir():
            raise NotFoundError(f"{str(folder)!r} is not a folder", path=str(folder))
    witness = StoreWitness(backend, request.as_of)
    with backend.read_transaction(request.as_of) as view:
        revision = view.revision
        sources = list_deployable_sources(
            view.connection, request.experiment, request.source, request.types, revision
        )
        checks = [
            TypeCheck(
                backend, source, kind, folder, SourceRuns(view.connection, source.key, (kind.name,), revision)
            )
            for source in sources
            for kind in source.kinds
        ]
        refusals = {source: _list_refusals(view, source) for source in sources}
        warnings = witness.list_warnings(view.connection)
    with progress("reading files", sum(check.count_parts() for check in checks)) as advance:
        verdicts = (check.judge_runs(refusals[check.source], revision, advance) for check in checks)
        rows = tuple(chain.from_iterable(verdicts))
    unread = {sha256: problem for check in checks for sha256, problem in check.unread.items()}
    if unread:
        with backend.read_transaction() as view:
            missing = describe_problems(view.connection, backend.store, unread)
        message = "not all files could be checked, because stored files cannot be read"
        raise build_error(missing, message, experiment=request.experiment, runs=rows)
    return DeploymentCheck(request.experiment, str(folder), revision, rows, tuple(warnings))


def _list_refusals(view: ReadTransaction, source: DeployableSource) -> dict[int, str | None]:
    """Return by run why it gets no file, though it may have constants of one of the types; None if it gets them all."""
    kinds = [kind.name for kind in source.kinds]
    segments = SourceRuns(view.connection, source.key, kinds, view.revision).segments
    return {run: segment.answer.describe_refusal(kinds) for segment in segments for run in segment.runs}


class TypeCheck:
    """The files of one calibration type and source, and the recorded runs for which they are read.

    Parameters
    ----------
    folder
        The calibration directory.
    runs
        Of the source, by the constants of this kind.
    """

    def __init__(
        self, backend: Backend, source: DeployableSource, kind: Kind, folder: Path, runs: SourceRuns
    ) -> None:
        self._backend, self.source, self.kind = backend, source, kind
        self.folder = DeployedFolder(folder / source.home)
        self.runs = runs
        self.unread: dict[str, StoreProblem] = {}  # by SHA-256, files without which no verdict is possible

    def list_readings(self, added: frozenset[str] = frozenset()) -> list[ReadRange]:
        """Return the recorded runs by the file that is read; `added` are names of files that will be there too."""
        return list(
            list_read_ranges(
                self.runs.segments, {*self.folder.list_files(self.kind.calibration_type), *added}
            )
        )

    def count_parts(self) -> int:
        """Return the number of arrays in the files that are read, for a progress bar."""
        names = {part.name: len(part.answer.panels) for part in self.list_readings() if part.name}
        return sum(names.values()) * self.source.detector.gain_ranges

    def open_reader(self, revision: int) -> ContentsReader:
        """Return a reader of the files, which finds whose constants they hold as of a revision."""
        name = self.kind.name
        answers = [segment.answer for segment in self.runs.segments]
        expected = [get_constants(answer.constants[name]) for answer in answers if answer.is_possible(name)]
        panels = [answer.panels for answer in answers]
        return ContentsReader(
            self._backend, self.folder, self.source.detector, self.kind, expected, panels, revision
        )

    def judge_runs(
        self, refusals: Mapping[int, str | None], revision: int, advance: Advance
    ) -> Iterator[ReadRuns]:
        """Yield the verdicts on all recorded runs, runs of the same verdict together.

        `refusals` say by run why there are to be no files of it, of this type and of those asked for with it.
        """
        stopping = self.folder.list_stopping_files(self.kind.calibration_type)
        reader = self.open_reader(revision)
        groups: dict[tuple[str | None, str, str], list[int]] = {}
        for part, refusal in self._list_judged(refusals):
            verdict, reason = "wrong", f"the analysis framework stops on the name {', '.join(stopping)}"
            if not stopping:
                verdict, reason = self._judge(part, refusal, reader, revision, advance)
            groups.setdefault((part.name, verdict, reason), []).extend(part.runs)
        place = self.folder.home / self.kind.calibration_type
        for (name, verdict, reason), numbers in sorted(groups.items(), key=lambda item: item[1][0]):
            yield ReadRuns(
                self.source.experiment,
                self.source.source,
                self.kind.calibration_type,
                tuple(find_ranges(numbers)),
                None if name is None else str(place / name),
                verdict,
                reason,
            )

    def _list_judged(self, refusals: Mapping[int, str | None]) -> Iterator[tuple[ReadRange, str | None]]:
        """Yield runs of which the same is to be said, and why they get no file."""
        for part in self.list_readings():
            if part.name is not None:
                yield part, part.answer.describe_refusal((self.kind.name,))
                continue
            for refusal, runs in groupby(part.runs, key=refusals.__getitem__):
                yield replace(part, runs=tuple(runs)), refusal

    def _judge(
        self, part: ReadRange, refusal: str | None, reader: ContentsReader, revision: int, advance: Advance
    ) -> tuple[str, str]:
        if part.name is None:
            return ("missing", "") if refusal is None else ("right", refusal)
        if part.answer.is_undecided:
            return "unknown", refusal or ""
        if refusal is not None:
            return "wrong", f"no constants are right: {refusal}"
        contents = reader.find_contents(part.name, advance)
        constants = get_constants(part.answer.constants[self.kind.name])
        if contents.holds(constants):
            return "right", ""
        if constants in contents.digits:
            return (
                "rounded",
                f"these constants, rounded to {format_count(contents.digits[constants], 'digit')}",
            )
        return self._describe_others(contents, constants, revision)

    def _describe_others(
        self, contents: FileContents, constants: Constants, revision: int
    ) -> tuple[str, str]:
        """Return the verdict on a file that does not hold these constants, and whose it holds."""
        self.unread.update(contents.unread)
        if contents.problem is not None:
            return "unknown", contents.problem
        own = [
            (segment.runs, get_constants(segment.answer.constants[self.kind.name]))
            for segment in self.runs.segments
            if segment.answer.is_possible(self.kind.name)
        ]
        for words, holds in (
            ("the constants", contents.holds),
            ("the constants, rounded,", contents.digits.__contains__),
        ):
            numbers = [run for runs, others in own if holds(others) for run in runs]
            if numbers:
                return "wrong", f"{words} of {'run' if len(numbers) == 1 else 'runs'} {format_runs(numbers)}"
        if len(contents.panels) != len(constants):
            return "wrong", f"it is of {format_count(len(contents.panels), 'panel')}, not {len(constants)}"
        for manner, panels in (("", contents.panels), (", rounded", contents.rounded)):
            for position, (held, sha256) in enumerate(zip(panels, constants, strict=False)):
                if held and sha256 not in held:
                    with self._backend.read_transaction(revision) as view:
                        words = describe_constants(view.connection, min(held), revision)
                    return "wrong", f"at position {position} it holds {words}{manner}"
        return "unknown", "its values are not those of registered constants, nor of a run's rounded"


def get_constants(constants: tuple[str | None, ...]) -> Constants:
    """Return the constants of an array that is possible."""
    return tuple(sha256 or "" for sha256 in constants)
