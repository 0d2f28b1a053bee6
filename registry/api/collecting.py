"""Remove files of the store that nothing refers to, where no writer can need them.

Most were left by a crash or a refusal. But one may belong to a writer who has stored files and waits for the lock to
record them, and one that has been there for a year may just have been found by such a writer. Neither is lost, in any
order of events:

- Files are removed under the writers' lock, after the rows have been read again. A writer checks under the same
  lock that its files are there, stores the missing ones again, and has recorded them when it releases the lock
  (`Backend.record_revision`). So a file that a row refers to is never removed.
- Files are kept for a day after they were stored or found by `ContentStore.add_object`. This spares writers
  the second copy, and keeps what somebody who restores a database by hand still needs.

The rows of another database of the registry may refer to them, too: one whose history is not known to be that of the
store removes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager

from msgspec.structs import replace

from registry.api.backend import Backend
from registry.authorship import build_signature
from registry.database.change import Change
from registry.database.store_heads import find_missing_head, foreign_head_error
from registry.errors import ConflictError, StoreServerError, UnavailableError
from registry.files import STALE_AFTER_SECONDS
from registry.identifiers import format_count
from registry.lookup import stored_files
from registry.parallel import map_in_threads
from registry.records import UnreferencedFile
from registry.store import ContentStore


def refuse_collecting(backend: Backend) -> None:
    """Refuse a database that may not be the one of the newest history of its store.

    Raises
    ------
    ClosedError
        It takes no writes: the store may serve the registry in its new place, which needs files that are of no use
        here.
    ConflictError
        Its history lacks the store's head, or a revision is announced to the store, or the store has no head.
    """
    with (
        backend.database.write_transaction(build_signature(), dry_run=True) as change,
        _hold_head(backend, change),
    ):
        pass


@contextmanager
def _hold_head(backend: Backend, change: Change) -> Iterator[None]:
    """Let no other database write to the store meanwhile; refuse where the history may not be the newest."""
    file = backend.database.head_file
    if file is None:  # never in an open registry
        raise ConflictError("the store is not known")
    with file.lock():
        state = file.read()
        missing = None if state is None else find_missing_head(state, change)
        if missing is not None:
            raise foreign_head_error(missing, change.newest_head)
        if change.awaited is not None:
            raise ConflictError(
                f"{change.awaited} was announced to the store and is not recorded here: files may be of that revision;"
                " nothing is removed until the next write",
                coming=str(change.awaited),
            )
        if state is None and change.newest:
            raise ConflictError(
                "the store names no head: whether this database is the newest is not known; nothing is removed until"
                " the next write",
                database=str(change.newest_head),
            )
        yield


def find_unreferenced_files(
    store: ContentStore, keys: Iterable[str], referenced: Container[str]
) -> list[UnreferencedFile]:
    """Return those of the store's files that are not among the objects with these checksums."""
    strays = [key for key in keys if not store.is_referenced(key, referenced)]
    measured = map_in_threads(lambda key: _measure_file(store, key), strays, store.threads)
    return [file for file in measured if file is not None]


def _measure_file(store: ContentStore, key: str) -> UnreferencedFile | None:
    """Return the present size and age of a file, and why it is kept; None where it is gone."""
    path = store.storage.locate(key)
    try:
        entry = store.stat_file(key)
    except StoreServerError:
        raise
    except UnavailableError as error:
        return UnreferencedFile(path, 0, 0, kept=str(error))
    if entry is None:
        return None
    age = int(time.time() - entry.stored_at)
    kept = None
    if age < STALE_AFTER_SECONDS:
        kept = "younger than a day"
    elif not store.is_own_file(entry):
        kept = "not a name that the store gives"
    return UnreferencedFile(path, entry.size, age, kept)


def keep_all_files(files: Iterable[UnreferencedFile]) -> list[UnreferencedFile]:
    """Return the files of a registry with problems: those that damaged rows no longer name may be all that is left."""
    return [file if file.kept else replace(file, kept="the registry has problems") for file in files]


def remove_unreferenced_files(
    backend: Backend, candidates: Iterable[UnreferencedFile]
) -> list[UnreferencedFile]:
    """Remove those of the files that may be removed; return all that were there, with what happened to each."""
    # Records no facts, so makes no revision; but it takes the lock, and a closed registry refuses.
    with backend.database.write_transaction(build_signature()) as change, _hold_head(backend, change):
        referenced = stored_files.read_file_sizes(change.connection)
        keys = [backend.store.storage.find_key(file.path) for file in candidates]
        return [
            _remove_file(backend.store, file)
            for file in find_unreferenced_files(backend.store, keys, referenced)
        ]


def _remove_file(store: ContentStore, file: UnreferencedFile) -> UnreferencedFile:
    if file.kept is not None:
        return file
    try:
        store.remove_file(store.storage.find_key(file.path))
    except StoreServerError:
        raise
    except UnavailableError as error:
        return replace(file, kept=str(error))
    return replace(file, removed=True)


def summarise_unreferenced_files(files: Sequence[UnreferencedFile], *, keep_all: bool) -> list[str]:
    """Return a note on the files that nothing refers to."""
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
