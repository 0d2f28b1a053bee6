"""Compare the whole registry with what was recorded: every byte, reference and rule. Nothing is repaired.

Files in the store that nothing refers to are listed, and removed on request. Most were left by a crash or a
refusal. But one may belong to a writer who has stored files and waits for the lock to record them, and one
that has been there for a year may just have been found by such a writer. Neither is lost, in any order of events:

- Files are removed under the writers' lock, after the rows have been read again. A writer checks under the same
  lock that its files are there, stores the missing ones again, and has recorded them when it releases the lock
  (`Backend.record_revision`). So a file that a row refers to is never removed.
- Files are kept for a day after they were stored or found by `ContentStore.add_object`. This spares writers
  the second copy, and keeps what somebody who restores a database by hand still needs.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from registry.api.backend import Backend
from registry.arrays import describe_content
from registry.authorship import build_signature
from registry.errors import CorruptionError, RequestError, UnavailableError
from registry.files import STALE_AFTER_SECONDS, blake3_of
from registry.identifiers import format_count
from registry.lookup import integrity_rules, stored_files
from registry.parallel import Progress, map_in_threads
from registry.records import Problem, RecordedFile, UnreferencedFile, Verification
from registry.settings import location_warnings
from registry.store import ContentStore, manifest_sha256


def verify(backend: Backend, progress: Progress, *, collect: bool = False) -> Verification:
    """Compute every stored file's checksum and check all rows against the rules; see `Registry.verify`."""
    if collect:
        # The store may serve the registry in its new place, which needs files that are of no use here.
        backend.database.refuse_closed()
    # Before the rows are read: what a writer stores from now on is not checked.
    present = backend.store.list_files()
    problems: list[Problem] = []
    database = backend.database.name
    try:
        problems += [Problem(None, database, text) for text in backend.database.find_differences()]
        problems += [Problem(None, database, text) for text in _find_broken_rules(backend, progress)]
        with backend.read_transaction() as view:
            files = stored_files.list_recorded_files(view.connection)
            manifests = stored_files.list_manifests(view.connection)
    except CorruptionError as error:
        unread = "the files were not checked: what is recorded of them cannot be read"
        return Verification(0, (*problems, Problem(None, database, str(error))), (unread,))
    problems += [
        Problem(sha256, f"constants {sha256}", "the files are not those of the manifest")
        for sha256, detector_type, kind, parts in manifests
        if manifest_sha256(detector_type, kind, parts) != sha256
    ]
    problems += _find_damaged_files(backend, files, progress)
    unreferenced = find_unreferenced_files(backend.store, present, {file.sha256 for file in files})
    # Where rows are damaged, the files that they no longer name may be all that is left.
    if collect and not problems and any(file.kept is None for file in unreferenced):
        unreferenced = remove_unreferenced_files(backend, unreferenced)
    notes = _summarise_unreferenced_files(unreferenced, keep_all=collect and bool(problems))
    notes += location_warnings(backend.database.url)
    return Verification(len(files) + len(manifests), tuple(problems), tuple(notes), tuple(unreferenced))


def _find_broken_rules(backend: Backend, progress: Progress) -> Iterator[str]:
    """Yield what is wrong with the rows; raise a `CorruptionError` where they cannot be read."""
    with backend.read_transaction() as view:
        connection = view.connection
        if not integrity_rules.has_all_columns(connection):
            raise CorruptionError("tables or columns are missing: the rows cannot be checked")
        type_rules = integrity_rules.list_type_rules(connection)
        damaged = [problem for rule in type_rules if (problem := rule.find_problem(connection))]
        if damaged:
            raise CorruptionError.combine("sorts of rows are damaged", damaged)
        integrity_rules.read_all_texts(connection)
        rules = list(integrity_rules.list_rules())
        with progress("checking rows", len(rules)) as advance:
            for rule in rules:
                problem = rule.find_problem(connection)
                advance()
                if problem is not None:
                    yield problem
        yield from integrity_rules.find_invalid_names(connection)


