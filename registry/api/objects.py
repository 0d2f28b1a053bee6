"""Copy stored files from one store into another, as far as they are missing there, and verify every byte."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass

import sqlalchemy as sa

from registry import schema
from registry.api.incomplete_copies import (
    CopiedFiles,
    note_missing_files,
    read_missing_files,
    refuse_incomplete,
)
from registry.database.closing import find_part
from registry.database.transactions import Database
from registry.errors import CorruptionError, RequestError, UnavailableError
from registry.heads import Head
from registry.lookup.partial_files import count_files_outside, is_in_part, list_files_outside
from registry.lookup.revisions import read_newest_revision
from registry.lookup.stored_files import describe_uses, list_uses
from registry.parallel import Progress, WorkerPool, no_progress
from registry.records import LeftOutFiles, MissingFile, RegistryCopy
from registry.settings import mask_database_url
from registry.storage import Place
from registry.store import ContentStore

_BATCH_SIZE = 1000

_Problem = CorruptionError | UnavailableError


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """The files to which a database refers, read in batches, each in a transaction of its own.

    Parameters
    ----------
    read_transaction
        Opens a transaction, or returns the one in which the caller is.
    first_revision, last_revision
        Of the files that are recorded in these revisions only.
    """

    read_transaction: Callable[[], AbstractContextManager[sa.Connection]]
    first_revision: int = 0
    last_revision: int | None = None

    @classmethod
    def in_transaction(cls, connection: sa.Connection, first_revision: int = 0) -> StoredFiles:
        """Return the files that a transaction sees, which stays open."""
        return cls(lambda: nullcontext(connection), first_revision)

    def count(self) -> int:
        """Return their number."""
        with self.read_transaction() as connection:
            query = sa.select(sa.func.count()).select_from(schema.blob).where(self._is_wanted(connection))
            return connection.execute(query).scalar_one()

    def read_batches(self) -> Iterator[list[tuple[str, int]]]:
        """Yield their checksums and sizes, by checksum."""
        blob, last = schema.blob, ""
        while True:
            with self.read_transaction() as connection:
                query = (
                    sa.select(blob.c.sha256, blob.c.size)
                    .where(self._is_wanted(connection), blob.c.sha256 > last)
                    .order_by(blob.c.sha256)
                    .limit(_BATCH_SIZE)
                )
                batch = [(row.sha256, row.size) for row in connection.execute(query)]
            if not batch:
                return
            yield batch
            last = batch[-1][0]

    def note_left_out(self, target: ContentStore) -> LeftOutFiles | None:
        """Note in a store which files the partial snapshot that the database is has left out; return their number."""
        with self.read_transaction() as connection:
            part = find_part(connection)
            target.note_left_out(part, [] if part is None else list_files_outside(connection, part))
            return None if part is None else count_files_outside(connection, part)

    def _is_wanted(self, connection: sa.Connection) -> sa.ColumnElement[bool]:
        recorded_in = schema.blob.c.recorded_in
        condition = recorded_in >= self.first_revision
        if self.last_revision is not None:
            condition &= recorded_in <= self.last_revision
        part = find_part(connection)
        return condition if part is None else condition & is_in_part(part)


def copy_objects(
    files: StoredFiles,
    source: ContentStore,
    target: ContentStore,
    progress: Progress,
    *,
    verify: bool = False,
) -> CopiedFiles:
    """Copy files to which a database refers; an interrupted copy leaves no incomplete file.

    A file of the source that is damaged, missing or unreadable does not stop the others: it is returned with its uses,
    and noted in the target.

    Parameters
    ----------
    files
        Reads in turn which they are; no transaction is open meanwhile, unless it is the caller's.
    verify
        Read the files that the target has already, and replace those that are damaged. Without it a file of
        the right name and size is not read again.
    """
    total = files.count()
    problems: dict[str, _Problem] = {}
    counts = {True: 0, False: 0}
    with (
        progress("copying files", total) if total else no_progress("", 0) as advance,
        target.gather_objects() as gathering,
        WorkerPool(max(source.threads, target.threads)) as pool,
    ):

        def copy(file: tuple[str, int]) -> bool | _Problem:
            return _copy_object(source, gathering, *file, verify=verify)

        for batch in files.read_batches():
            for (sha256, _), result in zip(batch, pool.map(copy, batch), strict=True):
                advance()
                if isinstance(result, bool):
                    counts[result] += 1
                else:
                    problems[sha256] = result
    missing: tuple[MissingFile, ...] = ()
    if problems:
        with files.read_transaction() as connection:
            missing = describe_problems(connection, source, problems)
    note_missing_files(target, missing)
    return CopiedFiles(counts[True], counts[False], missing, files.note_left_out(target))


def copy_recorded_objects(
    database: Database, source: ContentStore, target: ContentStore, progress: Progress
) -> tuple[CopiedFiles, int]:
    """Copy the files without a transaction, and once more those that were recorded meanwhile.

    Returns
    -------
    tuple
        Their numbers, and the revision up to which they were copied: later ones are few.
    """
    copied, files = 0, CopiedFiles()
    for _ in range(2):
        with database.read_transaction() as connection:
            newest = read_newest_revision(connection)
        stored = StoredFiles(database.read_transaction, copied + 1, newest)
        files += copy_objects(stored, source, target, progress)
        copied = newest
    return files, copied


def _copy_object(
    source: ContentStore, target: ContentStore, sha256: str, size: int, *, verify: bool
) -> bool | _Problem:
    """Copy a file; return whether it was missing, or what is wrong with the original."""
    if not verify:
        with suppress(UnavailableError):
            entry = target.stat_object(sha256)
            if entry is not None and entry.size == size:
                return False
    try:
        return target.add_object(source.get_source(sha256), sha256)
    except (RequestError, UnavailableError):
        problem = source.find_error(sha256, size)
        if problem is None:  # the target cannot be written
            raise
        return problem


def describe_problems(
    connection: sa.Connection, source: ContentStore, problems: Mapping[str, _Problem]
) -> tuple[MissingFile, ...]:
    """Return the files of a store that cannot be read, with their uses, by the errors when they were read."""
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


def summarise_copy(
    what: str,
    registry_id: str,
    head: Head,
    url: str,
    store: Place,
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
        left_out=files.left_out,
    )
    refuse_incomplete(copy, what, files.missing)
    return copy
