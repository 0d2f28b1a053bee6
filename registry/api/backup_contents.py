"""The contents of a backup: the database, and the stored files. What the former one has is not checked again.

The pages of a SQLite database are copied, which takes the time of its file. From PostgreSQL the rows are: those that
are new, after the file of the former backup.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.api.backend import Backend
from registry.api.backup_descriptions import BackupDescription
from registry.api.history_checks import check_history
from registry.api.incomplete_copies import FILE_NAME as INCOMPLETE
from registry.api.incomplete_copies import CopiedFiles
from registry.api.objects import StoredFiles, copy_objects
from registry.api.stale_copies import StoreWitness
from registry.database.creation import populate_database
from registry.database.engine import lift_idle_limit, open_engine, read_immutable_file, write_transaction
from registry.database.later_rows import copy_later_rows, count_rows
from registry.database.pages import can_copy_pages, check_pages, copy_pages
from registry.database.seals import find_head, read_seal
from registry.database.transfer import copy_rows, select_all_rows
from registry.errors import ConflictError, RegistryError
from registry.files import TEMPORARY_PREFIX, open_regular
from registry.heads import Head
from registry.left_out_notes import KEY as LEFT_OUT
from registry.lookup.revisions import read_newest_revision
from registry.parallel import Progress
from registry.storage.sources import copy_and_hash
from registry.store import ContentStore


class WrittenDatabase(NamedTuple):
    """The database of a new backup: its head, the numbers of its rows, and notes.

    ``checked`` is the revision of the former backup, which the new one continues: what was recorded until then has been
    checked and copied. None where everything is to be copied and checked.
    """

    head: Head
    rows: dict[str, int]
    notes: list[str]
    checked: int | None


class PresentFiles(NamedTuple):
    """The number of stored files in the folder of a backup, and the temporary ones beside them."""

    objects: int
    leftovers: list[Path]


def write_database(
    backend: Backend,
    file: Path,
    former: BackupDescription | None,
    witness: StoreWitness,
    progress: Progress,
    *,
    verify: bool,
) -> WrittenDatabase:
    """Write the database of a backup: the pages of a sound SQLite file, else the rows; what is new after the former."""
    checked = None if verify else _find_checked_revision(file.parent, former)
    with backend.database.read_transaction() as source:
        lift_idle_limit(source)
        head = find_head(source, read_newest_revision(source))
        notes = witness.list_warnings(source)
        _refuse_newer_backup(source, former, head)
        has_pages = can_copy_pages(source)
        if has_pages:
            rows = copy_pages(source, file, progress)
        else:
            continued = None
            if checked is not None and former is not None and source.dialect.name == "postgresql":
                continued = _continue_former(source, former, file, progress)
                checked = None if continued is None else checked
            rows = continued or _copy_all_rows(source, backend.database.registry_id, file, progress)
    with read_immutable_file(file) as copy:
        if has_pages:
            check_pages(copy, backend.database.name, checked)
        if verify:
            check_history(copy, head.number, head.seal, progress)
    return WrittenDatabase(head, rows, notes, checked)


def _continue_former(
    source: sa.Connection, former: BackupDescription, file: Path, progress: Progress
) -> dict[str, int] | None:
    """Write the database of the former backup with what is new; return the numbers of its rows.

    None where that is damaged, or what is new does not make it the same as the registry's: then all is to be copied.
    """
    with open_regular(file.parent / former.database) as content, file.open("wb") as copy:
        digest = copy_and_hash(content, copy.write, hashlib.sha256())
    if digest != former.sha256:
        return None
    with suppress(RegistryError), open_engine(f"sqlite:///{file}") as engine:
        with write_transaction(engine) as target:
            copy_later_rows(source, target, progress)
            rows = count_rows(target)
        if rows == count_rows(source):
            return rows
    return None


def _copy_all_rows(source: sa.Connection, registry_id: str, file: Path, progress: Progress) -> dict[str, int]:
    """Write a new database, whatever the file holds so far."""
    os.truncate(file, 0)
    with populate_database(f"sqlite:///{file}", registry_id, write_ahead_log=False) as target:
        return copy_rows(source, target, select_all_rows(source, target), progress)


def _find_checked_revision(folder: Path, former: BackupDescription | None) -> int | None:
    """Return the revision of a backup that a new one can continue, None where it is of an older schema or not whole."""
    if former is None or former.seal is None or former.schema != schema.REVISION:
        return None
    with suppress(FileNotFoundError):
        if (folder / former.database).stat().st_size == former.size:
            return former.revision
    return None


def copy_files(
    connection: sa.Connection,
    source: ContentStore,
    folder: Path,
    present: PresentFiles,
    checked: int | None,
    progress: Progress,
    *,
    verify: bool,
) -> CopiedFiles:
    """Copy the stored files: those that are new, where the folder has as many as the others; else all that it lacks."""
    target, every = ContentStore(folder), StoredFiles.in_transaction(connection)
    if checked is None:
        return copy_objects(every, source, target, progress, verify=verify)
    new = StoredFiles.in_transaction(connection, checked + 1)
    total, added = every.count(), new.count()
    is_whole = not any((folder / name).exists() for name in (INCOMPLETE, LEFT_OUT))
    if not is_whole or present.objects < total - added:
        return copy_objects(every, source, target, progress)
    return copy_objects(new, source, target, progress) + CopiedFiles(already_present=total - added)


def list_present_files(folder: Path) -> PresentFiles:
    """Return the files below ``objects``: their names are read once, and no file is looked at."""
    objects, leftovers = 0, []
    for child in (folder / "objects").iterdir():
        if child.is_dir():
            names = os.listdir(child)  # noqa: PTH208 - hundreds of thousands
            others = [name for name in names if not name.endswith(".npy")]
            objects += len(names) - len(others)
            leftovers += [child / name for name in others if name.startswith(TEMPORARY_PREFIX)]
    return PresentFiles(objects, leftovers)


def _refuse_newer_backup(source: sa.Connection, former: BackupDescription | None, head: Head) -> None:
    """Refuse to replace a backup of what this database lacks: it is an older copy, or went another way."""
    if former is None or (former.revision <= head.number and former.seal is None):
        return
    if read_seal(source, former.revision) != former.seal or former.seal is None:
        quoted = f"revision {former.revision}" if former.seal is None else Head(former.revision, former.seal)
        raise ConflictError(
            f"the folder holds the backup of {quoted}, which this database does not contain: its head is {head};"
            " it would be replaced; use another folder",
            backup=str(quoted),
            database=str(head),
        )
