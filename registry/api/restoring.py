"""A registry made again from its backup, every checksum verified, in an empty place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from registry import instants, schema
from registry.api.backups import BackupDescription, compute_sha256, read_description
from registry.api.objects import copy_objects
from registry.authorship import build_signature, escape_undecodable
from registry.database.closing import find_closure, record_closure
from registry.database.creation import populate_database, refuse_occupied
from registry.database.engine import read_immutable_file
from registry.database.migrations import refuse_newer_schema, upgrade_to_current
from registry.database.transfer import copy_rows, select_all_rows
from registry.errors import ConflictError, CorruptionError, UnavailableError
from registry.identifiers import quote
from registry.progress import Progress, no_progress
from registry.records.copies import RegistryCopy
from registry.settings import Settings, find_settings, mask_database_url
from registry.store import ContentStore


def restore_registry(
    folder: str | Path,
    database: str | None = None,
    store: str | Path | None = None,
    *,
    progress: Progress = no_progress,
) -> RegistryCopy:
    """Make the registry of a backup again, under the same id, on either sort of database.

    The files come first, then all rows in one transaction: killed before its end, there is no registry yet,
    and the same restoration again completes it. A backup of an older schema is brought to that of this software.

    Parameters
    ----------
    folder
        The backup's.
    database, store
        Where it is to be; by default where the environment says. Both must be empty; a store may be there
        already if it is this registry's, and lacks what it lacks.

    Raises
    ------
    NotFoundError
        The folder holds no finished backup.
    ConflictError
        The database holds a registry, or the store is another registry's.
    CorruptionError
        A file of the backup is missing or damaged; no database was made.
    DocumentError, SchemaError, UnavailableError
        The backup cannot be read, is of newer software, or a place cannot be written.
    """
    folder = Path(folder).absolute()
    settings = find_settings(database, store)
    description = read_description(folder)
    refuse_newer_schema(description.schema)
    refuse_occupied(settings.database, description.registry)
    objects = _prepare_store(settings, folder, description)
    file = _verify_database_file(folder, description)
    with _translate_row_errors(file), read_immutable_file(file) as source:
        _refuse_other_id(source, description)
        objects.create(description.registry)
        files = copy_objects(source, ContentStore(folder), objects, progress, verify=True)
        with populate_database(settings.database, description.registry, description.schema) as target:
            rows = copy_rows(source, target, select_all_rows(source, target), progress)
            upgrade_to_current(target)
            closure = find_closure(target)
            if closure is None:
                place = f"the backup {escape_undecodable(str(folder))} of revision {description.revision}"
                record_closure(target, "arrival", place, instants.now(), build_signature(), opened=True)
    return RegistryCopy(
        registry=description.registry,
        revision=description.revision,
        database=mask_database_url(settings.database),
        store=str(settings.store),
        rows=rows,
        files=files.copied,
        files_there=files.already_present,
        notes=() if closure is None else (f"it stays closed, as when it was backed up: {closure}",),
    )


def _prepare_store(settings: Settings, folder: Path, description: BackupDescription) -> ContentStore:
    objects = ContentStore(settings.store)
    if settings.store.resolve() == folder.resolve():
        raise ConflictError(f"{str(folder)!r} is the backup; the registry needs a store of its own")
    if objects.read_owner() not in {None, description.registry}:
        objects.refuse_other_registry(description.registry)
    objects.refuse_unwritable()
    return objects


def _verify_database_file(folder: Path, description: BackupDescription) -> Path:
    """Return the backup's database, whose checksum has been computed just now."""
    file = folder / description.database
    try:
        if compute_sha256(file) == description.sha256:
            return file
    except FileNotFoundError:
        raise CorruptionError(f"{str(file)!r} is missing from the backup", path=str(file)) from None
    except OSError as error:
        raise UnavailableError(f"{str(file)!r} cannot be read: {error.strerror}", path=str(file)) from None
    raise CorruptionError(f"{str(file)!r} is damaged: its bytes have another checksum", path=str(file))


@contextmanager
def _translate_row_errors(file: Path) -> Iterator[None]:
    """Take what a database says of rows for a fault of the backup: others may have written it, checksum and all."""
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().split("\n", maxsplit=1)[0]
        raise CorruptionError(
            f"{str(file)!r} holds what no registry does: {quote(said)}", path=str(file)
        ) from error


def _refuse_other_id(source: sa.Connection, description: BackupDescription) -> None:
    found = source.execute(sa.select(schema.registry.c.id)).scalar_one_or_none()
    if found != description.registry:
        raise CorruptionError(
            f"the backup's description speaks of registry {description.registry}, its database of {found}",
            database=found,
        )
