"""Is the whole registry as it was recorded? Every byte, every reference, every rule; nothing is repaired.

Files in the store to which nothing refers are listed, and removed where nobody can be about to need them.
Most were left by a crash or a refusal. But one may be a writer's who has stored his files and waits for his
turn to record them, and one that lay there for a year may have been found by such a writer a moment ago.
Neither is lost, whatever the order of events:

- Files are removed under the writers' lock, after a fresh look at the rows. A writer looks under the same
  lock whether his files are there, stores again those that are not, and has recorded them when he lets go
  (`Backend.record_revision`). So nothing is removed that a row refers to, and no row refers to what was removed.
- A day of grace, counted from when a file was stored or found there by `ContentStore.add_object`, spares writers
  that second copy, and keeps what somebody who restores a database by hand still needs.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from registry.api.backend import Backend
from registry.arrays import describe_content
from registry.authorship import build_signature
from registry.database.location import location_warnings
from registry.digests import blake3_of
from registry.durable import STALE_AFTER_SECONDS
from registry.errors import CorruptionError, RequestError, UnavailableError
from registry.lookup import integrity_rules, stored_files
from registry.progress import Progress
from registry.records import Problem, RecordedFile, UnreferencedFile, Verification
from registry.store import ContentStore, manifest_sha256
from registry.threads import map_in_threads

_TOO_YOUNG = "younger than a day"
_FOREIGN_NAME = "not a name that the store gives"


def verify(backend: Backend, progress: Progress, *, collect: bool = False) -> Verification:
    """Compute every stored file's checksum and hold all rows against the rules; see `Registry.verify`."""
    if collect:
        # The store may serve the registry in its new place: what is of no use here may be of use there.
        backend.database.refuse_closed()
    # Before the rows are read: what a writer stores from now on is his business.
    present = backend.store.list_files()
    problems: list[Problem] = []
    place = backend.database.name
    try:
        problems += [Problem(None, place, each) for each in backend.database.find_differences()]
        problems += [Problem(None, place, each) for each in _find_broken_rules(backend, progress)]
        with backend.read_transaction() as view:
            files = stored_files.list_recorded_files(view.connection)
            stated = stored_files.list_manifests(view.connection)
    except CorruptionError as error:
        unread = "the files were not checked: what is recorded of them cannot be read"
        return Verification(0, (*problems, Problem(None, place, str(error))), (unread,))
    problems += [
        Problem(sha256, f"constants {sha256}", "the files are not those of the manifest")
        for sha256, detector_type, kind, parts in stated
        if manifest_sha256(detector_type, kind, parts) != sha256
    ]
    problems += _find_damaged_files(backend, files, progress)
    found = find_unreferenced_files(backend.store, present, {file.sha256 for file in files})
    # Where rows are damaged, the files that they no longer name may be all that is left.
    if collect and not problems and any(file.kept is None for file in found):
        found = remove_unreferenced_files(backend, found)
    notes = summarise_unreferenced_files(found, refused=collect and bool(problems)) + location_warnings(
        backend.database.url
    )
    return Verification(len(files) + len(stated), tuple(problems), tuple(notes), tuple(found))


def _find_broken_rules(backend: Backend, progress: Progress) -> Iterator[str]:
    """Yield what is wrong with the rows.

    Raises
    ------
    CorruptionError
        Rows cannot be read, or hold what no row can hold.
    """
    with backend.read_transaction() as view:
        connection = view.connection
        if not integrity_rules.has_all_columns(connection):
            raise CorruptionError("tables or columns are missing: the rows cannot be checked")
        odd = [
            each
            for rule in integrity_rules.list_type_rules(connection)
            if (each := rule.find_problem(connection))
        ]
        if odd:
            raise CorruptionError.combine("sorts of rows are damaged", odd)
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
    """Read every file, by all processors, and return what is wrong, with the versions that need it."""
    found: dict[str, str] = {}
    with progress("verifying files", len(files)) as advance:
        looked = map_in_threads(lambda file: _check_file(backend.store, file), files)
        for file, problem in zip(files, looked, strict=True):
            advance()
            if problem is not None:
                found[file.sha256] = problem
    with backend.read_transaction() as view:
        uses = stored_files.describe_uses(view.connection, list(found))
    return [
        Problem(
            sha256,
            str(backend.store.object_path(sha256)),
            f"{problem}; it is {uses.get(sha256, 'of no version')}",
        )
        for sha256, problem in found.items()
    ]


def _check_file(store: ContentStore, file: RecordedFile) -> str | None:
    try:
        content = store.read(file.sha256, file.size)
        dtype, shape, statistics = describe_content(content, store.object_path(file.sha256))
    except (
        CorruptionError,
        RequestError,
        UnavailableError,
    ) as error:  # a bad sector is a problem, not the end
        return str(error)
    blake3 = None if file.blake3 is None else blake3_of(content)
    seen = RecordedFile(file.sha256, len(content), dtype, ",".join(map(str, shape)), statistics, blake3)
    if seen == file:
        return None
    return f"object {file.sha256} is sound, and what is recorded of its content is not what it holds"


def find_unreferenced_files(
    store: ContentStore, files: Iterable[Path], referenced: Container[str]
) -> list[UnreferencedFile]:
    """Return those of the store's files that are none of the objects with these checksums."""
    found = (_measure_file(store, path) for path in files if not store.is_referenced(path, referenced))
    return [file for file in found if file is not None]


def _measure_file(store: ContentStore, path: Path) -> UnreferencedFile | None:
    """Return what is known of a file just now, None where it is gone."""
    try:
        measures = store.stat_file(path)
    except UnavailableError as error:
        return UnreferencedFile(str(path), 0, 0, kept=str(error))
    if measures is None:
        return None
    size, stored_at = measures
    age = int(time.time() - stored_at)
    kept = _TOO_YOUNG if age < STALE_AFTER_SECONDS else None if store.is_own_file(path) else _FOREIGN_NAME
    return UnreferencedFile(str(path), size, age, kept)


def remove_unreferenced_files(
    backend: Backend, candidates: Iterable[UnreferencedFile]
) -> list[UnreferencedFile]:
    """Remove those of the files that may be removed, and return what became of each."""
    # Nothing is recorded, so there is no revision; but the lock is held, and a closed registry refuses.
    with backend.database.write_transaction(build_signature()) as change:
        referenced = stored_files.read_file_sizes(change.connection)
        return [
            _remove_file(backend.store, again)
            for file in candidates
            if not backend.store.is_referenced(Path(file.path), referenced)
            and (again := _measure_file(backend.store, Path(file.path))) is not None
        ]


def _remove_file(store: ContentStore, file: UnreferencedFile) -> UnreferencedFile:
    if file.kept is not None:
        return file
    try:
        store.remove_file(Path(file.path))
    except UnavailableError as error:
        return replace(file, kept=str(error))
    return replace(file, removed=True)


def summarise_unreferenced_files(files: Sequence[UnreferencedFile], *, refused: bool) -> list[str]:
    """Return what is to be said of the files altogether."""
    if not files:
        return []
    removed = sum(file.removed for file in files)
    if removed:
        return [f"of {_format_file_count(len(files))} to which nothing refers, {removed} removed"]
    said = f"{_format_file_count(len(files))} in the store {'is' if len(files) == 1 else 'are'} referred to by nothing"
    removable = sum(file.kept is None for file in files)
    if refused:
        return [f"{said}; a registry with problems keeps every file"]
    return [f"{said}; --collect removes {removable}" if removable else said]


def _format_file_count(count: int) -> str:
    return f"{count} file{'' if count == 1 else 's'}"
