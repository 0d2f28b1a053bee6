"""A registry moves to another database; the one that it leaves is closed, so that there are never two."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from registry import instants
from registry.api.backend import Backend, open_backend
from registry.api.objects import CopiedFiles, copy_objects
from registry.authorship import build_signature, escape_undecodable
from registry.database.closing import Closure, record_closure, refuse_closed
from registry.database.creation import populate_database, refuse_occupied
from registry.database.transactions import Database
from registry.database.transfer import copy_rows, select_all_rows
from registry.errors import ClosedError, RegistryError
from registry.lookup.revisions import read_newest_revision
from registry.parallel import Progress, no_progress
from registry.records import RegistryCopy
from registry.settings import find_settings, mask_database_url
from registry.store import ContentStore


def copy_registry(
    to: str,
    to_store: str | Path | None = None,
    database: str | None = None,
    store: str | Path | None = None,
    *,
    progress: Progress = no_progress,
) -> RegistryCopy:
    """Move a registry to an empty database of either sort: every revision, id and checksum stays the same.

    At no moment can both be written. While rows are copied nobody writes to the source; the target is
    committed closed, then the source is closed for ever, then the target opened. Killed in between, the same
    copy again does the rest: where the source is still open it begins anew.

    Parameters
    ----------
    to
        URL of the new database.
    to_store
        Folder for a copy of the stored files; by default the store stays where it is and serves the new
        database.
    database, store
        The registry that moves; by default that of the environment.

    Raises
    ------
    ConflictError
        The new database holds a registry, or the new store is another registry's.
    ClosedError
        The registry has moved already.
    CorruptionError
        Stored files are missing or damaged, and `to_store` is given.
    SchemaError, UnavailableError
        A database or store cannot be used.
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
            with backend.read_transaction() as view:  # most of them, while others may still write
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
            record_closure(
                target, "arrival", escape_undecodable(mask_database_url(backend.database.url)), at, signature
            )
        revision = read_newest_revision(source)
        record_closure(source, "departure", escape_undecodable(mask_database_url(to)), at, signature)
    _open_target(to)
    return RegistryCopy(
        registry=backend.database.registry_id,
        revision=revision,
        database=mask_database_url(to),
        store=str(objects.root),
        rows=rows,
        files=files.copied,
        files_there=files.already_present,
    )


def _open_target(to: str) -> None:
    with closing(Database(to)) as target:
        target.open_for_writes()


def _finish_interrupted_move(backend: Backend, closure: Closure, to: str, store: Path) -> RegistryCopy:
    """Open what an earlier copy brought, and was killed before it opened it.

    Raises
    ------
    ClosedError
        The registry went elsewhere, or is there and open.
    """
    departed = ClosedError(str(closure), reason=closure.reason, place=closure.place)
    try:
        target = Database(to)
    except RegistryError:
        raise departed from None
    with closing(target):
        arrival = target.closure
        if target.registry_id != backend.database.registry_id or arrival is None:
            raise departed
        if (arrival.reason, arrival.closed_at) != ("arrival", closure.closed_at):
            raise departed
        target.open_for_writes()
        with target.read_transaction() as connection:
            revision = read_newest_revision(connection)
    return RegistryCopy(
        registry=target.registry_id,
        revision=revision,
        database=mask_database_url(to),
        store=str(store),
        rows={},
        files=0,
        files_there=0,
        notes=("everything had arrived before; the new database is opened now",),
    )
