"""The files of a mirror: brought before a row refers to them, by their checksums, several at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import BufferedIOBase, BytesIO

import sqlalchemy as sa

from registry import schema
from registry.api.incomplete_copies import note_missing_files, read_missing_files
from registry.api.objects import describe_problems
from registry.database.mirrored_rows import MirroredRows
from registry.database.sealed_lines import list_columns
from registry.database.transactions import Database
from registry.errors import CorruptionError, DeniedError
from registry.parallel import WorkerPool
from registry.records import MissingFile
from registry.store import ContentStore

_THREADS = 8  # as many as a service answers at once


@dataclass(frozen=True, slots=True)
class _VerifiedBytes:
    """The bytes of a file, which are to be stored."""

    name: str
    content: bytes

    def open(self) -> BufferedIOBase:
        """Open them to read."""
        return BytesIO(self.content)


@dataclass(slots=True)
class MirroredFiles:
    """The files that a mirror gets from the store of the registry that it follows.

    Attributes
    ----------
    copied, already_present
        How many were brought, and how many were there.
    """

    source: ContentStore
    target: ContentStore
    copied: int = 0
    already_present: int = 0
    _problems: dict[str, CorruptionError | DeniedError] = field(default_factory=dict)

    def bring(self, files: Sequence[tuple[str, int]]) -> None:
        """Bring files by their checksums and sizes.

        One that is damaged or missing there does not stop the others: it is noted in the store, and tried again the
        next time. Everything else that fails stops: nothing refers to the files yet.

        Raises
        ------
        UnavailableError
            The registry that is followed does not answer, or a store cannot be used.
        """
        problems: dict[str, CorruptionError | DeniedError] = {}
        with WorkerPool(_THREADS) as pool:
            results = [pool.submit(self._bring_one, *file) for file in files]
            try:
                for (sha256, _), result in zip(files, results, strict=True):
                    problem = result.result()
                    if isinstance(problem, bool):
                        self.copied, self.already_present = (
                            self.copied + problem,
                            self.already_present + (not problem),
                        )
                    else:
                        problems[sha256] = problem
            finally:
                for result in results:
                    result.cancel()
        self._problems |= problems
        if problems:  # before a row refers to them: whoever is interrupted finds them here again
            note_missing_files(
                self.target,
                [
                    MissingFile(sha256, str(problem), (), isinstance(problem, CorruptionError))
                    for sha256, problem in problems.items()
                ],
            )

    def _bring_one(self, sha256: str, size: int) -> bool | CorruptionError | DeniedError:
        if self.target.has_object(sha256):
            return False
        try:
            content = self.source.read(sha256, size)
        except (CorruptionError, DeniedError) as error:
            return error
        return self.target.add_object(_VerifiedBytes(sha256, content), sha256)

    def bring_missing(self, database: Database) -> None:
        """Bring the files that could not be brought before."""
        former = read_missing_files(self.target)
        if former:
            self.bring(_read_sizes(database, [file.sha256 for file in former]))
            note_missing_files(self.target, ())

    def bring_all(self, database: Database) -> None:
        """Bring the files of all revisions that the mirror has, as far as they are not there."""
        blob, last = schema.blob, ""
        while True:
            query = sa.select(blob.c.sha256, blob.c.size).where(blob.c.sha256 > last)
            with database.read_transaction() as connection:
                rows = connection.execute(query.order_by(blob.c.sha256).limit(1000)).all()
            if not rows:
                return
            self.bring([(row.sha256, row.size) for row in rows])
            last = rows[-1].sha256

    def list_missing(self, database: Database) -> tuple[MissingFile, ...]:
        """Return the files that could not be brought this time, with their uses; note them in the store."""
        if not self._problems:
            return ()
        with database.read_transaction() as connection:
            missing = describe_problems(connection, self.source, self._problems)
        note_missing_files(self.target, missing)
        return missing


def _read_sizes(database: Database, sha256s: Iterable[str]) -> list[tuple[str, int]]:
    query = sa.select(schema.blob.c.size).where(schema.blob.c.sha256 == sa.bindparam("sha256"))
    with database.read_transaction() as connection:
        sizes = [(sha256, connection.execute(query, {"sha256": sha256}).scalar()) for sha256 in sha256s]
    return [(sha256, size) for sha256, size in sizes if size is not None]


def list_files(batch: MirroredRows) -> list[tuple[str, int]]:
    """Return the checksums and sizes of the files of revisions."""
    columns = list_columns(schema.blob.name)
    sha256, size = columns.index("sha256"), columns.index("size")
    return [(row[sha256], row[size]) for row in batch.rows.get(schema.blob.name, ())]