def _find_damaged_files(backend: Backend, files: Sequence[RecordedFile], progress: Progress) -> list[Problem]:
    """Read every file, on all processors, and return what is wrong, with the versions that need it."""
    damaged: dict[str, str] = {}
    with progress("verifying files", len(files)) as advance:
        results = map_in_threads(lambda file: _check_file(backend.store, file), files)
        for file, problem in zip(files, results, strict=True):
            advance()
            if problem is not None:
                damaged[file.sha256] = problem
    with backend.read_transaction() as view:
        uses = stored_files.describe_uses(view.connection, list(damaged))
    return [
        Problem(
            sha256,
            str(backend.store.object_path(sha256)),
            f"{problem}; it is {uses.get(sha256, 'of no version')}",
        )
        for sha256, problem in damaged.items()
    ]


def _check_file(store: ContentStore, file: RecordedFile) -> str | None:
    try:
        content = store.read(file.sha256, file.size)
        dtype, shape, statistics = describe_content(content, store.object_path(file.sha256))
    except (CorruptionError, RequestError, UnavailableError) as error:  # a bad sector does not end the check
        return str(error)
    blake3 = None if file.blake3 is None else blake3_of(content)
    actual = RecordedFile(file.sha256, len(content), dtype, ",".join(map(str, shape)), statistics, blake3)
    if actual == file:
        return None
    return f"object {file.sha256} is intact, but what is recorded of its content differs from what it holds"


def find_unreferenced_files(
    store: ContentStore, files: Iterable[Path], referenced: Container[str]
) -> list[UnreferencedFile]:
    """Return those of the store's files that are not among the objects with these checksums."""
    measured = (_measure_file(store, path) for path in files if not store.is_referenced(path, referenced))
    return [file for file in measured if file is not None]


def _measure_file(store: ContentStore, path: Path) -> UnreferencedFile | None:
    """Return the present size and age of a file, and why it is kept; None where it is gone."""
    try:
        measures = store.stat_file(path)
    except UnavailableError as error:
        return UnreferencedFile(str(path), 0, 0, kept=str(error))
    if measures is None:
        return None
    size, stored_at = measures
    age = int(time.time() - stored_at)
    kept = None
    if age < STALE_AFTER_SECONDS:
        kept = "younger than a day"
    elif not store.is_own_file(path):
        kept = "not a name that the store gives"
    return UnreferencedFile(str(path), size, age, kept)


def remove_unreferenced_files(
    backend: Backend, candidates: Iterable[UnreferencedFile]
) -> list[UnreferencedFile]:
    """Remove those of the files that may be removed; return all that were there, with what happened to each."""
    # Records no facts, so makes no revision; but it takes the lock, and a closed registry refuses.
    with backend.database.write_transaction(build_signature()) as change:
        referenced = stored_files.read_file_sizes(change.connection)
        paths = [Path(file.path) for file in candidates]
        return [
            _remove_file(backend.store, file)
            for file in find_unreferenced_files(backend.store, paths, referenced)
        ]


def _remove_file(store: ContentStore, file: UnreferencedFile) -> UnreferencedFile:
    if file.kept is not None:
        return file
    try:
        store.remove_file(Path(file.path))
    except UnavailableError as error:
        return replace(file, kept=str(error))
    return replace(file, removed=True)


def _summarise_unreferenced_files(files: Sequence[UnreferencedFile], *, keep_all: bool) -> list[str]:
    if not files:
        return []
    count = format_count(len(files), "file")
    removed = sum(file.removed for file in files)
    if removed:
        return [f"of {count} to which nothing refers, {removed} removed"]
    note = f"{count} in the store {'is' if len(files) == 1 else 'are'} referred to by nothing"
    removable = sum(file.kept is None for file in files)
    if keep_all:
        return [f"{note}; a registry with problems keeps every file"]
    return [f"{note}; {removable} can be removed" if removable else note]
