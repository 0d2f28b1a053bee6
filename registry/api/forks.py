"""Make an independent registry of another one: its rows and files are copied, and it has an Id of its own from then on.

The files come first, then all rows and the revision that records the fork in one transaction, then the head and the
owner of the new store. Nobody opens a store without an owner, so after an interruption the same call completes the
fork, whatever was there.
"""

from __future__ import annotations

import uuid
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from registry import instants, schema
from registry.api.arguments import check_arguments
from registry.api.attempts import note_fork
from registry.api.backend import Backend, ReadTransaction, open_backend
from registry.api.incomplete_copies import FILE_NAME, CopiedFiles
from registry.api.mirror_refusals import refuse_mirror
from registry.api.objects import StoredFiles, copy_objects, copy_recorded_objects, summarise_copy
from registry.authorship import build_signature, escape_undecodable, refuse_unrecordable
from registry.database.change import Change
from registry.database.closing import record_closure
from registry.database.creation import populate_database, refuse_occupied
from registry.database.seals import find_head, read_head, read_seal
from registry.database.transactions import Database
from registry.database.transfer import Queries, copy_rows, select_all_rows
from registry.errors import ConflictError, LeftOutError, RegistryError
from registry.files import TEMPORARY_PREFIX
from registry.heads import Head, HeadFile, StoreHead
from registry.identifiers import quote, shorten
from registry.lookup.lineage import read_newest_fork
from registry.lookup.revisions import require_comment
from registry.lookup.tags import list_tags, read_snapshot_tag
from registry.lookup.timezones import read_snapshot_timezone, read_timezone
from registry.parallel import Progress, no_progress
from registry.records import RegistryCopy
from registry.registration.lineage import record_fork
from registry.registration.tags import add_tag
from registry.registration.timezones import record_timezone
from registry.settings import Settings, find_settings, mask_database_url, refuse_pin
from registry.store import ContentStore


@check_arguments
def fork_registry(
    to: str,
    to_store: str | Path,
    database: str | None = None,
    store: str | Path | None = None,
    *,
    comment: str,
    progress: Progress = no_progress,
) -> RegistryCopy:
    """Make an independent registry of this one, which stays as it is: all revisions are copied, the next is its own.

    That revision records the new id, and the id and the head of the registry that it continues. An older copy, and a
    database that takes no writes, can be forked, too. After an interruption the same call completes the fork.

    Parameters
    ----------
    to
        URL of the new database.
    to_store
        Folder for a copy of the stored files.
    database, store
        The registry to fork; by default that of the environment.
    comment
        The reason.

    Raises
    ------
    ConflictError
        The new database holds a registry, or the new store holds files.
    CorruptionError
        Stored files are missing or damaged, or the newest revision has no seal.
    """
    refuse_pin("fork the registry")
    require_comment(comment, "a fork")
    refuse_unrecordable(comment, "the comment")
    new = find_settings(to, to_store)
    backend = open_backend(find_settings(database, store), None)
    with closing(backend.database):
        _refuse_partial(backend)
        objects = ContentStore(new.store)
        unfinished = _find_former_fork(backend, to, comment)
        if unfinished is None or objects.read_owner() != unfinished[0]:
            _refuse_occupied_store(objects, backend.store)
        note_fork(objects.place, objects.read_owner)
        if unfinished is not None:
            note = "everything had been copied before"
            return _finish(*unfinished, new, {}, CopiedFiles(), note)
        _refuse_other_files(objects)
        registry_id = str(uuid.uuid4())
        refuse_occupied(to, registry_id)
        with backend.read_transaction() as view:
            find_head(view.connection, view.revision)
        objects.create_folders()
        files, copied = copy_recorded_objects(backend.database, backend.store, objects, progress)
        files.refuse_missing("the fork")
        with populate_database(to, registry_id) as target, backend.read_transaction() as view:
            rows = copy_rows(view.connection, target, _select_rows(view.connection, target), progress)
            late = StoredFiles.in_transaction(view.connection, copied + 1)
            files += copy_objects(late, backend.store, objects, progress)
            files.refuse_missing("the fork")
            _record_arrival(backend, view, target)
            _record_fork(view, target, registry_id, comment)
            head = read_head(target)
    return _finish(registry_id, head, new, rows, files)


