"""Check an export to a calibration directory before it is written: which file would then be read for which run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from registry import detectors
from registry.api.backend import Backend
from registry.api.deployment_questions import find_output_constants, read_source_answers
from registry.calibration_folder import choose_files
from registry.errors import ConflictError, OfflineError, RegistryError
from registry.exporters.deployed_files import DeployedFolder
from registry.files import sha256_of_file
from registry.identifiers import shorten
from registry.lookup.answers import Answer
from registry.lookup.deployed_runs import build_answer, is_of_run
from registry.lookup.read_ranges import ReadRange, list_read_ranges
from registry.provenance import Document
from registry.run_ranges import format_runs

_Readings = dict[tuple[str, str], list[ReadRange]]
"""By calibration type and name of a file the runs for which it would be read."""


def check_folder(backend: Backend, draft: Document, home: Path, names: dict[str, str]) -> list[str]:
    """Return warnings on the runs that other files serve wrongly, before and after the export of this draft.

    Parameters
    ----------
    home
        The folder of the source.
    names
        The files of the export in it, by calibration type.

    Raises
    ------
    ConflictError
        A new file would be read for a run whose constants it does not hold.
    """
    folder = DeployedFolder(home)
    if not any(folder.list_files(calibration_type) for calibration_type in names):
        return []
    run = draft.resolution.run
    own = set() if run is None else {run.experiment}
    warnings: list[str] = []
    for experiment in sorted(own | folder.list_experiments()):
        check = _FolderCheck(backend, draft, folder, experiment)
        for calibration_type, name in names.items():
            check.sort_runs(calibration_type, Path(name).name)
        check.refuse_wrong_files()
        warnings += check.list_warnings()
    return warnings


class _FolderCheck:
    """The files that would be read for the runs of an experiment, and do not hold their constants."""

    def __init__(self, backend: Backend, draft: Document, folder: DeployedFolder, experiment: str) -> None:
        self._backend, self._revision = backend, draft.registry.revision
        self._draft, self._folder, self._experiment = draft, folder, experiment
        self._own = build_answer(draft.resolution)
        self._new: _Readings = {}
        self._old: _Readings = {}
        self._unknown: _Readings = {}
        self._unasked: _Readings = {}
        self._held: dict[tuple[str, str], tuple[str, ...] | None] = {}

    def sort_runs(self, calibration_type: str, new: str) -> None:
        """Take the runs of which the file that would be read is not the right one, or one that cannot be told."""
        detector = detectors.find_detector_type(self._draft.resolution.detector_type)
        kind = detector.find_kind_of_type(calibration_type).name
        deployment = self._draft.deployment
        source = "" if deployment is None else deployment.source
        segments = read_source_answers(self._backend, (self._experiment, source), kind, self._revision)
        names = {*self._folder.list_files(calibration_type), new}
        for reading in list_read_ranges(segments, names):
            if reading.name is None or reading.answer.is_undecided:
                continue
            key = calibration_type, reading.name
            if reading.name == new:
                is_right = reading.expects(kind, _get_constants(self._own, kind))
                if not is_right and (
                    reading.runs != self._exempt or self._is_right_now(key[0], kind, reading)
                ):
                    self._new.setdefault(key, []).append(reading)
                continue
            try:
                held = self._find_constants(key)
            except OfflineError:
                self._unasked.setdefault(key, []).append(reading)
                continue
            if held is None:
                self._unknown.setdefault(key, []).append(reading)
            elif not reading.expects(kind, held):
                self._old.setdefault(key, []).append(reading)

    def _is_right_now(self, calibration_type: str, kind: str, reading: ReadRange) -> bool:
        """Tell whether the file that is read for a run before the export holds its constants."""
        names = self._folder.list_files(calibration_type)
        name = choose_files(names, reading.runs)[reading.runs[0]]
        return name is not None and reading.expects(kind, self._find_constants((calibration_type, name)))

    def _find_constants(self, key: tuple[str, str]) -> tuple[str, ...] | None:
        """Return the constants in a file by its document, else by its checksum in the registry.

        That it is not there or does not answer is raised: it is not the same as that it knows nothing of the file.
        """
        if key not in self._held:
            contents = self._folder.find_contents(*key)
            if contents is not None:
                self._held[key] = contents.constants
            else:
                sha256 = _find_sha256(self._folder.home / "/".join(key))
                self._held[key] = (
                    None
                    if sha256 is None
                    else self._backend.answer(find_output_constants, sha256, key[0], as_of=self._revision)
                )
        return self._held[key]

    @property
    def _exempt(self) -> tuple[int, ...]:
        """The run for which the constants of another instant were asked for.

        It may get them where no file holds its own.
        """
        run = self._draft.resolution.run
        if run is None or run.experiment != self._experiment or is_of_run(self._draft.resolution):
            return ()
        return (run.run,)

    def refuse_wrong_files(self) -> None:
        """Refuse new files that would be read for runs whose constants they do not hold."""
        if not self._new:
            return
        places = [f"{'/'.join(key)} for {_describe_runs(reading)}" for key, reading in self._new.items()]
        raise ConflictError(
            "the analysis framework would read new files for runs whose constants they do not hold, in experiment"
            f" {self._experiment}: {shorten(places)}",
            experiment=self._experiment,
            files=[str(self._folder.home / "/".join(key)) for key in self._new],
            runs=sorted({run for reading in self._new.values() for part in reading for run in part.runs}),
        )

    def list_warnings(self) -> Iterator[str]:
        """Yield the warnings on files that were there before."""
        for (calibration_type, name), reading in self._old.items():
            yield (
                f"the analysis framework still reads {calibration_type} from {name} for {_describe_runs(reading)} of"
                f" {self._experiment}, and the file does not hold their constants"
            )
        for (calibration_type, name), reading in self._unknown.items():
            yield (
                f"the analysis framework reads {calibration_type} from {name} for {_describe_runs(reading)} of"
                f" {self._experiment}, and neither a document nor the registry tells which constants the file holds"
            )
        for (calibration_type, name), reading in self._unasked.items():
            yield (
                f"the analysis framework reads {calibration_type} from {name} for {_describe_runs(reading)} of"
                f" {self._experiment}, and no document tells which constants the file holds; whether the registry does"
                " is not known offline"
            )


def _get_constants(answer: Answer, kind: str) -> tuple[str, ...]:
    return tuple(constants or "" for constants in answer.constants[kind])


def _find_sha256(file: Path) -> str | None:
    """Return the checksum of a file, None of one that cannot be read."""
    with suppress(RegistryError):
        return sha256_of_file(file)
    return None


def _describe_runs(readings: list[ReadRange]) -> str:
    numbers = [run for part in readings for run in part.runs]
    return f"{'run' if len(numbers) == 1 else 'runs'} {format_runs(numbers)}"
