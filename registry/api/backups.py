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

from registry import instants, schema
from registry.api.backend import Backend
from registry.api.objects import copy_objects
from registry.authorship import escape_undecodable, software_version
from registry.database.creation import populate_database
from registry.database.engine import read_immutable_file
from registry.database.transfer import copy_rows, select_all_rows
from registry.durable import STALE_AFTER_SECONDS, TEMPORARY_PREFIX, atomic_write
from registry.errors import ConflictError, DocumentError, NotFoundError, UnavailableError
from registry.identifiers import quote
from registry.lookup.revisions import read_newest_revision
from registry.progress import Progress
from registry.reading import open_regular, read_bounded
from registry.records.copies import RegistryCopy
from registry.settings import mask_database_url
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
    with _translate_write_errors(folder):
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


@contextmanager
def _translate_write_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        place = error.filename or folder
        raise UnavailableError(
            f"{str(place)!r} cannot be written: {error.strerror}", path=str(place)
        ) from None
