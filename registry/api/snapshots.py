"""Snapshots: one read-only SQLite file with everything recorded as of a revision, for use without a network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from registry import instants, schema
from registry.api.backend import Backend
from registry.api.objects import CopiedFiles, copy_objects
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
    objects = ContentStore((store or file.parent / "store").absolute())
    files = CopiedFiles()
    with translate_os_errors("written", file):
        if os.path.lexists(file):
            raise ConflictError(
                f"there is a file {str(file)!r} already; a snapshot replaces none", path=str(file)
            )
        if objects.read_owner() not in {None, backend.database.registry_id}:
            objects.refuse_other_registry(backend.database.registry_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(file) as hidden:
            revision, rows = _write_rows(backend, hidden, as_of, progress)
            if objects.root.resolve() != backend.store.root.resolve():
                objects.create(backend.database.registry_id)
                with read_immutable_file(hidden) as connection:
                    files = copy_objects(connection, backend.store, objects, progress)
            hidden.chmod(0o444)
    return RegistryCopy(
        registry=backend.database.registry_id,
        revision=revision,
        database=mask_database_url(f"sqlite:///{file}"),
        store=str(objects.root),
        rows=rows,
        files=files.copied,
        files_there=files.already_present,
    )


def _write_rows(backend: Backend, file: Path, as_of: AsOf, progress: Progress) -> tuple[int, dict[str, int]]:
    """Fill the file; return the revision and the number of rows by table."""
    asked = parse_as_of(as_of, backend.timezone)
    tag = str(asked.value) if asked.by == "tag" else None
    with (
        backend.read_transaction(as_of) as view,
        populate_database(f"sqlite:///{file}", backend.database.registry_id, write_ahead_log=False) as target,
    ):
        rows = copy_rows(view.connection, target, rows_as_of(view.revision, tag), progress)
        place = f"revision {view.revision} of {escape_undecodable(mask_database_url(backend.database.url))}"
        record_closure(target, "snapshot", place, instants.now(), build_signature())
    return view.revision, rows


def rows_as_of(revision: int, tag: str | None = None) -> dict[str, sa.Select[Any]]:
    """Return by table, parents first, the rows as they were at a revision.

    Later withdrawals are undone. An export belongs to the revision that it was resolved at, whenever it was
    made. Closures describe the database that has them, and are left out.

    Parameters
    ----------
    tag
        A tag of that revision to include although a later revision recorded it.
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
    if column is schema.tag.c.recorded_in:
        return sa.case((column > revision, revision), else_=column).label(column.name)
    return column


def _is_recorded(table: sa.Table, revision: int, tag: str | None) -> sa.ColumnElement[bool]:
    if table is schema.revision:
        return table.c.number <= revision
    if table is schema.export:
        return table.c.revision <= revision
    if table is schema.tag:
        return sa.or_(table.c.recorded_in <= revision, table.c.name == tag)
    if "recorded_in" in table.c:
        return table.c.recorded_in <= revision
    return _belongs_to_recorded(table, revision)


def _belongs_to_recorded(table: sa.Table, revision: int) -> sa.ColumnElement[bool]:
    """Return the condition that the row's parent is recorded; a table without a parent is kept whole."""
    if "export_id" in table.c:
        exports = sa.select(schema.export.c.id).where(schema.export.c.revision <= revision)
        return sa.and_(table.c.export_id.in_(exports))
    if "parent" in table.info:
        name, key = table.info["parent"]
        parent = schema.metadata.tables[name]
        return sa.and_(table.c[key].in_(sa.select(parent.c.id).where(parent.c.recorded_in <= revision)))
    return sa.true()
