"""Write everything recorded as of a revision into one read-only SQLite file, for use without a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from registry import instants, schema
from registry.api.attempts import note_file
from registry.api.backend import Backend
from registry.api.objects import CopiedFiles, copy_objects, summarise_copy
from registry.authorship import build_signature, escape_undecodable
from registry.database.closing import record_closure
from registry.database.creation import populate_database
from registry.database.engine import read_immutable_file
from registry.database.transfer import copy_rows
from registry.errors import ConflictError
from registry.files import atomic_write, translate_os_errors
from registry.lookup.revisions import AsOf, parse_as_of
from registry.parallel import Progress
from registry.records import RegistryCopy
from registry.settings import mask_database_url
from registry.store import ContentStore


def take_snapshot(
    backend: Backend, file: Path, as_of: AsOf, store: Path | None, progress: Progress
) -> RegistryCopy:
    """Write the registry as of a revision into one file; see `Registry.snapshot`."""
    file = file.absolute()
    registry_id = backend.database.registry_id
    objects = ContentStore((store or file.parent / "store").absolute())
    files = CopiedFiles()
    with translate_os_errors("written", file):
        if os.path.lexists(file):
            raise ConflictError(
                f"there is a file {str(file)!r} already; a snapshot does not replace it", path=str(file)
            )
        if objects.read_owner() not in {None, registry_id}:
            objects.refuse_other_registry(registry_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        note_file("the snapshot", file)
        with atomic_write(file) as hidden:
            revision, rows = _write_rows(backend, hidden, as_of, progress)
            if objects.root.resolve() != backend.store.root.resolve():
                objects.create(registry_id)
                with read_immutable_file(hidden) as connection:
                    files = copy_objects(connection, backend.store, objects, progress)
            hidden.chmod(0o444)
    return summarise_copy(registry_id, revision, f"sqlite:///{file}", objects.root, rows, files)


def _write_rows(backend: Backend, file: Path, as_of: AsOf, progress: Progress) -> tuple[int, dict[str, int]]:
    """Write the rows; return the revision and the number of rows by table."""
    reference = parse_as_of(as_of, backend.find_timezone)
    tag = str(reference.value) if reference.by == "tag" else None
    with (
        backend.read_transaction(as_of) as view,
        populate_database(f"sqlite:///{file}", backend.database.registry_id, write_ahead_log=False) as target,
    ):
        rows = copy_rows(view.connection, target, rows_as_of(view.revision, tag), progress)
        origin = f"revision {view.revision} of {escape_undecodable(mask_database_url(backend.database.url))}"
        record_closure(target, "snapshot", origin, instants.now(), build_signature())
    return view.revision, rows


def rows_as_of(revision: int, tag: str | None = None) -> dict[str, sa.Select[Any]]:
    """Return by table, parents first, the rows as they were at a revision.

    Later withdrawals are undone. An export belongs to the revision that it was resolved at, even if it was written
    later. Closures describe their own database, and are left out. A `tag` of that revision is included, although it
    was recorded in a later one; so is the present time zone, as times are read in it whatever revision is asked about.
    """
    return {
        table.name: sa.select(*(_column_as_of(column, revision) for column in table.c)).where(
            _is_recorded(table, revision, tag)
        )
        for table in schema.metadata.sorted_tables
        if table is not schema.closure
    }


def _column_as_of(column: sa.Column[Any], revision: int) -> sa.ColumnElement[Any]:
    if column.name == "withdrawn_in":
        return sa.case((column <= revision, column)).label(column.name)
    if column.name == "recorded_in" and column.table in (schema.tag, schema.timezone):
        return sa.case((column > revision, revision), else_=column).label(column.name)
    return column


def _is_recorded(table: sa.Table, revision: int, tag: str | None) -> sa.ColumnElement[bool]:
    """Return the condition that a row, or the parent that it belongs to, is recorded."""
    if table is schema.revision:
        return table.c.number <= revision
    if table is schema.export:
        return table.c.revision <= revision
    if "recorded_in" in table.c:
        recorded = table.c.recorded_in <= revision
        if table is schema.tag:
            recorded = sa.or_(recorded, table.c.name == tag)
        elif table is schema.timezone:
            recorded = sa.or_(recorded, table.c.withdrawn_in.is_(None))
        return recorded
    if "export_id" in table.c:
        exports = sa.select(schema.export.c.id).where(schema.export.c.revision <= revision)
        return sa.and_(table.c.export_id.in_(exports))
    if "parent" in table.info:
        name, key = table.info["parent"]
        parent = schema.metadata.tables[name]
        return sa.and_(table.c[key].in_(sa.select(parent.c.id).where(parent.c.recorded_in <= revision)))
    return sa.true()
