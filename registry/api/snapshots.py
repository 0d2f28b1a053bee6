"""Write everything recorded as of a revision into one read-only SQLite file, for use without a network."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from registry import instants, schema
from registry.api.attempts import note_file
from registry.api.backend import Backend, ReadTransaction
from registry.api.history_checks import check_history
from registry.api.incomplete_copies import CopiedFiles
from registry.api.mirror_refusals import refuse_mirror
from registry.api.objects import StoredFiles, copy_objects, summarise_copy
from registry.api.stale_copies import StoreWitness
from registry.authorship import build_signature, escape_undecodable
from registry.database.closing import find_closure, find_part, record_closure
from registry.database.creation import populate_database
from registry.database.engine import lift_idle_limit, read_immutable_file
from registry.database.seals import find_head, read_owner, read_registry_id
from registry.database.transfer import copy_rows
from registry.errors import ConflictError, LeftOutError, RegistryError
from registry.files import atomic_write, make_absolute, make_read_only, translate_os_errors
from registry.heads import Head
from registry.identifiers import shorten
from registry.lookup.partial_files import list_experiment_panels
from registry.lookup.revisions import AsOf, read_newest_revision
from registry.lookup.tags import read_snapshot_tag
from registry.lookup.timezones import read_timezone
from registry.parallel import Progress
from registry.records import RegistryCopy, SnapshotPart
from registry.settings import mask_database_url
from registry.storage import parse_place
from registry.storage.output_claims import claim_output, remove_dead_files
from registry.store import ContentStore


@dataclass(frozen=True, slots=True)
class PartRequest:
    """The experiments and the names of panels whose files are wanted; all files without any."""

    experiments: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


def take_snapshot(
    backend: Backend,
    file: Path,
    as_of: AsOf,
    store: str | Path | None,
    progress: Progress,
    request: PartRequest,
) -> RegistryCopy:
    """Write the registry as of a revision into one file; see `Registry.snapshot`."""
    refuse_mirror(backend, "a snapshot")
    file = make_absolute(file)
    place = parse_place(store or file.parent / "store")
    objects = ContentStore(place)
    with translate_os_errors("written", file):
        remove_dead_files(file.parent, file.name)
        complete = _complete_snapshot if os.path.lexists(file) else _write_snapshot
        contents, files = complete(backend, file, as_of, objects, progress, request)
    return summarise_copy(
        f"the snapshot {str(file)!r}",
        contents.registry,
        contents.head,
        f"sqlite:///{file}",
        place,
        contents.rows,
        files,
        *contents.notes,
    )


@dataclass(slots=True)
class _Contents:
    """The contents of a snapshot: what was asked for, and the numbers of rows that were written."""

    registry: str
    head: Head
    tag: str | None
    timezone: str | None
    notes: list[str]
    part: SnapshotPart | None = None
    rows: dict[str, int] = field(default_factory=dict)


def _find_contents(
    view: ReadTransaction, witness: StoreWitness, objects: ContentStore, request: PartRequest
) -> _Contents:
    part = _find_part(view, request)
    return _Contents(
        registry=_read_registry_id(view, objects),
        head=find_head(view.connection, view.revision),
        tag=_find_tag(view),
        timezone=read_timezone(view.connection),
        notes=[*witness.list_warnings(view.connection), *_note_own_store(view.backend, objects, part)],
        part=part,
    )


def _note_own_store(backend: Backend, objects: ContentStore, part: SnapshotPart | None) -> list[str]:
    """Return a note on a part whose files are not copied, because they are in the registry's own store."""
    if part is None or not objects.is_same(backend.store):
        return []
    where = f"the store {objects.place!r} is the registry's own and has all files"
    return [f"{where}: name another folder to hand over those of the part alone"]


def _find_part(view: ReadTransaction, request: PartRequest) -> SnapshotPart | None:
    """Return the part that is requested, with the Ids of its panels; that of a partial snapshot is in its own part."""
    own = find_part(view.connection)
    if not request.experiments and not request.names:
        return own
    experiments, names = (tuple(dict.fromkeys(words)) for words in (request.experiments, request.names))
    panels = {panel.panel for panel in view.find_panels(names)} if names else set()
    for experiment in experiments:
        panels |= {*list_experiment_panels(view.connection, experiment, view.revision)}
    if own is not None and not panels <= {*own.panels}:
        raise LeftOutError(
            f"this is a partial snapshot with the files of the panels of {own}; the files of"
            f" {shorten(sorted(panels - {*own.panels}))} were left out; the whole is {own.whole}",
            panels=sorted(panels - {*own.panels}),
            whole=own.whole,
        )
    whole = _describe_origin(view) if own is None else own.whole
    return SnapshotPart(experiments, names, tuple(sorted(panels)), whole)