def _refuse_partial(backend: Backend) -> None:
    """Refuse to fork a partial snapshot: the fork could never get the files that it lacks; nor a mirror's exports."""
    refuse_mirror(backend, "the fork")
    closure = backend.database.closure
    if closure is not None and closure.part is not None:
        raise LeftOutError(
            f"{closure}; a fork needs all files: make it from the whole, {closure.part.whole}",
            place=closure.place,
            whole=closure.part.whole,
        )


def _refuse_occupied_store(objects: ContentStore, source: ContentStore) -> None:
    """Refuse a store that belongs to a registry, or that is inside the one of the source."""
    owner = objects.read_owner()
    if owner is not None:
        raise ConflictError(f"the store {objects.place!r} belongs to registry {owner} already", store=owner)
    if source.storage.contains(objects.storage):
        raise ConflictError(
            f"{objects.place!r} is in the store of the registry; the fork needs one of its own",
            path=objects.place,
        )


def _refuse_other_files(objects: ContentStore) -> None:
    """Refuse a store with other files than those that a fork leaves when it is interrupted."""
    names = objects.list_names()
    own = {"objects", FILE_NAME}
    others = sorted(name for name in names if name not in own and not name.startswith(TEMPORARY_PREFIX))
    if others:
        raise ConflictError(
            f"{objects.place!r} holds other files: {shorten([quote(name) for name in others])}",
            path=objects.place,
        )


def _find_former_fork(backend: Backend, to: str, comment: str) -> tuple[str, Head] | None:
    """Return the Id and the head of the fork that the same call has put into the database, if nothing came after it."""
    try:
        database = Database(to)
    except RegistryError:
        return None
    with closing(database), database.read_transaction() as target, backend.read_transaction() as view:
        head, fork = read_head(target), read_newest_fork(target)
        if (
            fork is None
            or fork.recorded_in != head.number
            or fork.ancestor != backend.database.registry_id
            or read_seal(view.connection, fork.head.number) != fork.head.seal
            or _read_comment(target, head.number) != comment
        ):
            return None
        return fork.registry, head


def _read_comment(connection: sa.Connection, revision: int) -> str | None:
    query = sa.select(schema.revision.c.comment).where(schema.revision.c.number == revision)
    return connection.execute(query).scalar()


def _select_rows(source: sa.Connection, target: sa.Connection) -> Queries:
    """Return the queries of a whole registry, without what happened to its databases."""
    queries = select_all_rows(source, target)
    return {name: query for name, query in queries.items() if name != schema.closure.name}


def _record_arrival(backend: Backend, view: ReadTransaction, target: sa.Connection) -> None:
    """Record where the rows come from; the fork of a snapshot lacks exports, as that does."""
    url = escape_undecodable(mask_database_url(backend.database.url))
    closure = backend.database.closure
    timezone = read_snapshot_timezone(view.connection)
    if closure is not None and closure.reason == "snapshot":
        timezone = read_timezone(view.connection)
    record_closure(
        target,
        "arrival",
        f"revision {view.revision} of registry {backend.database.registry_id} in {url}",
        instants.now(),
        build_signature(),
        opened=True,
        tag=read_snapshot_tag(view.connection),
        timezone=timezone,
    )


def _record_fork(view: ReadTransaction, target: sa.Connection, registry_id: str, comment: str) -> None:
    """Record the fork, and the tag and the time zone that a snapshot had beside its rows."""
    change = Change(target, build_signature(), comment)
    record_fork(change, registry_id)
    record_timezone(change, read_timezone(view.connection))
    tag = read_snapshot_tag(view.connection)
    if tag is not None and tag not in {known.tag for known in list_tags(target, change.newest)}:
        add_tag(change, tag, change.newest)
    change.seal()


def _finish(
    registry_id: str, head: Head, new: Settings, rows: dict[str, int], files: CopiedFiles, *notes: str
) -> RegistryCopy:
    """Give the new store its head and its owner, unless it has them."""
    objects = ContentStore(new.store)
    if objects.read_owner() != registry_id:
        objects.create_folders()
        if not HeadFile(objects.storage).write(StoreHead(head)):
            objects.refuse_unwritable()
        objects.create(registry_id)
    return summarise_copy("the fork", registry_id, head, new.database, new.store, rows, files, *notes)
