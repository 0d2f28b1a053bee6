"""Copy stored files from one store into another, as far as they are missing there, and verify every byte."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import sqlalchemy as sa

from registry import schema
from registry.api.incomplete_copies import (
    CopiedFiles,
    note_missing_files,
    read_missing_files,
    refuse_incomplete,
)
from registry.errors import CorruptionError, RequestError, UnavailableError
from registry.heads import Head
from registry.lookup.stored_files import describe_uses, list_uses
from registry.parallel import Progress
from registry.records import MissingFile, RegistryCopy
from registry.settings import mask_database_url
from registry.store import ContentStore

_BATCH_SIZE = 1000

_Problem = CorruptionError | UnavailableError


def copy_objects(
    connection: sa.Connection,
    source: ContentStore,
    target: ContentStore,
    progress: Progress,
    *,
    verify: bool = False,
) -> CopiedFiles:
    """Copy every file to which the database refers; an interrupted copy leaves no incomplete file.

    A file of the source that is damaged, missing or unreadable does not stop the others: it is returned with its uses,
    and noted in the target.

    Parameters
    ----------
    verify
        Read the files that the target has already, and replace those that are damaged. Without it a file of
        the right name and size is not read again.
    """

    def copy(file: tuple[str, int]) -> bool | _Problem:
        return _copy_object(source, target, *file, verify=verify)

    total = connection.execute(sa.select(sa.func.count()).select_from(schema.blob)).scalar_one()
    problems: dict[str, _Problem] = {}
    counts = {True: 0, False: 0}
    with progress("copying files", total) as advance, ThreadPoolExecutor(os.cpu_count()) as pool:
        for files in _read_batches(connection):
            for (sha256, _), result in zip(files, pool.map(copy, files), strict=True):
                advance()
                if isinstance(result, bool):
                    counts[result] += 1
                else:
                    problems[sha256] = result
    missing = _describe_problems(connection, source, problems)
    note_missing_files(target, missing)
    return CopiedFiles(counts[True], counts[False], missing)


def _copy_object(
    source: ContentStore, target: ContentStore, sha256: str, size: int, *, verify: bool
) -> bool | _Problem:
    """Copy a file; return whether it was missing, or what is wrong with the original."""
    if not verify:
        with suppress(OSError):
            if target.object_path(sha256).stat().st_size == size:
                return False
    try:
        return target.add_object(source.object_path(sha256), sha256)
    except (RequestError, UnavailableError):
        problem = source.find_error(sha256, size)
        if problem is None:  # the target cannot be written
            raise
        return problem


def _describe_problems(
    connection: sa.Connection, source: ContentStore, problems: Mapping[str, _Problem]
) -> tuple[MissingFile, ...]:
    uses = list_uses(connection, list(problems))
    reasons = {file.sha256: file.problem for file in read_missing_files(source)} if problems else {}
    return tuple(
        MissingFile(
            sha256,
            _describe_problem(str(problem), describe_uses(uses.get(sha256, ())), reasons.get(sha256)),
            tuple(uses.get(sha256, ())),
            is_damaged=isinstance(problem, CorruptionError),
        )
        for sha256, problem in problems.items()
    )


def _describe_problem(problem: str, uses: str, former: str | None) -> str:
    """Return what is wrong with a file; with the reason why a former copy lacked it, where it did."""
    return f"{problem}; it is {uses}" if former is None else f"{problem}, as when that was copied: {former}"


def _read_batches(connection: sa.Connection) -> Iterator[list[tuple[str, int]]]:
    """Yield the checksums and sizes of the files in batches."""
    query = sa.select(schema.blob.c.sha256, schema.blob.c.size).order_by(schema.blob.c.sha256)
    for rows in connection.execute(query, execution_options={"yield_per": _BATCH_SIZE}).partitions():
        yield [(row.sha256, row.size) for row in rows]


def summarise_copy(
    what: str,
    registry_id: str,
    head: Head,
    url: str,
    store: Path,
    rows: dict[str, int],
    files: CopiedFiles,
    *notes: str,
) -> RegistryCopy:
    """Return the record of a copy of a registry, without the password in the URL of its database.

    Refuse one that lacks files, although it is finished; `what` names it for that.
    """
    copy = RegistryCopy(
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
    refuse_incomplete(copy, what, files.missing)
    return copy
