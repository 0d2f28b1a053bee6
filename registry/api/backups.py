"""Back up a registry into a folder, and restore it: the database as one SQLite file, and the stored files.

``backup.json`` names the database's file and its checksum, and is replaced last: an interrupted backup
leaves the former one as it was. A later backup into the same folder adds only the files that are new, and
checks only what was recorded since. The folder has the layout of a store.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
import sqlalchemy as sa

from registry import instants, schema
from registry.api.arguments import check_arguments
from registry.api.attempts import note_backup, note_restoration
from registry.api.backend import Backend
from registry.api.backup_contents import copy_files, list_present_files, write_database
from registry.api.backup_descriptions import FILE_NAME, BackupDescription, read_description
from registry.api.history_checks import check_history
from registry.api.objects import StoredFiles, copy_objects, summarise_copy
from registry.api.restored_databases import (
    fill_database,
    find_restored_head,
    settle_restored_head,
    translate_source_errors,
)
from registry.api.restored_heads import RestoredHead
from registry.api.stale_copies import StoreWitness
from registry.authorship import (
    build_signature,
    escape_undecodable,
    refuse_unrecordable,
    software_version,
)
from registry.database.closing import find_closure, record_closure
from registry.database.creation import populate_database, refuse_occupied
from registry.database.engine import read_immutable_file
from registry.database.migrations import refuse_newer_schema, upgrade_to_current
from registry.database.seals import read_owner
from registry.database.transfer import copy_rows, select_all_rows
from registry.errors import ConflictError, CorruptionError, DocumentError, NotFoundError
from registry.files import (
    STALE_AFTER_SECONDS,
    TEMPORARY_PREFIX,
    atomic_write,
    make_absolute,
    make_read_only,
    open_regular,
    translate_os_errors,
)
from registry.heads import HeadFile, parse_whole_head
from registry.parallel import Progress, no_progress
from registry.records import RegistryCopy
from registry.settings import find_settings, mask_database_url, refuse_pin
from registry.storage import Folder
from registry.storage.output_claims import OutputClaim, claim_output
from registry.store import ContentStore


def back_up(backend: Backend, folder: Path, progress: Progress, *, verify: bool) -> RegistryCopy:
    """Copy the registry into a folder; see `Registry.backup`."""
    folder = make_absolute(folder)
    at, witness = instants.now(), StoreWitness(backend, None)
    with translate_os_errors("written", folder), ExitStack() as stack:
        former = _prepare_folder(folder, backend)
        present = list_present_files(folder)
        file = folder / f"registry-{''.join(char for char in str(at) if char.isalnum())}.sqlite"
        note_backup(folder, lambda: read_description(folder).database, file.name)
        claim = stack.enter_context(claim_output(folder, FILE_NAME))
        with atomic_write(file, stem=claim.stem) as hidden:
            # Rows first: the files that they refer to were stored before them, and are never removed.
            written = write_database(backend, hidden, former, witness, progress, verify=verify)
            with read_immutable_file(hidden) as connection:
                files = copy_files(
                    connection, backend.store, folder, present, written.checked, progress, verify=verify
                )
            make_read_only(hidden)
        description = BackupDescription(
            format="calreg backup",
            format_version=1,
            registry=backend.database.registry_id,
            revision=written.head.number,
            made_at=str(at),
            made_from=escape_undecodable(mask_database_url(backend.database.url)),
            software=software_version(),
            schema=schema.REVISION,
            database=file.name,
            size=file.stat().st_size,
            sha256=compute_sha256(file),
            seal=written.head.seal,
        )
        with atomic_write(folder / FILE_NAME) as hidden:
            hidden.write_bytes(msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n")
        if former is not None:
            (folder / former.database).unlink(missing_ok=True)
        _remove_leftovers(claim, file, present.leftovers)
    return summarise_copy(
        f"the backup in {str(folder)!r} of revision {written.head.number}",
        description.registry,
        written.head,
        f"sqlite:///{file}",
        folder,
        written.rows,
        files,
        *written.notes,
    )


def compute_sha256(file: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with open_regular(file) as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _prepare_folder(folder: Path, backend: Backend) -> BackupDescription | None:
    """Prepare the folder for a backup, and return the description of the one in it, if there is one.

    Refuse the folder of another registry, one in the registry's own store, and a folder with other files.
    """
    if backend.store.storage.contains(Folder(folder)):
        raise ConflictError(
            f"{str(folder)!r} is the registry's own store, or in it; a backup needs a folder of its own",
            path=str(folder),
        )
    objects = ContentStore(folder)
    if folder.exists() and objects.read_owner() is None and not all(map(_is_leftover, folder.iterdir())):
        raise ConflictError(f"{str(folder)!r} holds files that are not a backup", path=str(folder))
    objects.create(backend.database.registry_id)
    with suppress(NotFoundError, DocumentError):
        return read_description(folder)
    return None


def _is_leftover(path: Path) -> bool:
    """Tell whether an interrupted first backup left this."""
    return path.name.startswith(TEMPORARY_PREFIX) or (
        path.name == "objects" and path.is_dir() and not any(path.iterdir())
    )


def _remove_leftovers(claim: OutputClaim, kept: Path, former: Iterable[Path]) -> None:
    """Remove the files of interrupted backups: at once where no other one is at work, else after a day."""
    is_sole = claim.is_sole()
    leftovers = [*former]
    for pattern in ("registry-*.sqlite", f"{TEMPORARY_PREFIX}*"):
        leftovers += claim.folder.glob(pattern)
    for path in leftovers:
        if path == kept or path.name.startswith(claim.stem):
            continue
        with suppress(FileNotFoundError):
            if is_sole or time.time() - path.stat().st_mtime > STALE_AFTER_SECONDS:
                path.unlink()


@check_arguments
def restore_registry(
    folder: str | Path,
    database: str | None = None,
    store: str | Path | None = None,
    *,
    lost_head: str | None = None,
    comment: str | None = None,
    progress: Progress = no_progress,
) -> RegistryCopy:
    """Restore the registry of a backup, with the same id, into SQLite or PostgreSQL; verify every checksum and seal.

    The files are copied first, then all rows in one transaction. After an interruption the same call completes
    the restoration. A backup of an older schema is upgraded.

    Parameters
    ----------
    folder
        The folder of the backup.
    database, store
        The URL and the folder to restore into; by default those of the environment. The database must be empty;
        the store must be empty or belong to this registry, and may lack files.
    lost_head
        The head of the store, ``NUMBER:SEAL``, if the backup is behind it and what was recorded since is lost; the
        next revision records that.
    comment
        The reason, for that revision.

    Raises
    ------
    NotFoundError
        The folder holds no complete backup.
    ConflictError
        The database holds a registry, the store belongs to another one, or the backup lacks the head of the store.
    CorruptionError
        The database of the backup is missing or damaged, or a revision is not as it was sealed, or the newest one is
        not the one that the backup quotes; no database was created. Or stored files are missing or damaged: the
        registry is restored without them, and ``values["missing"]`` lists them.
    DocumentError, SchemaError, UnavailableError
        The backup cannot be read or is of newer software, or the database or the store cannot be written.
    """
    refuse_pin("restore a registry")
    lost = None if lost_head is None else parse_whole_head(lost_head)
    refuse_unrecordable(comment or "", "the comment")
    folder = make_absolute(Path(folder))
    settings = find_settings(database, store)
    description = read_description(folder)
    refuse_newer_schema(description.schema)
    origin = f"the backup {escape_undecodable(str(folder))} of revision {description.revision}"
    quoted = description.revision, description.seal
    former = find_restored_head(settings.database, description.registry, quoted, origin, lost)
    if former is None:
        refuse_occupied(settings.database, description.registry)
    objects = ContentStore(settings.store)
    if objects.is_same(ContentStore(folder)):
        message = f"{str(folder)!r} is the backup; the registry needs a store of its own"
        raise ConflictError(message, path=str(folder))
    if objects.read_owner() not in {None, description.registry}:
        objects.refuse_other_registry(description.registry)
    objects.refuse_unwritable()
    file = _verify_database_file(folder, description)
    with translate_source_errors(file), read_immutable_file(file) as source:
        _refuse_other_id(source, description)
        restored = RestoredHead(HeadFile(objects.storage), lost, comment or f"restored from {origin}")
        if former is None or lost is None:
            restored.refuse_behind(source)
        objects.create(description.registry)
        files = copy_objects(
            StoredFiles.in_transaction(source), ContentStore(folder), objects, progress, verify=True
        )
        files.refuse_unreadable("the restoration")
        what = f"the restoration of revision {description.revision} from {str(folder)!r}"
        place = settings.database, settings.store
        if former is not None:
            settle_restored_head(*place, former)
            note = "the database had been restored before"
            return summarise_copy(what, description.registry, former, *place, {}, files, note)
        note_restoration(settings.database)
        with restored:
            with populate_database(settings.database, description.registry, description.schema) as target:
                rows = fill_database(
                    target,
                    settings.database,
                    file,
                    description.schema,
                    description.registry,
                    lambda new: copy_rows(source, new, select_all_rows(source, new), progress),
                )
                upgrade_to_current(target)
                check_history(target, description.revision, description.seal, progress)
                closure = find_closure(target)
                if closure is None:
                    record_closure(target, "arrival", origin, instants.now(), build_signature(), opened=True)
                head = restored.record(target, is_open=closure is None)
            restored.confirm(head)
    notes = [] if closure is None else [f"it stays closed, as when it was backed up: {closure}"]
    notes += [] if lost is None else [f"revision {head.number} records that the store's head {lost} is lost"]
    return summarise_copy(what, description.registry, head, *place, rows, files, *notes)


def _verify_database_file(folder: Path, description: BackupDescription) -> Path:
    """Return the file of the backup's database, after checking its checksum."""
    file = folder / description.database
    with translate_os_errors("read", file):
        try:
            if compute_sha256(file) == description.sha256:
                return file
        except FileNotFoundError:
            raise CorruptionError(f"{str(file)!r} is missing from the backup", path=str(file)) from None
    raise CorruptionError(f"{str(file)!r} is damaged: its bytes have another checksum", path=str(file))


def _refuse_other_id(source: sa.Connection, description: BackupDescription) -> None:
    registry_id = read_owner(source)
    if registry_id != description.registry:
        raise CorruptionError(
            f"the backup's description is of registry {description.registry}, its database of {registry_id}",
            database=registry_id,
        )
