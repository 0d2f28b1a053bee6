"""Files in the store to which nothing refers: listed, and removed where nobody can be about to need them.

Most were left by a crash or a refusal. But one may be a writer's who has stored his files and waits for his
turn to record them, and one that lay there for a year may have been found by such a writer a moment ago.
Neither is lost, whatever the order of events:

- Files are removed under the writers' lock, after a fresh look at the rows. A writer looks under the same
  lock whether his files are there, stores again those that are not, and has recorded them when he lets go
  (`Backend.change`). So nothing is removed that a row refers to, and no row refers to what was removed.
- A day of grace, counted from when a file was stored or found there by `ContentStore.put`, spares writers
  that second copy, and keeps what somebody who restores a database by hand still needs.
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from registry.api.backend import Backend
from registry.authorship import build_signature
from registry.durable import STALE_AFTER_SECONDS
from registry.errors import UnavailableError
from registry.lookup import stored_files
from registry.records import UnreferencedFile
from registry.store import ContentStore

_TOO_YOUNG = "younger than a day"
_FOREIGN_NAME = "not a name that the store gives"


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
