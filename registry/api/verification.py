"""Compare the whole registry with what was recorded: every byte, every seal and rule. Nothing is repaired.

Files in the store that nothing refers to are listed, and removed on request: see `api.collecting`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sqlalchemy as sa

from registry import schema
from registry.api.backend import Backend
from registry.api.collecting import (
    find_unreferenced_files,
    keep_all_files,
    refuse_collecting,
    remove_unreferenced_files,
    summarise_unreferenced_files,
)
from registry.api.late_patterns import describe_missing_patterns
from registry.api.sealed_history import SealedHistory, read_claim
from registry.arrays import describe_content
from registry.errors import CorruptionError, DeniedError, RequestError, UnavailableError
from registry.files import blake3_of
from registry.heads import Head, parse_head
from registry.lookup import integrity_rules, stored_files
from registry.lookup.missing_patterns import count_files_without_pattern
from registry.lookup.recorded_mix_ups import find_mix_ups
from registry.parallel import Progress, map_in_threads
from registry.records import Problem, RecordedFile, Verification
from registry.settings import location_warnings
from registry.store import ContentStore, manifest_sha256


def verify(
    backend: Backend,
    progress: Progress,
    *,
    heads: Sequence[str] = (),
    collect: bool = False,
    patterns: bool = False,
) -> Verification:
    """Compute every seal and every file's checksum, and check the rows against the rules; see `Registry.verify`."""
    quoted = [parse_head(head) for head in heads]
    if collect:
        refuse_collecting(backend)
    # Before the rows are read: what a writer stores from now on is not checked.
    present = backend.store.list_files()
    database = backend.database.name
    history = SealedHistory(database)
    problems = [Problem(None, database, text) for text in backend.database.find_differences()]
    try:
        broken_rules = list(_check_rows(backend, history, quoted, progress, has_differences=bool(problems)))
        with backend.read_transaction() as view:
            files = stored_files.list_recorded_files(view.connection)
            manifests = stored_files.list_manifests(view.connection)
            without_patterns = count_files_without_pattern(view.connection)
    except CorruptionError as error:
        problems += [*history.problems, Problem(None, database, str(error))]
        unread = "the files were not checked: what is recorded of them cannot be read"
        return Verification(0, tuple(problems), (*history.notes, unread))
    problems += [*history.problems, *(Problem(None, database, text) for text in broken_rules)]
    problems += [
        Problem(sha256, f"constants {sha256}", "the files are not those of the manifest")
        for sha256, detector_type, kind, parts in manifests
        if manifest_sha256(detector_type, kind, parts) != sha256
    ]
    is_sound = not problems
    problems += _find_damaged_files(backend, files, progress)
    unreferenced = find_unreferenced_files(backend.store, present, {file.sha256 for file in files})
    if problems:
        unreferenced = keep_all_files(unreferenced)
    if collect and any(file.kept is None for file in unreferenced):
        unreferenced = remove_unreferenced_files(backend, unreferenced)
    notes = [*history.notes, *summarise_unreferenced_files(unreferenced, keep_all=bool(problems))]
    notes += location_warnings(backend.database.url)
    if without_patterns:
        notes.append(describe_missing_patterns(without_patterns))
    mix_ups = None
    if patterns and is_sound:
        with backend.read_transaction() as view:
            mix_ups = find_mix_ups(view.connection, progress)
        notes += mix_ups.notes
    elif patterns:
        notes.append("patterns were not compared: what is recorded is damaged")
    return Verification(
        len(files) + len(manifests),
        tuple(problems),
        tuple(notes),
        tuple(unreferenced),
        head=None if history.head is None else str(history.head),
        without_patterns=without_patterns,
        mix_ups=None if mix_ups is None else mix_ups.recorded,
        allowed_mix_ups=None if mix_ups is None else mix_ups.allowed,
    )


def _check_rows(
    backend: Backend,
    history: SealedHistory,
    quoted: Sequence[Head],
    progress: Progress,
    *,
    has_differences: bool,
) -> Iterator[str]:
    """Compare the history with its seals, then yield what breaks a rule.

    Raises
    ------
    CorruptionError
        The rows cannot be read.
    """
    file = backend.database.head_file
    claim = read_claim(file) if file is not None else None
    try:
        with backend.read_transaction() as view:
            if not integrity_rules.has_all_columns(view.connection):
                raise CorruptionError("tables or columns are missing: the rows cannot be checked")
            history.check(view.connection, claim, quoted, progress)
            yield from _find_broken_rules(view.connection, progress, is_sealed=history.head is not None)
    except sa.exc.DBAPIError as error:
        if not has_differences:
            raise
        raise CorruptionError(f"the rows cannot be read: {str(error.orig).partition(chr(10))[0]}") from error


def _find_broken_rules(connection: sa.Connection, progress: Progress, *, is_sealed: bool) -> Iterator[str]:
    """Yield what is wrong with the rows; raise a `CorruptionError` where they cannot be read."""
    # What its writer sealed, the guards have asked for its types; and seals are of texts that can be read.
    unproven = schema.metadata.sorted_tables
    if is_sealed and not integrity_rules.has_late_seals(connection):
        unproven = [schema.registry, schema.closure, schema.seal, schema.export_seal]
    type_rules = integrity_rules.list_type_rules(connection, unproven)
    damaged = [problem for rule in type_rules if (problem := rule.find_problem(connection))]
    if damaged:
        raise CorruptionError.combine("sorts of rows are damaged", damaged)
    unread = (schema.registry, schema.closure) if is_sealed else schema.metadata.sorted_tables
    integrity_rules.read_texts(connection, unread)
    rules = list(integrity_rules.list_rules())
    with progress("checking rows", len(rules)) as advance:
        for rule in rules:
            problem = rule.find_problem(connection)
            advance()
            if problem is not None:
                yield problem
    yield from integrity_rules.find_wrong_latest_starts(connection)
    yield from integrity_rules.find_invalid_names(connection)


def _find_damaged_files(backend: Backend, files: Sequence[RecordedFile], progress: Progress) -> list[Problem]:
    """Read every file, on all processors, and return what is wrong, with the versions that need it."""
    damaged: dict[str, str] = {}
    denied: set[str] = set()
    with progress("verifying files", len(files)) as advance:
        results = map_in_threads(lambda file: _check_file(backend.store, file), files)
        for file, problem in zip(files, results, strict=True):
            advance()
            if problem is not None:
                damaged[file.sha256] = str(problem)
            if isinstance(problem, DeniedError):
                denied.add(file.sha256)
    with backend.read_transaction() as view:
        uses = stored_files.list_uses(view.connection, list(damaged))
    return [
        Problem(
            sha256,
            str(backend.store.object_path(sha256)),
            f"{problem}; it is {stored_files.describe_uses(uses.get(sha256, ()))}",
            denied=sha256 in denied,
        )
        for sha256, problem in damaged.items()
    ]


def _check_file(store: ContentStore, file: RecordedFile) -> str | DeniedError | None:
    try:
        content = store.read(file.sha256, file.size)
        dtype, shape, statistics = describe_content(content, store.object_path(file.sha256))
    except DeniedError as error:
        return error
    except (CorruptionError, RequestError, UnavailableError) as error:  # a bad sector does not end the check
        return str(error)
    blake3 = None if file.blake3 is None else blake3_of(content)
    actual = RecordedFile(file.sha256, len(content), dtype, ",".join(map(str, shape)), statistics, blake3)
    if actual == file:
        return None
    return f"object {file.sha256} is intact, but what is recorded of its content differs from what it holds"
