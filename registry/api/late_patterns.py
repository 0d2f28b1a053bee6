"""Compute the patterns of maps that were recorded before patterns were, and record them in one revision."""

from __future__ import annotations

import sqlalchemy as sa

from registry.api.backend import Backend
from registry.arrays import compute_file_pattern
from registry.database.change import Change
from registry.database.closing import find_closure
from registry.database.engine import open_engine, read_transaction
from registry.detectors import DETECTOR_TYPES
from registry.errors import (
    CorruptionError,
    DeniedError,
    RegistryError,
    RequestError,
    StoreServerError,
    UnavailableError,
)
from registry.identifiers import format_count
from registry.lookup.missing_patterns import (
    PatternlessFile,
    count_files_without_pattern,
    list_files_without_pattern,
)
from registry.lookup.stored_files import describe_uses, list_uses
from registry.parallel import Progress, map_in_threads
from registry.patterns import ALGORITHM
from registry.records import AddedPatterns, FilePattern, Problem
from registry.registration.versions import record_patterns
from registry.store import ContentStore


def add_missing_patterns(backend: Backend, comment: str | None, progress: Progress) -> AddedPatterns:
    """Record the patterns that are missing; see `Registry.add_patterns`."""
    missing: list[PatternlessFile] = []
    # As a writer that changes nothing: a database that takes no writes is refused before files are read.
    backend.record_revision(lambda change: missing.extend(list_files_without_pattern(change.connection)))
    patterns: dict[str, FilePattern] = {}
    unread: dict[str, RegistryError] = {}
    with progress("computing patterns", len(missing)) as advance:
        results = map_in_threads(
            lambda file: _compute_pattern(backend.store, file), missing, backend.store.threads
        )
        for file, result in zip(missing, results, strict=True):
            advance()
            if isinstance(result, FilePattern):
                patterns[file.sha256] = result
            else:
                unread[file.sha256] = result
    problems = _build_problems(backend, unread)
    if not patterns:
        return AddedPatterns(problems=problems)
    recorded: dict[str, FilePattern] = {}

    def record(change: Change) -> None:
        # Looked up again under the writers' lock: another process may have done the same.
        lacking = {file.sha256 for file in list_files_without_pattern(change.connection)}
        recorded.update((sha256, pattern) for sha256, pattern in patterns.items() if sha256 in lacking)
        record_patterns(change, recorded)

    outcome = backend.record_revision(record, comment or _describe(len(patterns)))
    without = sum(pattern.samples is None for pattern in recorded.values())
    return AddedPatterns(
        revision=outcome.revision,
        patterns=len(recorded) - without,
        without_pattern=without,
        problems=problems,
        notes=outcome.notes,
        warnings=outcome.warnings,
        seal=outcome.seal,
    )


def count_missing_patterns(url: str) -> int:
    """Return how many characteristic maps of a database have no pattern; 0 where it takes no writes."""
    with open_engine(url) as engine, read_transaction(engine) as connection:
        return 0 if find_closure(connection) is not None else count_files_without_pattern(connection)


def find_missing_patterns(connection: sa.Connection) -> tuple[int, tuple[str, ...]]:
    """Return how many characteristic maps have no pattern, and a sentence on them if there are any."""
    count = count_files_without_pattern(connection)
    return count, (describe_missing_patterns(count),) if count else ()


def describe_missing_patterns(count: int) -> str:
    """Return a sentence on maps without a pattern."""
    verb = "has" if count == 1 else "have"
    return f"{format_count(count, 'stored gain map')} {verb} no pattern yet, so nothing is compared with them"


def _describe(count: int) -> str:
    return f"patterns of {format_count(count, 'stored map')}, computed later, by algorithm {ALGORITHM}"


def _compute_pattern(store: ContentStore, file: PatternlessFile) -> FilePattern | RegistryError:
    """Return the pattern of a stored file, or why it has none: it is missing, damaged or cannot be read."""
    detector = DETECTOR_TYPES[file.detector_type]
    place = store.locate(file.sha256)
    try:
        content = store.read_into(file.sha256, file.size, memoryview(bytearray()), file.blake3)
        return compute_file_pattern(content, place, detector, detector.find_kind(file.kind))
    except StoreServerError:
        raise
    except (CorruptionError, RequestError, UnavailableError) as error:  # the others are recorded
        return error


def _build_problems(backend: Backend, unread: dict[str, RegistryError]) -> tuple[Problem, ...]:
    if not unread:
        return ()
    with backend.read_transaction() as view:
        uses = list_uses(view.connection, list(unread))
    return tuple(
        Problem(
            sha256,
            backend.store.locate(sha256),
            f"{error}; it is {describe_uses(uses.get(sha256, ()))}",
            denied=isinstance(error, DeniedError),
        )
        for sha256, error in unread.items()
    )
