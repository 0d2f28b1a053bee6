"""Copy stored files from one store into another, as far as they are missing there, and verify every byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from registry import schema
from registry.errors import CorruptionError, DeniedError, RequestError, UnavailableError
from registry.heads import Head
from registry.parallel import Progress
from registry.records import RegistryCopy
from registry.settings import mask_database_url
from registry.store import ContentStore

_BATCH_SIZE = 1000


@dataclass(frozen=True, slots=True)
class CopiedFiles:
    """The numbers of files that were copied and that were present before."""

    copied: int = 0
    already_present: int = 0


def copy_objects(
    connection: sa.Connection,
    source: ContentStore,
    target: ContentStore,
    progress: Progress,
    *,
    verify: bool = False,
) -> CopiedFiles:
    """Copy every file to which the database refers; an interrupted copy leaves no incomplete file.

    Parameters
    ----------
    verify
        Read the files that the target has already, and replace those that are damaged. Without it a file of
        the right name and size is not read again.

    Raises
    ------
    CorruptionError
        Files of the source are missing or damaged: all of them are named, and all others were copied.
    """

    def copy(file: tuple[str, int]) -> bool | str:
        return _copy_object(source, target, *file, verify=verify)

    total = connection.execute(sa.select(sa.func.count()).select_from(schema.blob)).scalar_one()
    problems: list[str] = []
    counts = {True: 0, False: 0}
    with progress("copying files", total) as advance, ThreadPoolExecutor(os.cpu_count()) as pool:
        for files in _read_batches(connection):
            for result in pool.map(copy, files):
                advance()
                if isinstance(result, str):
                    problems.append(result)
                else:
                    counts[result] += 1
    if problems:
        raise CorruptionError.combine("files cannot be copied", problems)
    return CopiedFiles(counts[True], counts[False])


def _copy_object(
    source: ContentStore, target: ContentStore, sha256: str, size: int, *, verify: bool
) -> bool | str:
    """Copy a file; return whether it was missing, or what is wrong with the original."""
    if not verify:
        with suppress(OSError):
            if target.object_path(sha256).stat().st_size == size:
                return False
    try:
        return target.add_object(source.object_path(sha256), sha256)
    except DeniedError:  # of the original, or of the target: nothing is known to be damaged
        raise
    except (RequestError, UnavailableError):
        problem = source.find_problem(sha256, size)
        if problem is None:  # the target cannot be written
            raise
        return problem


def _read_batches(connection: sa.Connection) -> Iterator[list[tuple[str, int]]]:
    """Yield the checksums and sizes of the files in batches."""
    query = sa.select(schema.blob.c.sha256, schema.blob.c.size).order_by(schema.blob.c.sha256)
    for rows in connection.execute(query, execution_options={"yield_per": _BATCH_SIZE}).partitions():
        yield [(row.sha256, row.size) for row in rows]


def summarise_copy(
    registry_id: str,
    head: Head,
    url: str,
    store: Path,
    rows: dict[str, int],
    files: CopiedFiles,
    *notes: str,
) -> RegistryCopy:
    """Return the record of a copy of a registry, without the password in the URL of its database."""
    return RegistryCopy(
        registry=registry_id,
        revision=head.number,
        database=mask_database_url(url),
        store=str(store),
        rows=rows,
        files=files.copied,
        files_there=files.already_present,
        notes=notes,
        seal=head.seal,
    )
