"""The runs that the files of an export serve wrongly by now, as they lie in their folder."""

from __future__ import annotations

from pathlib import Path

from registry.api.backend import Backend
from registry.api.deployment_questions import digest_path, list_wrong_outputs, read_source_answers
from registry.exporters import psana
from registry.exporters.deployed_files import DeployedFolder, build_contents
from registry.identifiers import escape_control_characters
from registry.lookup.answers import Source
from registry.lookup.deployed_runs import is_of_run
from registry.lookup.read_ranges import ReadRange, list_read_ranges
from registry.provenance import Document
from registry.provenance.document import Output
from registry.records import ReadRuns
from registry.run_ranges import find_ranges, format_runs


def list_served_wrongly(backend: Backend, document: Document, path: Path) -> list[ReadRuns]:
    """Return the runs for which the files of an export are read though the registry answers otherwise now.

    Of a calibration directory the files that are there decide which one is read, of other files what is recorded.
    """
    run, deployment = document.resolution.run, document.deployment
    if run is None or deployment is None:
        return []
    source = run.experiment, deployment.source
    revision = backend.read_newest_revision()
    if revision == document.registry.revision and is_of_run(document.resolution):
        return []
    if document.request.format != psana.NAME:
        return _list_wrong_outputs(backend, source, document, path.absolute().parent, revision)
    rows = []
    folder = DeployedFolder(path.parent)
    for output in document.outputs:
        segments = read_source_answers(backend, source, output.kind, revision)
        name = Path(output.path or "").name
        held = build_contents(document, output).constants
        rows += [
            _build_row(source, output, path.parent, part)
            for part in list_read_ranges(segments, folder.list_files(output.type))
            if part.name == name and not part.answer.is_undecided and not part.expects(output.kind, held)
        ]
    return rows


def _list_wrong_outputs(
    backend: Backend, source: Source, document: Document, folder: Path, revision: int
) -> list[ReadRuns]:
    paths = [str(folder / (output.path or "")) for output in document.outputs]
    written = {digest_path(path): path for path in paths}
    wrong = backend.answer(list_wrong_outputs, *source, list(written), as_of=revision)
    return [ReadRuns(*source, file.type, file.runs, written[file.path_sha256], "wrong") for file in wrong]


def _build_row(source: Source, output: Output, folder: Path, part: ReadRange) -> ReadRuns:
    reason = part.answer.describe_refusal((output.kind,)) or "other constants are valid"
    ranges = tuple(find_ranges(part.runs))
    return ReadRuns(*source, output.type, ranges, str(folder / (output.path or "")), "wrong", reason)


def describe_served_wrongly(row: ReadRuns) -> str:
    """Return a note on runs that a file serves wrongly."""
    numbers = [run for first, last in row.runs for run in range(first, last + 1)]
    noun = "run" if len(numbers) == 1 else "runs"
    reason = f", because {row.reason}" if row.reason else ""
    path = escape_control_characters(row.path or "")
    return f"serves wrongly: {path} is read for {noun} {format_runs(numbers)} of {row.experiment}{reason}"
