"""The database and the store of an open registry, and the time zone of its stamps, which all of its nouns use.

Transactions are opened here, and in no module below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, tzinfo
from functools import partial
from typing import NoReturn

import sqlalchemy as sa
from msgspec.structs import replace

from registry import instants
from registry.api.arguments import CheckedMethods
from registry.authorship import build_signature
from registry.database.change import Change
from registry.database.transactions import Database
from registry.errors import InstantError, RequestError
from registry.heads import Head, HeadFile
from registry.identifiers import is_m_number, parse_m_number
from registry.instants import Instant, Zone
from registry.lookup import versions
from registry.lookup.aliases import list_aliases_with_m_number
from registry.lookup.name_lists import find_panels_of_names
from registry.lookup.panels import find_panels
from registry.lookup.revisions import AsOf, find_revision_number
from registry.lookup.targets import Target, find_target
from registry.lookup.timezones import read_timezone
from registry.parallel import Progress, map_in_threads, no_progress
from registry.records import CheckedFile, Outcome, Panel
from registry.settings import Settings, find_timezone_name
from registry.store import ContentStore
from registry.timezones import find_recorded_zone, find_zone

_SYNC_THREADS = 8  # a disk syncs several files in the time of one

InstantLike = str | datetime | Instant
"""An instant, a stamp in the registry's time zone, an ISO text with its offset, or an aware datetime."""


@dataclass(frozen=True, slots=True)
class ReadTransaction:
    """A transaction of a reader, the revision as of which it reads, and the time zone of stamps."""

    connection: sa.Connection
    revision: int
    zone: Zone

    def find_revision_number(self, as_of: AsOf) -> int:
        """Return the number of another revision."""
        return find_revision_number(self.connection, as_of, self.zone)

    def find_target(self, name: str, at: Instant | None = None, source: str | None = None) -> Target:
        """Return the panels that a name stands for, see `lookup.targets`."""
        return find_target(self.connection, name, self.revision, at, source)

    def find_panels(self, names: str | Sequence[str]) -> tuple[Panel, ...]:
        """Return the panels of a name, or of names and patterns, each once."""
        listed = [names] if isinstance(names, str) else names
        return find_panels_of_names(self.connection, listed, self.revision)

    def find_panels_ever_named(self, name: str) -> Sequence[Panel]:
        """Return the panels of a name, or those that ever had an M-number, if it was withdrawn."""
        if is_m_number(name):
            m_number = parse_m_number(name)
            aliases = list_aliases_with_m_number(self.connection, m_number, self.revision, withdrawn=True)
            names = list(dict.fromkeys(alias.panel for alias in aliases if alias.alias == m_number))
            if names:
                return find_panels(self.connection, names, self.revision)
        return self.find_target(name).panels


