"""Move a registry to another database and close the former one, so that there are never two."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

import sqlalchemy as sa

from registry import instants
from registry.api.arguments import check_arguments
from registry.api.attempts import note_move
from registry.api.backend import Backend, open_backend
from registry.api.incomplete_copies import CopiedFiles, read_missing_files
from registry.api.objects import StoredFiles, copy_objects, copy_recorded_objects, summarise_copy
from registry.authorship import build_signature, escape_undecodable
from registry.database.closing import Closure, find_newest_closure, record_closure, refuse_closed
from registry.database.creation import populate_database, refuse_occupied
from registry.database.engine import lift_idle_limit
from registry.database.histories import refuse_foreign_database
from registry.database.later_rows import copy_later_rows, count_rows
from registry.database.seals import find_head, read_head
from registry.database.store_heads import HeadKeeper
from registry.database.transactions import Database
from registry.database.transfer import copy_rows, refuse_dangling, select_all_rows
from registry.errors import ClosedError, RegistryError
from registry.heads import HeadFile
from registry.lookup.revisions import read_newest_revision
from registry.parallel import Progress, no_progress
from registry.records import RegistryCopy
from registry.settings import find_settings, mask_database_url, refuse_pin
from registry.storage import Place
from registry.store import ContentStore

_WHAT = "the move"


@check_arguments
def copy_registry(
    to: str,
    to_store: str | Path | None = None,
    database: str | None = None,
    store: str | Path | None = None,
    *,
    progress: Progress = no_progress,
) -> RegistryCopy:
    """Move a registry to an empty database, SQLite or PostgreSQL; all revisions, ids and checksums stay the same.

    Both databases can never be written at the same time. The source takes no writes while its last rows are copied;
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
        The new database holds a registry, the new store belongs to another registry, or the database lacks what was
        committed to one of the stores.
    ClosedError
        The registry has been moved before.
    CorruptionError
        The newest revision was never sealed. Or stored files are missing or damaged, and `to_store` is given: the
        registry moves without them, and ``values["missing"]`` lists them.
    UnavailableError
        A database or a store cannot be used, or stored files cannot be read: the registry has not moved.
    """
    refuse_pin("move the registry")
    settings = find_settings(database, store)
    new = find_settings(to, to_store or settings.store)
    backend = open_backend(settings, None)
    with closing(backend.database):
        note_move(settings.database, to)
        if backend.database.closure is not None:
            return _finish_interrupted_move(backend, backend.database.closure, to, new.store)
        refuse_occupied(to, backend.database.registry_id)
        objects = ContentStore(new.store)
        if objects.read_owner() is not None:
            objects.refuse_other_registry(backend.database.registry_id)
        with backend.read_transaction() as view:
            find_head(view.connection, view.revision)
            _refuse_foreign_stores(view.connection, backend, new.store)
        backend.database.refuse_move()
        files, copied = CopiedFiles(), 0
        if new.store != settings.store:
            objects.create(backend.database.registry_id)
            files, copied = copy_recorded_objects(backend.database, backend.store, objects, progress)
            files.refuse_unreadable("the copy")
        return _move(backend, to, new.store, files, copied, progress)


def _move(
    backend: Backend, to: str, to_store: Place, files: CopiedFiles, copied: int, progress: Progress
) -> RegistryCopy:
    """Move the rows, and the files that were recorded after the revision up to which they have been copied.

    Writers wait only while what they have recorded meanwhile is copied.
    """
    at, signature, objects = instants.now(), build_signature(), ContentStore(to_store)
    with ExitStack() as copying:
        target = copying.enter_context(populate_database(to, backend.database.registry_id))
        with backend.database.read_transaction() as source:  # others write meanwhile
            lift_idle_limit(source)
            rows = copy_rows(source, target, select_all_rows(source, target), progress)
        with backend.database.exclusive_transaction() as source:
            refuse_closed(source)
            head = find_head(source, read_newest_revision(source))
            _refuse_foreign_stores(source, backend, to_store)
            if objects.place != backend.store.place:
                late = copy_objects(
                    StoredFiles.in_transaction(source, copied + 1), backend.store, objects, progress
                )
                late.refuse_unreadable("the copy")
                files += late
            if copy_later_rows(source, target, progress):
                refuse_dangling(target)
                rows = count_rows(target)
            former = escape_undecodable(mask_database_url(backend.database.url))
            record_closure(target, "arrival", former, at, signature)
            copying.close()  # commits the target: at no moment do both accept writes
            record_closure(source, "departure", escape_undecodable(mask_database_url(to)), at, signature)
    with closing(Database(to)) as opened:
        _open_for_writes(opened, to_store)
    return summarise_copy(_WHAT, backend.database.registry_id, head, to, to_store, rows, files)


def _finish_interrupted_move(backend: Backend, closure: Closure, to: str, store: Place) -> RegistryCopy:
    """Open the new database, unless the interrupted move had done that, too; refuse a registry that moved elsewhere."""
    closed_error = ClosedError(str(closure), reason=closure.reason, place=closure.place)
    try:
        target = Database(to)
    except RegistryError:
        raise closed_error from None
    with closing(target):
        with target.read_transaction() as connection:
            arrival = find_newest_closure(connection)
        expected = ("arrival", closure.closed_at)
        if arrival is None or (arrival.reason, arrival.closed_at) != expected:
            raise closed_error
        if target.registry_id != backend.database.registry_id:
            raise closed_error
        note = "everything had been copied before, and the new database is open"
        if target.closure is not None:
            _open_for_writes(target, store)
            note = "everything had been copied before; the new database is now open"
        else:
            _refuse_other_store(target, store, closed_error)
        with target.read_transaction() as connection:
            head = find_head(connection, read_newest_revision(connection))
    is_copied = str(store) != backend.store.place
    files = CopiedFiles(missing=read_missing_files(ContentStore(store)) if is_copied else ())
    return summarise_copy(_WHAT, target.registry_id, head, to, store, {}, files, note)


def _refuse_other_store(target: Database, store: Place, closed_error: ClosedError) -> None:
    """Refuse a store that does not follow the database to which the registry has moved."""
    ContentStore(store).refuse_other_registry(target.registry_id)
    state = HeadFile(store).read()
    with target.read_transaction() as connection:
        if state is None or read_head(connection) not in (state.committed, state.coming):
            raise closed_error


def _refuse_foreign_stores(source: sa.Connection, backend: Backend, store: Place) -> None:
    """Refuse to move a database that lacks the head of its store, or to a store whose head it lacks."""
    for heads in (backend.database.head_file, HeadFile(store)):
        refuse_foreign_database(source, HeadKeeper(heads))


def _open_for_writes(target: Database, store: Place) -> None:
    """Open the new database, and let the head of its store follow it."""
    keeper = HeadKeeper(HeadFile(store))
    with target.read_transaction() as connection:
        refuse_foreign_database(connection, keeper)
        head = read_head(connection)
    keeper.settle(head)
    target.open_for_writes()
