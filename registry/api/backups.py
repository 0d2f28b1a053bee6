"""A backup: a folder that holds the database as one SQLite file, and the stored files.

``backup.json`` names the database's file and its checksum, and is replaced last: an interrupted backup
leaves the former one as it was. A later backup into the same folder adds what is new of the files. The
folder is laid out as a store is.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import sqlalchemy as sa

from registry import instants, schema
from registry.api.backend import Backend
from registry.api.objects import copy_objects
from registry.authorship import build_signature, escape_undecodable, software_version
from registry.database.closing import find_closure, record_closure
from registry.database.creation import populate_database, refuse_occupied
from registry.database.engine import read_immutable_file
from registry.database.migrations import refuse_newer_schema, upgrade_to_current
from registry.database.transfer import copy_rows, select_all_rows
from registry.errors import ConflictError, CorruptionError, DocumentError, NotFoundError
from registry.files import (
    STALE_AFTER_SECONDS,
    TEMPORARY_PREFIX,
    atomic_write,
    open_regular,
    read_bounded,
    translate_os_errors,
)
from registry.identifiers import quote
from registry.lookup.revisions import read_newest_revision
from registry.parallel import Progress, no_progress
from registry.records import RegistryCopy
from registry.settings import Settings, find_settings, mask_database_url
from registry.store import ContentStore

FILE_NAME = "backup.json"
FORMAT = "calreg backup"
_MAX_DESCRIPTION_BYTES = 1 << 20


class _FormatHeader(msgspec.Struct, frozen=True):
    format: str
    format_version: int


class BackupDescription(msgspec.Struct, frozen=True):
    """What ``backup.json`` says: which registry, as of which revision, in which file with which checksum."""

    format: Literal["calreg backup"]
    format_version: Literal[1]
    registry: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f-]{36}\Z")]
    revision: Annotated[int, msgspec.Meta(ge=0)]
    made_at: str
    made_from: str
    software: str
    schema: Annotated[str, msgspec.Meta(pattern=r"^[0-9]{4}\Z")]
    database: Annotated[str, msgspec.Meta(pattern=r"^registry-[0-9TZ]+\.sqlite\Z")]
    size: Annotated[int, msgspec.Meta(ge=0)]
    sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]


def back_up(backend: Backend, folder: Path, progress: Progress, *, verify: bool) -> RegistryCopy:
    """Copy the registry into a folder; see `Registry.backup`."""
    folder = folder.absolute()
    at = instants.now()
    with translate_os_errors("written", folder):
        former = _prepare_folder(folder, backend)
        file = folder / f"registry-{''.join(char for char in str(at) if char.isalnum())}.sqlite"
        with atomic_write(file) as hidden:
            # Rows first: the files that they speak of were stored before them, and are never taken away.
            with (
                populate_database(
                    f"sqlite:///{hidden}", backend.database.registry_id, write_ahead_log=False
                ) as target,
                backend.database.read_transaction() as source,
            ):
                rows = copy_rows(source, target, select_all_rows(source, target), progress)
                revision = read_newest_revision(source)
            with read_immutable_file(hidden) as connection:
                files = copy_objects(connection, backend.store, ContentStore(folder), progress, verify=verify)
            hidden.chmod(0o444)
        description = BackupDescription(
            format="calreg backup",
            format_version=1,
            registry=backend.database.registry_id,
            revision=revision,
            made_at=str(at),
            made_from=escape_undecodable(mask_database_url(backend.database.url)),
            software=software_version(),
            schema=schema.REVISION,
            database=file.name,
            size=file.stat().st_size,
            sha256=compute_sha256(file),
        )
        with atomic_write(folder / FILE_NAME) as hidden:
            hidden.write_bytes(msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n")
            hidden.chmod(0o644)
        if former is not None:
            (folder / former.database).unlink(missing_ok=True)
        _remove_leftovers(folder, file)
    return RegistryCopy(
        registry=description.registry,
        revision=revision,
        database=mask_database_url(f"sqlite:///{file}"),
        store=str(folder),
        rows=rows,
        files=files.copied,
        files_there=files.already_present,
    )


def read_description(folder: Path) -> BackupDescription:
    """Return what a backup says of itself.

    Raises
    ------
    NotFoundError
        There is no backup.
    DocumentError
        ``backup.json`` is cut, damaged, or of a newer format.
    """
    path = folder / FILE_NAME
    name = repr(str(path))
    try:
        content = read_bounded(path, _MAX_DESCRIPTION_BYTES, "the description of a backup", DocumentError)
    except NotFoundError:
        raise NotFoundError(f"{str(folder)!r} holds no finished backup: there is no {FILE_NAME}") from None
    try:
        heading = msgspec.json.decode(content, type=_FormatHeader)
        if heading.format == FORMAT and heading.format_version != 1:
            raise DocumentError(f"{name} is of format {heading.format_version}; this software reads format 1")
        return msgspec.json.decode(content, type=BackupDescription)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DocumentError(f"{name} is not the description of a backup: {quote(str(error))}") from None


def compute_sha256(file: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with open_regular(file) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _prepare_folder(folder: Path, backend: Backend) -> BackupDescription | None:
    """Make the folder a backup's, and return the backup that it holds.

    Raises
    ------
    ConflictError
        It is another registry's, the registry's own store, or somebody else's.
    """
    if folder.resolve() == backend.store.root.resolve():
        raise ConflictError(
            f"{str(folder)!r} is the registry's own store; a backup needs a folder of its own"
        )
    objects = ContentStore(folder)
    if folder.exists() and objects.read_owner() is None and not all(map(_is_leftover, folder.iterdir())):
        raise ConflictError(f"{str(folder)!r} holds something that is no backup", path=str(folder))
    objects.create(backend.database.registry_id)
    with suppress(NotFoundError, DocumentError):
        return read_description(folder)
    return None


def _is_leftover(path: Path) -> bool:
    """Tell whether a backup that was ended before it was one left this."""
    return path.name.startswith(TEMPORARY_PREFIX) or (
        path.name == "objects" and path.is_dir() and not any(path.iterdir())
    )


def _remove_leftovers(folder: Path, kept: Path) -> None:
    """Remove what backups left that were killed long ago."""
    for pattern in ("registry-*.sqlite", f"{TEMPORARY_PREFIX}*"):
        for path in folder.glob(pattern):
            if path != kept and time.time() - path.stat().st_mtime > STALE_AFTER_SECONDS:
                path.unlink(missing_ok=True)


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
    with translate_os_errors("read", file):
        try:
            if compute_sha256(file) == description.sha256:
                return file
        except FileNotFoundError:
            raise CorruptionError(f"{str(file)!r} is missing from the backup", path=str(file)) from None
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