@dataclass(frozen=True, slots=True)
class Backend:
    """The database and the store of an open registry.

    ``chosen_zone`` is the time zone that was chosen for the stamps of this session, None for the registry's own.
    """

    database: Database
    store: ContentStore
    chosen_zone: tzinfo | None

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or sent to another process."""
        raise RequestError("an open registry cannot be copied or pickled; let each process open it")

    @contextmanager
    def read_transaction(self, as_of: AsOf = None) -> Iterator[ReadTransaction]:
        """Open a transaction that reads as of a revision, by default the newest."""
        with self.database.read_transaction() as connection:
            zone = partial(self.find_timezone, connection)
            yield ReadTransaction(connection, find_revision_number(connection, as_of, zone), zone)

    def record_revision(
        self,
        record: Callable[[Change], None],
        comment: str | None = None,
        *,
        files: Iterable[CheckedFile] = (),
        progress: Progress = no_progress,
        dry_run: bool = False,
        lost: Head | None = None,
    ) -> Outcome:
        """Record facts as one revision and return what changed; a dry run is rolled back.

        Parameters
        ----------
        record
            Records the facts of the change.
        files
            The files that the facts refer to; they are stored before the writers' lock is taken.
        lost
            The head of the store that this history lacks, and goes on without.
        """
        stored = {} if dry_run else {file.sha256: file for file in files}
        signature = build_signature()
        if stored:
            self.database.refuse_unwritable(signature, lost=lost)
            self.store_files(list(stored.values()), progress)
        with self.database.write_transaction(signature, comment, dry_run=dry_run, lost=lost) as change:
            for sha256, file in stored.items():
                # `verify` removes files only under this lock: a file that is there now stays.
                if not self.store.has_object(sha256):
                    self._store_file(file)
            record(change)
            outcome = _build_outcome(change, dry_run=dry_run)
            note_count, warning_count = len(change.notes), len(change.warnings)
        # The store's head is written after the answer is read.
        return replace(
            outcome,
            notes=(*outcome.notes, *change.notes[note_count:]),
            warnings=(*outcome.warnings, *change.warnings[warning_count:]),
            seal=change.head.seal if change.head and not dry_run else None,
        )

    def find_timezone(self, connection: sa.Connection | None = None) -> tzinfo:
        """Return the time zone of stamps: the chosen one, else the registry's, which another process may change."""
        if self.chosen_zone is not None:
            return self.chosen_zone
        with self.database.autocommit_read() if connection is None else nullcontext(connection) as known:
            return find_recorded_zone(read_timezone(known))

    def parse_instant(self, at: InstantLike, zone: Zone | None = None) -> Instant:
        """Return the instant; an `InstantError` is raised for one that cannot be read.

        `zone` is that of stamps; by default `find_timezone`, which is called for a stamp only.
        """
        if at == instants.BEGINNING:
            raise InstantError("the beginning is a start of validity, not an instant at which to ask")
        if isinstance(at, Instant):
            return at
        if isinstance(at, datetime):
            return instants.instant_from_datetime(at)
        if not isinstance(at, str):
            raise InstantError(
                f"{at!r} is not an instant: a text, an aware datetime or an Instant is expected"
            )
        return instants.parse_instant(at, self.find_timezone if zone is None else zone)

    def parse_optional_instant(self, at: InstantLike | None) -> Instant | None:
        """Return the instant, ``None`` for ``None``."""
        return None if at is None else self.parse_instant(at)

    def parse_start(self, valid_from: InstantLike, zone: Zone | None = None) -> Instant:
        """Return the start of validity, which may be ``beginning``."""
        if valid_from in ("beginning", instants.BEGINNING):
            return instants.BEGINNING
        return self.parse_instant(valid_from, zone)

    def store_files(self, files: Sequence[CheckedFile], progress: Progress) -> None:
        """Store files, several at a time."""
        with progress("storing files", len(files)) as advance:
            for _ in map_in_threads(self._store_file, files, threads=_SYNC_THREADS):
                advance()

    def _store_file(self, file: CheckedFile) -> None:
        self.store.add_object(file.path, file.sha256, file.blake3)


class Noun(CheckedMethods):
    """One of the nouns of an open registry: its methods are the verbs."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend


def open_backend(settings: Settings, timezone: str | None) -> Backend:
    """Open the database and the store of a registry; see `open_registry`."""
    zone = _choose_zone(settings) if timezone is None else find_zone(timezone)
    database = Database(settings.database, HeadFile(settings.store))
    store = ContentStore(settings.store)
    try:
        store.refuse_other_registry(database.registry_id)
    except BaseException:
        database.close()
        raise
    return Backend(database, store, zone)


def _choose_zone(settings: Settings) -> tzinfo | None:
    """Return the time zone of stamps that the environment or a configuration file names."""
    setting = find_timezone_name(settings.database, settings.store)
    if setting is None:
        return None
    try:
        return find_zone(setting.value)
    except InstantError as error:
        if setting.origin == "environment":
            raise
        raise RequestError(f"'timezone' in {setting.where!r}: {error.message}", file=setting.where) from None


def _build_outcome(change: Change, *, dry_run: bool) -> Outcome:
    # Only needed after a write.
    from registry.lookup.changes import list_changes
    from registry.lookup.consequences import Consequences, find_consequences
    from registry.lookup.readout_warnings import list_readout_warnings

    connection, number = change.connection, change.revision
    # Only tables that the change touched are queried: each statement is a round trip to a server.
    consequences = find_consequences(change, number) if number else Consequences()
    readout_warnings = list_readout_warnings(connection, change.recorded, number) if number else []
    new, gone = change.recorded["version"], change.withdrawn["version"]
    list_versions = versions.list_versions_of_revision
    recorded = tuple(list_versions(connection, number, "recorded_in", new)) if number and new else ()
    withdrawn = tuple(list_versions(connection, number, "withdrawn_in", gone)) if number and gone else ()
    touched = change.recorded | change.withdrawn
    return Outcome(
        revision=None if dry_run else number,
        dry_run=dry_run,
        versions=recorded,
        withdrawn=withdrawn,
        unchanged=tuple(versions.list_versions_with_numbers(connection, change.unchanged, None)),
        facts=list_changes(connection, number, recorded, withdrawn, touched) if number else (),
        notes=(*change.notes, *consequences.notes),
        warnings=(*change.warnings, *consequences.warnings, *readout_warnings),
        superseded_runs=tuple(change.superseded_runs),
        affected_runs=consequences.runs,
        affected_exports=consequences.exports,
        same_constants=consequences.same_constants,
    )
