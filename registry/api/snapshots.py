"""Write everything recorded as of a revision into one read-only SQLite file, for use without a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from registry import instants, schema
from registry.api.attempts import note_file
from registry.api.backend import Backend, ReadTransaction
from registry.api.objects import CopiedFiles, copy_objects, summarise_copy
from registry.api.stale_copies import StoreWitness
from registry.authorship import build_signature, escape_undecodable
from registry.database.closing import record_closure
from registry.database.creation import populate_database
from registry.database.engine import read_immutable_file
from registry.database.seals import find_head, read_registry_id
from registry.database.transfer import copy_rows
from registry.errors import ConflictError
from registry.files import atomic_write, make_absolute, make_read_only, translate_os_errors
from registry.lookup.revisions import AsOf, parse_as_of, read_newest_revision
from registry.lookup.tags import read_snapshot_tag
from registry.lookup.timezones import read_timezone
from registry.parallel import Progress
from registry.records import RegistryCopy
from registry.settings import mask_database_url
from registry.store import ContentStore


def take_snapshot(
    backend: Backend, file: Path, as_of: AsOf, store: Path | None, progress: Progress
) -> RegistryCopy:
    """Write the registry as of a revision into one file; see `Registry.snapshot`."""
    file = make_absolute(file)
    objects = ContentStore(make_absolute(store or file.parent / "store"))
    files, witness = CopiedFiles(), StoreWitness(backend, as_of)
    with translate_os_errors("written", file):
        if os.path.lexists(file):
            raise ConflictError(
                f"there is a file {str(file)!r} already; a snapshot does not replace it", path=str(file)
            )
        with backend.read_transaction(as_of) as view:
            registry_id = _read_registry_id(view, objects)
            file.parent.mkdir(parents=True, exist_ok=True)
            note_file("the snapshot", file)
            head, notes = find_head(view.connection, view.revision), witness.list_warnings(view.connection)
            with atomic_write(file) as hidden:
                rows = _write_rows(backend, view, hidden, _find_tag(view, as_of), progress)
                if objects.root.resolve() != backend.store.root.resolve():
                    objects.create(registry_id)
                    with read_immutable_file(hidden) as connection:
                        files = copy_objects(connection, backend.store, objects, progress)
                make_read_only(hidden)
    return summarise_copy(registry_id, head, f"sqlite:///{file}", objects.root, rows, files, *notes)


def _read_registry_id(view: ReadTransaction, objects: ContentStore) -> str:
    """Return the Id of the registry then: that of the ancestor before a fork. The store must not be of another one."""
    registry_id = str(read_registry_id(view.connection, view.revision))
    owner = objects.read_owner()
    if owner not in {None, registry_id}:
        if owner == read_registry_id(view.connection):
            raise ConflictError(
                f"revision {view.revision} is of registry {registry_id}, of which registry {owner} is a fork: its"
                f" snapshot needs another store than {str(objects.root)!r}",
                store=owner,
                registry=registry_id,
            )
        objects.refuse_other_registry(registry_id)
    return registry_id


def _find_tag(view: ReadTransaction, as_of: AsOf) -> str | None:
    """Return the tag by which the revision is requested; a snapshot of a snapshot keeps the name of its revision."""
    reference = parse_as_of(as_of, view.zone)
    if reference.by == "tag":
        return str(reference.value)
    is_newest = view.revision == read_newest_revision(view.connection)
    return read_snapshot_tag(view.connection) if is_newest else None


def _write_rows(
    backend: Backend, view: ReadTransaction, file: Path, tag: str | None, progress: Progress
) -> dict[str, int]:
    """Write the rows; return their numbers by table."""
    registry_id = str(read_registry_id(view.connection, view.revision))
    origin = f"revision {view.revision} of {escape_undecodable(mask_database_url(backend.database.url))}"
    with populate_database(f"sqlite:///{file}", registry_id, write_ahead_log=False) as target:
        rows = copy_rows(view.connection, target, rows_as_of(view.revision), progress)
        record_closure(
            target,
            "snapshot",
            origin,
            instants.now(),
            build_signature(),
            tag=tag,
            timezone=read_timezone(view.connection),
        )
    return rows


def rows_as_of(revision: int) -> dict[str, sa.Select[Any]]:
    """Return by table, parents first, the rows as they were at a revision.

    Later withdrawals are undone. An export belongs to the revision that it was resolved at, even if it was written
    later; the chain of all exports is there, because seals are linked to it. Closures describe their own database, and
    are left out.
    """
    return {
        table.name: sa.select(*(_column_as_of(column, revision) for column in table.c)).where(
            _is_recorded(table, revision)
        )
        for table in schema.metadata.sorted_tables
        if table is not schema.closure
    }


def _column_as_of(column: sa.Column[Any], revision: int) -> sa.ColumnElement[Any]:
    if column.name == "withdrawn_in":
        return sa.case((column <= revision, column)).label(column.name)
    return column


def _is_recorded(table: sa.Table, revision: int) -> sa.ColumnElement[bool]:
    """Return the condition that a row, or the parent that it belongs to, is recorded."""
    if table is schema.revision:
        return table.c.number <= revision
    if table in (schema.export, schema.seal):
        return table.c.revision <= revision
    if "recorded_in" in table.c:
        return table.c.recorded_in <= revision
    if "export_id" in table.c:
        exports = sa.select(schema.export.c.id).where(schema.export.c.revision <= revision)
        return sa.and_(table.c.export_id.in_(exports))
    if "parent" in table.info:
        name, key = table.info["parent"]
        parent = schema.metadata.tables[name]
        return sa.and_(table.c[key].in_(sa.select(parent.c.id).where(parent.c.recorded_in <= revision)))
    return sa.true()
