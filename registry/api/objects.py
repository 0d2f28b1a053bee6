"""Stored files from one store into another: what is missing there, every byte verified on the way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from registry import schema
from registry.errors import CorruptionError, RequestError, UnavailableError
from registry.parallel import Progress
from registry.store import ContentStore

_BATCH_SIZE = 1000


@dataclass(frozen=True, slots=True)
class CopiedFiles:
    """How many files were copied, and how many were there already."""

    copied: int = 0
    already_present: int = 0


@dataclass(frozen=True, slots=True)
class _ObjectCopier:
    source: ContentStore
    target: ContentStore
    verify: bool

    def copy(self, sha256: str, size: int) -> bool | str:
        """Copy a file; return whether that was needed, or what is wrong with the original."""
        if not self.verify:
            with suppress(OSError):
                if self.target.object_path(sha256).stat().st_size == size:
                    return False
        try:
            return self.target.add_object(self.source.object_path(sha256), sha256)
        except (RequestError, UnavailableError):
            problem = self.source.find_problem(sha256, size)
            if problem is None:  # it is the target that refuses
                raise
            return problem


def copy_objects(
    connection: sa.Connection,
    source: ContentStore,
    target: ContentStore,
    progress: Progress,
    *,
    verify: bool = False,
) -> CopiedFiles:
    """Copy every file to which the database refers; each is whole there, or not there.

    Parameters
    ----------
    verify
        Read the files that the target has already, and replace those that are damaged; otherwise a file of
        the right name and size is taken for one that was verified when it was copied.

    Raises
    ------
    CorruptionError
        Files of the source are missing or damaged: all of them are named, all others were copied.
    UnavailableError
        The target cannot be written.
    """
    copying = _ObjectCopier(source, target, verify)
    total = connection.execute(sa.select(sa.func.count()).select_from(schema.blob)).scalar_one()
    problems: list[str] = []
    counts = {True: 0, False: 0}
    with progress("copying files", total) as advance, ThreadPoolExecutor(os.cpu_count()) as pool:
        for files in _read_batches(connection):
            for done in pool.map(lambda file: copying.copy(*file), files):
                advance()
                if isinstance(done, str):
                    problems.append(done)
                else:
                    counts[done] += 1
    if problems:
        raise CorruptionError.combine("files cannot be copied", problems)
    return CopiedFiles(counts[True], counts[False])


def _read_batches(connection: sa.Connection) -> Iterator[list[tuple[str, int]]]:
    """Yield the checksums and sizes of the files, not all at once."""
    query = sa.select(schema.blob.c.sha256, schema.blob.c.size).order_by(schema.blob.c.sha256)
    for rows in connection.execute(query, execution_options={"yield_per": _BATCH_SIZE}).partitions():
        yield [(row.sha256, row.size) for row in rows]
