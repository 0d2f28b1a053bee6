"""Move a registry to another database and close the former one; copy stored files into another store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from registry import instants, schema
from registry.api.backend import Backend, open_backend
from registry.authorship import build_signature, escape_undecodable
from registry.database.closing import Closure, record_closure, refuse_closed
from registry.database.creation import populate_database, refuse_occupied
from registry.database.transactions import Database
from registry.database.transfer import copy_rows, select_all_rows
from registry.errors import ClosedError, CorruptionError, RegistryError, RequestError, UnavailableError
from registry.lookup.revisions import read_newest_revision
from registry.parallel import Progress, no_progress
from registry.records import RegistryCopy
from registry.settings import find_settings, mask_database_url
from registry.store import ContentStore

_BATCH_SIZE = 1000


def copy_registry(
    to: str,
    to_store: str | Path | None = None,
    database: str | None = None,
    store: str | Path | None = None,
    *,
    progress: Progress = no_progress,
) -> RegistryCopy:
    """Move a registry to an empty database, SQLite or PostgreSQL; all revisions, ids and checksums stay the same.

    Both databases can never be written at the same time. The source takes no writes while its rows are copied;
    the target is committed closed, then the source is closed permanently, then the target is opened. After an
    interruption the same call completes the move, or starts it again if the source is still open.

    Parameters
    ----------
    to
        URL of the new database.
    to_store
        Folder for a copy of the stored files; by default the new database uses the present store.
    database, store
        The registry to move; by default that of the environment.

    Raises
    ------
    ConflictError
        The new database holds a registry, or the new store belongs to another registry.
    ClosedError
        The registry has been moved before.
    CorruptionError
        Stored files are missing or damaged, and `to_store` is given.
    """
    settings = find_settings(database, store)
    new = find_settings(to, to_store or settings.store)
    backend = open_backend(settings, None)
    with closing(backend.database):
        if backend.database.closure is not None:
            return _finish_interrupted_move(backend, backend.database.closure, to, new.store)
        refuse_occupied(to, backend.database.registry_id)
        objects, files = ContentStore(new.store), CopiedFiles()
        if new.store != settings.store:
            objects.create(backend.database.registry_id)
            with backend.read_transaction() as view:  # most of them, while others may write
                files = copy_objects(view.connection, backend.store, objects, progress)
        return _move(backend, to, objects, files, progress)


def _move(
    backend: Backend, to: str, objects: ContentStore, files: CopiedFiles, progress: Progress
) -> RegistryCopy:
    at, signature = instants.now(), build_signature()
    with backend.database.exclusive_transaction() as source:
        refuse_closed(source)
        if objects.root != backend.store.root:
            late = copy_objects(source, backend.store, objects, progress)
            files = CopiedFiles(files.copied + late.copied, files.already_present)
        with populate_database(to, backend.database.registry_id) as target:
            rows = copy_rows(source, target, select_all_rows(source, target), progress)
            former = escape_undecodable(mask_database_url(backend.database.url))
            record_closure(target, "arrival", former, at, signature)
        revision = read_newest_revision(source)
        record_closure(source, "departure", escape_undecodable(mask_database_url(to)), at, signature)
    with closing(Database(to)) as opened:
        opened.open_for_writes()
    return summarise_copy(backend.database.registry_id, revision, to, objects.root, rows, files)


def _finish_interrupted_move(backend: Backend, closure: Closure, to: str, store: Path) -> RegistryCopy:
    """Open the new database, which an interrupted move left closed; refuse a registry that moved elsewhere."""
    closed_error = ClosedError(str(closure), reason=closure.reason, place=closure.place)
    try:
        target = Database(to)
    except RegistryError:
        raise closed_error from None
    with closing(target):
        arrival = target.closure
        expected = ("arrival", closure.closed_at)
        if arrival is None or (arrival.reason, arrival.closed_at) != expected:
            raise closed_error
        if target.registry_id != backend.database.registry_id:
            raise closed_error
        target.open_for_writes()
        with target.read_transaction() as connection:
            revision = read_newest_revision(connection)
    note = "everything had been copied before; the new database is now open"
    return summarise_copy(target.registry_id, revision, to, store, {}, CopiedFiles(), note)


@dataclass(frozen=True, slots=True)
class CopiedFiles:
    """The numbers of files that were copied and that were present before."""

    copied: int = 0
    already_present: int = 0


def copy_objects(
    connection: sa.Connection,
    source: ContentStore,
    target: ContentStore,
    progress: Progress,
    *,
    verify: bool = False,
) -> CopiedFiles:
    """Copy every file to which the database refers; an interrupted copy leaves no incomplete file.

    Parameters
    ----------
    verify
        Read the files that the target has already, and replace those that are damaged. Without it a file of
        the right name and size is not read again.

    Raises
    ------
    CorruptionError
        Files of the source are missing or damaged: all of them are named, and all others were copied.
    """

    def copy(file: tuple[str, int]) -> bool | str:
        return _copy_object(source, target, *file, verify=verify)

    total = connection.execute(sa.select(sa.func.count()).select_from(schema.blob)).scalar_one()
    problems: list[str] = []
    counts = {True: 0, False: 0}
    with progress("copying files", total) as advance, ThreadPoolExecutor(os.cpu_count()) as pool:
        for files in _read_batches(connection):
            for result in pool.map(copy, files):
                advance()
                if isinstance(result, str):
                    problems.append(result)
                else:
                    counts[result] += 1
    if problems:
        raise CorruptionError.combine("files cannot be copied", problems)
    return CopiedFiles(counts[True], counts[False])


def _copy_object(
    source: ContentStore, target: ContentStore, sha256: str, size: int, *, verify: bool
) -> bool | str:
    """Copy a file; return whether it was missing, or what is wrong with the original."""
    if not verify:
        with suppress(OSError):
            if target.object_path(sha256).stat().st_size == size:
                return False
    try:
        return target.add_object(source.object_path(sha256), sha256)
    except (RequestError, UnavailableError):
        problem = source.find_problem(sha256, size)
        if problem is None:  # the target cannot be written
            raise
        return problem


def _read_batches(connection: sa.Connection) -> Iterator[list[tuple[str, int]]]:
    """Yield the checksums and sizes of the files in batches."""
    query = sa.select(schema.blob.c.sha256, schema.blob.c.size).order_by(schema.blob.c.sha256)
    for rows in connection.execute(query, execution_options={"yield_per": _BATCH_SIZE}).partitions():
        yield [(row.sha256, row.size) for row in rows]


def summarise_copy(
    registry_id: str,
    revision: int,
    url: str,
    store: Path,
    rows: dict[str, int],
    files: CopiedFiles,
    *notes: str,
) -> RegistryCopy:
    """Return the record of a copy of a registry, without the password in the URL of its database."""
    return RegistryCopy(
        registry=registry_id,
        revision=revision,
        database=mask_database_url(url),
        store=str(store),
        rows=rows,
        files=files.copied,
        files_there=files.already_present,
        notes=notes,
    )
