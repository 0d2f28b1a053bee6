"""Questions of files that are deployed for ranges of runs: for which runs is which constants right; see `questions`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from msgspec import Struct

from registry.api.backend import Backend
from registry.calibration_folder import MAX_RUN
from registry.identifiers import parse_sha256
from registry.lookup.answers import Answer, AnswerSegment, Refusal, Source
from registry.lookup.deployed_files import find_recorded_constants, list_wrong_files
from registry.lookup.revisions import AsOfRef
from registry.lookup.source_runs import SourceRuns
from registry.run_ranges import find_ranges


class AnsweredRuns(Struct, frozen=True):
    """Consecutive recorded runs with one answer, whose attributes are those of `Answer`."""

    runs: tuple[int, ...]
    panels: tuple[str, ...]
    segments: tuple[int, ...] | None
    constants: dict[str, tuple[str | None, ...]]
    refusal: str | None
    gaps: tuple[tuple[str, str], ...]


class WrongOutput(Struct, frozen=True):
    """A deployed file, by the SHA-256 of its path, and the ranges of runs for which it is read though it is wrong."""

    path_sha256: str
    type: str
    runs: tuple[tuple[int, int], ...]


def list_source_answers(
    backend: Backend,
    experiment: str,
    source: str,
    kind: str,
    *,
    skip: int | None = None,
    limit: int | None = None,
    as_of: AsOfRef = None,
) -> list[AnsweredRuns]:
    """Return the recorded runs for which a calibration directory can have files, with what they are assembled from."""
    with backend.read_transaction(as_of) as view:
        runs = SourceRuns(view.connection, (experiment, source), (kind,), view.revision, (0, MAX_RUN))
    first = skip or 0
    segments = runs.segments[first : None if limit is None else first + limit]
    return [_describe_segment(segment) for segment in segments]


def _describe_segment(segment: AnswerSegment) -> AnsweredRuns:
    answer = segment.answer
    return AnsweredRuns(
        segment.runs,
        answer.panels,
        answer.segments,
        dict(answer.constants),
        None if answer.refusal is None else str(answer.refusal),
        tuple(sorted(answer.gaps)),
    )


def read_source_answers(backend: Backend, source: Source, kind: str, revision: int) -> list[AnswerSegment]:
    """Return the recorded runs of an experiment as of a revision, in segments that get the same from one source."""
    pages = backend.answer_pages(list_source_answers, *source, kind, as_of=revision)
    return [
        AnswerSegment(
            answered.runs,
            Answer(
                answered.panels,
                answered.segments,
                answered.constants,
                None if answered.refusal is None else Refusal(answered.refusal),
                frozenset(answered.gaps),
            ),
            None,
        )
        for page in pages
        for answered in page
    ]


def find_output_constants(
    backend: Backend, sha256: str, calibration_type: str, *, as_of: AsOfRef = None
) -> tuple[str, ...] | None:
    """Return the constants, panel by panel, in a file that a recorded export wrote; None if none did."""
    parse_sha256(sha256)
    with backend.read_transaction(as_of) as view:
        return find_recorded_constants(view.connection, sha256, calibration_type)


def list_wrong_outputs(
    backend: Backend, experiment: str, source: str, sha256s: Sequence[str], *, as_of: AsOfRef = None
) -> list[WrongOutput]:
    """Return those of the deployed files with these paths that are read for runs whose constants they do not hold.

    A path is given by the SHA-256 of its text: a service tells nobody where files are.
    """
    for sha256 in sha256s:
        parse_sha256(sha256)
    with backend.read_transaction(as_of) as view:
        wrong = list_wrong_files(view.connection, (experiment, source), view.revision)
    outputs = [
        WrongOutput(digest_path(file.path), file.type, tuple(find_ranges(file.runs))) for file in wrong
    ]
    return [output for output in outputs if output.path_sha256 in sha256s]


def digest_path(path: str) -> str:
    """Return the SHA-256 of the text of a path."""
    return hashlib.sha256(path.encode(errors="surrogateescape")).hexdigest()