def _describe_origin(view: ReadTransaction) -> str:
    return f"revision {view.revision} of {escape_undecodable(mask_database_url(view.backend.database.url))}"


def _write_snapshot(
    backend: Backend,
    file: Path,
    as_of: AsOf,
    objects: ContentStore,
    progress: Progress,
    request: PartRequest,
) -> tuple[_Contents, CopiedFiles]:
    """Write the file, and copy the stored files before it gets its name."""
    witness = StoreWitness(backend, as_of)
    with ExitStack() as stack:
        with backend.read_transaction(as_of) as view:
            lift_idle_limit(view.connection)
            contents = _find_contents(view, witness, objects, request)
            file.parent.mkdir(parents=True, exist_ok=True)
            note_file("the snapshot", file)
            claim = stack.enter_context(claim_output(file.parent, file.name))
            hidden = stack.enter_context(atomic_write(file, stem=claim.stem))
            contents.rows = _write_rows(view, hidden, contents, progress)
        files = _copy_files(backend, hidden, objects, contents.registry, progress)
        make_read_only(hidden)
    return contents, files


def _complete_snapshot(
    backend: Backend,
    file: Path,
    as_of: AsOf,
    objects: ContentStore,
    progress: Progress,
    request: PartRequest,
) -> tuple[_Contents, CopiedFiles]:
    """Copy the stored files that a snapshot of the same revision lacks; refuse any other file."""
    witness = StoreWitness(backend, as_of)
    with backend.read_transaction(as_of) as view:
        contents = _find_contents(view, witness, objects, request)
    if not _is_snapshot(file, contents, progress):
        raise ConflictError(
            f"there is a file {str(file)!r} already; a snapshot does not replace it", path=str(file)
        )
    contents.notes.append("the file was there already, with the same contents")
    return contents, _copy_files(backend, file, objects, contents.registry, progress)


def _is_snapshot(file: Path, contents: _Contents, progress: Progress) -> bool:
    """Tell whether the file is a snapshot with these contents, whose history is as it was sealed."""
    if not file.is_file():
        return False
    try:
        with read_immutable_file(file) as connection:
            closure = find_closure(connection)
            return (
                closure is not None
                and closure.reason == "snapshot"
                and closure.part == contents.part
                and read_owner(connection) == contents.registry
                and (read_snapshot_tag(connection), read_timezone(connection))
                == (contents.tag, contents.timezone)
                and check_history(connection, contents.head.number, contents.head.seal, progress)
                == contents.head
            )
    except (RegistryError, sa.exc.SQLAlchemyError):
        return False


def _copy_files(
    backend: Backend, file: Path, objects: ContentStore, registry_id: str, progress: Progress
) -> CopiedFiles:
    if objects.is_same(backend.store):
        return CopiedFiles()
    objects.create(registry_id)
    with read_immutable_file(file) as connection:
        return copy_objects(StoredFiles.in_transaction(connection), backend.store, objects, progress)


def _read_registry_id(view: ReadTransaction, objects: ContentStore) -> str:
    """Return the Id of the registry then: that of the ancestor before a fork. The store must not be of another one."""
    registry_id = str(read_registry_id(view.connection, view.revision))
    owner = objects.read_owner()
    if owner not in {None, registry_id}:
        if owner == read_registry_id(view.connection):
            raise ConflictError(
                f"revision {view.revision} is of registry {registry_id}, of which registry {owner} is a fork: its"
                f" snapshot needs another store than {objects.place!r}",
                store=owner,
                registry=registry_id,
            )
        objects.refuse_other_registry(registry_id)
    return registry_id


def _find_tag(view: ReadTransaction) -> str | None:
    """Return the tag by which the revision is requested; a snapshot of a snapshot keeps the name of its revision."""
    if view.reference.by == "tag":
        return str(view.reference.value)
    is_newest = view.revision == read_newest_revision(view.connection)
    return read_snapshot_tag(view.connection) if is_newest else None


def _write_rows(view: ReadTransaction, file: Path, contents: _Contents, progress: Progress) -> dict[str, int]:
    """Write the rows; return their numbers by table."""
    with populate_database(f"sqlite:///{file}", contents.registry, write_ahead_log=False) as target:
        rows = copy_rows(view.connection, target, rows_as_of(view.revision), progress)
        record_closure(
            target,
            "snapshot",
            _describe_origin(view),
            instants.now(),
            build_signature(),
            tag=contents.tag,
            timezone=contents.timezone,
            part=contents.part,
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
