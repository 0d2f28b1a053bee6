"""Follow another registry: a mirror has all its revisions with their seals, and gets the new ones on request."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from registry import instants
from registry.api.arguments import check_arguments
from registry.api.attempts import note_mirror
from registry.api.incomplete_copies import refuse_missing_of_mirror
from registry.api.mirror_chain import Page, SealChain, SealedBatch, read_revisions
from registry.api.mirror_databases import (
    MirrorPoint,
    OvertakenError,
    advance_store_head,
    begin_mirror,
    continue_mirror,
    open_mirror,
    read_point,
    refuse_other_store,
)
from registry.api.mirror_files import MirroredFiles, list_files
from registry.api.upstreams import Upstream, open_upstream
from registry.database.closing import MirrorNote
from registry.database.seal_text import seal_text
from registry.database.seals import read_seal
from registry.database.transactions import Database
from registry.errors import ConflictError, LeftOutError, RequestError
from registry.heads import Head, HeadFile
from registry.parallel import Advance, Progress, no_progress
from registry.records import Followed, SnapshotPart
from registry.settings import Settings, find_settings, mask_database_url, refuse_pin
from registry.store import ContentStore

_BATCH_SIZE = 32 << 20  # characters, in one transaction
_BATCH_REVISIONS = 10_000
_BATCH_FILES = 1000


@check_arguments
def mirror_registry(
    upstream: str,
    database: str | None = None,
    store: str | Path | None = None,
    *,
    upstream_store: str | Path | None = None,
    files: bool | None = None,
    progress: Progress = no_progress,
) -> Followed:
    """Make a mirror of another registry, or bring one up to date: a database that takes no other writes.

    Every revision is compared with its seal, and this with the one before it, before a row is written. After an
    interruption, at whatever moment, the same call goes on.

    Parameters
    ----------
    upstream
        URL of a service, or of a database. It may be a mirror itself.
    database, store
        The mirror, which is made where there is none; by default that of the environment.
    upstream_store
        The store of a database that is followed; by default the folder ``store`` beside a SQLite file.
    files
        False to leave the stored files out; by default as when the mirror was made, and then with them.

    Raises
    ------
    ConflictError
        The histories differ, or the database holds a registry that is not a mirror, or the service is public.
    ClosedError
        The registry moved elsewhere, or is a snapshot.
    CorruptionError
        A revision is not as it was sealed; or files are missing or damaged there: everything else was taken over, and
        ``values["missing"]`` lists them.
    SchemaError
        It is of newer software.
    UnavailableError
        It does not answer, or a database or a store cannot be used.
    """
    refuse_pin("follow another registry")
    settings = find_settings(database, store)
    with open_upstream(upstream, upstream_store) as source:
        if source.name == mask_database_url(settings.database):
            raise RequestError(
                f"{source.name} is the mirror itself, and cannot follow itself", upstream=source.name
            )
        return _Following(source, settings, files, progress, ContentStore(settings.store)).run()


@dataclass(slots=True)
class _Following:
    """A mirror that is brought up to date."""

    source: Upstream
    settings: Settings
    wants_files: bool | None
    progress: Progress
    target: ContentStore
    database: Database | None = None
    point: MirrorPoint | None = None
    files: MirroredFiles | None = None
    revisions: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _is_renewed: bool = False

    def run(self) -> Followed:
        """Follow to the newest revision."""
        note_mirror(self.settings.database)
        self.database = open_mirror(self.settings.database)
        try:
            if self.database is not None:
                self.point = read_point(self.database)
            self._find_files()
            if self.point is not None:
                self._check_mirror(self.point)
            while not self._follow():
                self.point = read_point(self._require_database())
            return self._finish(self._require_database())
        finally:
            if self.database is not None:
                self.database.close()

    def _find_files(self) -> None:
        """Find out whether the mirror has files, and where they come from."""
        former = None if self.point is None else not self.point.note.without_files
        has_files = former is not False if self.wants_files is None else self.wants_files
        if former and not has_files:
            raise RequestError("this mirror has files, and leaves none out: make another one for that")
        if not has_files:
            return
        if not self.source.has_files:
            raise LeftOutError(
                f"{self.source.name} has left its files out: follow it without files, or follow the registry that it"
                " follows",
                upstream=self.source.name,
            )
        self.files = MirroredFiles(self.source.find_store(), self.target)

    def _check_mirror(self, point: MirrorPoint) -> None:
        """Refuse another history, and another store; bring the files that former revisions lack."""
        database = self._require_database()
        self._refuse_other_history(point)
        refuse_other_store(database, HeadFile(self.settings.store))
        self._make_store()
        if self.files is not None:
            self.files.bring_missing(database)
            if point.note.without_files:
                self.files.bring_all(database)
                self.target.note_left_out(None, (), is_complete=True)

    def _make_store(self) -> None:
        """Make the store, and note in it where files are left out."""
        self.target.create(self.source.registry_id)
        if self.files is None:
            self.target.note_left_out(SnapshotPart((), (), (), self.source.name), ())

    def _require_database(self) -> Database:
        assert self.database is not None  # noqa: S101 - it was opened, or made
        return self.database

    def _refuse_other_history(self, point: MirrorPoint) -> None:
        """Refuse another history as far as it is known before a page is read; note one that is behind."""
        own, theirs = point.head, self.source.head
        if theirs.number == own.number and theirs != own:
            raise _fork_error(self.source.name, own, theirs.seal)
        if theirs.number < own.number:
            with self._require_database().read_transaction() as connection:
                seal = read_seal(connection, theirs.number)
            if seal != theirs.seal:
                raise _fork_error(self.source.name, Head(theirs.number, str(seal)), theirs.seal)
            self.warnings.append(
                f"{self.source.name} ends with {theirs}, before this mirror, which has {own}: it lags, or has lost what"
                " came later"
            )

    def _follow(self) -> bool:
        """Follow to the newest revision; return False where another process has continued the mirror meanwhile."""
        point, source = self.point, self.source
        begin = 0 if point is None else point.head.number
        reader = _Reader(source, point)
        chain, batch = reader.chain, SealedBatch()
        total = max(0, source.head.number - begin)
        try:
            with self.progress(f"following {source.name}", total) if total else no_progress("", 0) as advance:
                for revision in read_revisions(reader.read, chain.head, source.head.number):
                    parts = chain.take(revision)
                    batch.add(revision, chain.link, parts)
                    if _is_full(batch):
                        self._write(reader, batch, advance)
                        batch = SealedBatch()
                if batch.seals or not self._is_renewed:
                    self._write(reader, batch, advance)
        except OvertakenError:
            return False
        return True

    def _write(self, reader: _Reader, batch: SealedBatch, advance: Advance) -> None:
        """Bring the files of revisions, then write the revisions."""
        rows = batch.build_rows()
        if self.database is None:
            self._make_store()
        if self.files is not None:
            self.files.bring(list_files(rows))
        head = self.source.head
        note = MirrorNote(int(instants.now()), head.number, head.seal, without_files=self.files is None)
        place, url = self.source.name, self.settings.database
        if self.database is None or self.point is None:
            begin_mirror(url, reader.registry, self.source.registry_id, place, note, rows)
            self.database = Database(url)
        else:
            continue_mirror(self.database, self.point, place, note, rows)
        self._is_renewed = True
        advance_store_head(self.database, self.settings.store)
        self.point = MirrorPoint(reader.chain.origin, reader.chain.head, reader.chain.link, place, note)
        self.revisions += len(batch.seals)
        for name, count in rows.count_by_table().items():
            self.rows[name] = self.rows.get(name, 0) + count
        advance(len(batch.seals))

    def _finish(self, database: Database) -> Followed:
        assert self.point is not None  # noqa: S101 - it was made by now
        files = self.files
        result = Followed(
            registry=self.source.registry_id,
            revision=self.point.head.number,
            seal=self.point.head.seal,
            upstream=self.source.name,
            database=mask_database_url(self.settings.database),
            store=str(self.settings.store),
            revisions=self.revisions,
            rows=dict(sorted(self.rows.items())),
            files=0 if files is None else files.copied,
            files_there=0 if files is None else files.already_present,
            with_files=files is not None,
            warnings=tuple(self.warnings),
        )
        refuse_missing_of_mirror(result, () if files is None else files.list_missing(database))
        return result


def _is_full(batch: SealedBatch) -> bool:
    """Tell whether a transaction has enough revisions."""
    return (
        batch.size > _BATCH_SIZE
        or len(batch.seals) >= _BATCH_REVISIONS
        or batch.count_files() >= _BATCH_FILES
    )


class _Reader:
    """Reads the pages of a registry after the point at which a mirror is, and follows the chain of its seals."""

    def __init__(self, source: Upstream, point: MirrorPoint | None) -> None:
        self._source = source
        self._first: Page | None = None
        self._own = None if point is None else point.head
        if point is None:
            self._first = source.read_page(Head(0, "0" * 64), 0)
            self.registry = self._first.registry
            origin = seal_text(self.registry)
            self.chain = SealChain(origin, Head(0, origin))
        else:
            self.registry = ""
            self.chain = point.make_chain()

    def read(self, after: Head, skip: int) -> Page:
        """Return the next page; refuse that of another registry or another history."""
        page, self._first = self._first, None
        if page is None:
            try:
                page = self._source.read_page(after, skip)
            except ConflictError:
                self._refuse_fork()
                raise
        if seal_text(page.registry) != self.chain.origin:
            raise ConflictError(
                f"{self._source.name} is of another registry than this mirror: {self._source.registry_id}",
                upstream=self._source.registry_id,
            )
        return page

    def _refuse_fork(self) -> None:
        """Raise the refusal of a history that lacks the head of the mirror, with both seals."""
        if self._own is not None:
            seal = self._source.find_seal(self._own.number)
            if seal is not None and seal != self._own.seal:
                raise _fork_error(self._source.name, self._own, seal)


def _fork_error(name: str, own: Head, seal: str) -> ConflictError:
    return ConflictError(
        f"{name} has another history than this mirror: its revision {own.number} has the seal {seal}, and that of the"
        f" mirror {own.seal}; nothing was taken over",
        revision=own.number,
        upstream=seal,
        mirror=own.seal,
    )
