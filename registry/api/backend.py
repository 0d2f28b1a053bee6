"""The database and the store of an open registry, and the time zone of its stamps, which all of its nouns use.

Transactions are opened here, and in no module below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Concatenate, NoReturn, ParamSpec, TypeVar

from msgspec.structs import replace

from registry import instants
from registry.api.arguments import CheckedMethods
from registry.api.change_outcomes import build_outcome
from registry.api.pins import find_whole_head
from registry.authorship import build_signature
from registry.database.change import Change
from registry.database.transactions import Database
from registry.errors import InstantError, RequestError
from registry.heads import Head, HeadFile
from registry.identifiers import Dataset, is_dataset, is_m_number, parse_typed_m_number
from registry.instants import Instant
from registry.lookup.aliases import list_aliases_with_m_number
from registry.lookup.name_lists import find_panels_of_names
from registry.lookup.panels import find_panels
from registry.lookup.revisions import (
    AsOfRef,
    RevisionRef,
    count_back,
    find_revision_number,
    later_revision_error,
    parse_as_of,
)
from registry.lookup.run_instants import find_run_start
from registry.lookup.tags import refuse_tagged_word
from registry.lookup.targets import Target, find_target
from registry.lookup.timezones import read_timezone
from registry.parallel import Progress, map_in_threads, no_progress
from registry.records import CheckedFile, Outcome, Panel
from registry.settings import Settings, find_timezone_name
from registry.sql import sa
from registry.stated_times import WORDS, is_stated_time, parse_stated_time
from registry.store import ContentStore
from registry.timezones import find_recorded_zone, find_zone

_SYNC_THREADS = 8  # a disk syncs several files in the time of one

_Arguments = ParamSpec("_Arguments")
_Answer = TypeVar("_Answer")

_BACK = re.compile(r"-[1-9][0-9]{0,12}", re.ASCII)

InstantLike = str | datetime | Instant
"""An instant, an aware datetime, or a text as `stated_times` reads it, in the registry's time zone; or a dataset."""

Note = Callable[[str], None]
"""Receives a sentence on how a text was read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """The instant that was read from what was stated, and the time zone in which, if it needed one."""

    stated: InstantLike
    instant: Instant
    zone: str | None = None

    def describe(self) -> list[str]:
        """Return a note on how a text was read, where that is not obvious."""
        if not isinstance(self.stated, str) or self.stated == str(self.instant):
            return []
        return [f"{self.stated} is {self.instant}" + (f" ({self.zone})" if self.zone else "")]


@dataclass(frozen=True, slots=True)
class ReadTransaction:
    """A transaction of a reader, the revision as of which it reads, and how that was asked for."""

    backend: Backend
    connection: sa.Connection
    revision: int
    reference: RevisionRef

    @property
    def pinned(self) -> RevisionRef:
        """The reference to the same revision in another transaction: also to that without facts."""
        return RevisionRef("pinned", self.revision)

    def find_revision_number(self, as_of: AsOfRef) -> int:
        """Return the number of another revision."""
        return find_revision_number(self.connection, self.backend.read_as_of(as_of, self.connection))

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
            m_number = parse_typed_m_number(name)
            aliases = list_aliases_with_m_number(self.connection, m_number, self.revision, withdrawn=True)
            names = list(dict.fromkeys(alias.panel for alias in aliases if alias.alias == m_number))
            if names:
                return find_panels(self.connection, names, self.revision)
        return self.find_target(name).panels


@dataclass(frozen=True, slots=True)
class Backend:
    """The database and the store of an open registry.

    Attributes
    ----------
    chosen_zone
        The time zone that was chosen for the texts of this session, None for the registry's own.
    note
        Is told how texts were read as instants.
    present
        The instant to which words such as ``yesterday`` are relative, None for that of each request.
    chosen_pin
        The revision that was chosen for this session, as of which it answers; None for the newest one.
    """

    database: Database
    store: ContentStore
    chosen_zone: tzinfo | None
    note: Note | None = None
    present: Instant | None = None
    chosen_pin: Head | None = None

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or sent to another process."""
        raise RequestError("an open registry cannot be copied or pickled; let each process open it")

    @property
    def is_remote(self) -> bool:
        """True if the database is behind a service, and only its answers can be had."""
        return False

    @contextmanager
    def read_transaction(self, as_of: AsOfRef = None) -> Iterator[ReadTransaction]:
        """Open a transaction that reads as of a revision, by default the newest."""
        with self.database.read_transaction() as connection:
            reference = self.read_as_of(as_of, connection)
            yield ReadTransaction(self, connection, find_revision_number(connection, reference), reference)

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
            # `verify` removes files only under this lock: a file that is there now stays.
            for sha256 in self.store.list_absent(stored):
                self._store_file(stored[sha256])
            record(change)
            outcome = build_outcome(change, dry_run=dry_run)
            note_count, warning_count = len(change.notes), len(change.warnings)
        # The store's head is written after the answer is read.
        return replace(
            outcome,
            notes=(*outcome.notes, *change.notes[note_count:]),
            warnings=(*outcome.warnings, *change.warnings[warning_count:]),
            seal=change.head.seal if change.head and not dry_run else None,
        )

    def answer(
        self,
        question: Callable[Concatenate[Backend, _Arguments], _Answer],
        *values: _Arguments.args,
        **options: _Arguments.kwargs,
    ) -> _Answer:
        """Return the answer to a question of `api.questions`; a remote registry asks its service."""
        return question(self, *values, **options)

    def answer_batches(
        self, question: Callable[..., _Answer], batches: Sequence[Sequence[str]], **options: Any
    ) -> Iterator[_Answer]:
        """Yield the answers to a question about several lists of `split`; a service is asked for some at a time."""
        return (question(self, batch, **options) for batch in batches)

    def answer_pages(
        self,
        question: Callable[Concatenate[Backend, _Arguments], _Answer],
        *values: _Arguments.args,
        **options: _Arguments.kwargs,
    ) -> Iterator[_Answer]:
        """Yield the answer to a question that a service answers in pages: here the whole at once."""
        yield question(self, *values, **options)

    def read_newest_revision(self) -> int:
        """Return the number of the newest revision that this session knows."""
        with self.read_transaction() as view:
            return view.revision

    def split(self, values: Sequence[str], most: int) -> list[Sequence[str]]:  # noqa: ARG002 - of a service
        """Return values in the lists of one question each: all together, of a service at `most` so many."""
        return [values] if values else []

    def find_timezone(self, connection: sa.Connection | None = None) -> tzinfo:
        """Return the time zone of stamps: the chosen one, else the registry's, which another process may change."""
        if self.chosen_zone is not None:
            return self.chosen_zone
        with self._connect(connection) as known:
            return find_recorded_zone(read_timezone(known))

    def read_as_of(self, as_of: AsOfRef, connection: sa.Connection | None = None) -> RevisionRef:
        """Return the reference that a text stands for: of an instant, whatever the text is in a moment.

        In a session with a pin it is one of that revision or of an earlier one; later ones are refused.
        """
        reference = self._parse_as_of(as_of, connection)
        return reference if self.chosen_pin is None else self._limit(reference, self.chosen_pin, connection)

    def _limit(self, reference: RevisionRef, pin: Head, connection: sa.Connection | None) -> RevisionRef:
        """Return a reference to a revision that is not after the pin."""
        if reference.by == "newest":
            return RevisionRef("pinned", pin.number)
        if reference.by == "pinned":
            return reference
        if reference.by == "back":
            return RevisionRef("number", count_back(reference, pin.number))
        with self._connect(connection) as known:
            number = find_revision_number(known, reference)
        if number <= pin.number:
            return reference
        if reference.by == "instant":  # of what was recorded until then, this session knows what was pinned
            return RevisionRef("pinned", pin.number)
        raise later_revision_error(number, pin)

    def _parse_as_of(self, as_of: AsOfRef, connection: sa.Connection | None) -> RevisionRef:
        if isinstance(as_of, str):
            if _BACK.fullmatch(as_of):
                return RevisionRef("back", -int(as_of))
            if is_stated_time(as_of) or is_dataset(as_of):
                reading = self.read_instant(as_of, connection=connection)
                if as_of in WORDS:
                    self._refuse_tagged_word(as_of, reading.instant, connection)
                self.tell(reading)
                return parse_as_of(reading.instant)
        if isinstance(as_of, int) and not isinstance(as_of, (bool, Instant)) and as_of < 0:
            return RevisionRef("back", -as_of)
        return parse_as_of(as_of)

    def _refuse_tagged_word(self, word: str, instant: Instant, connection: sa.Connection | None) -> None:
        with self._connect(connection) as known:
            refuse_tagged_word(known, word, instant)

    def read_instant(
        self,
        at: InstantLike,
        *,
        present: Instant | None = None,
        connection: sa.Connection | None = None,
        as_of: AsOfRef = None,
    ) -> Reading:
        """Return how an instant is read; an `InstantError` is raised for one that cannot be.

        Parameters
        ----------
        present
            What words are relative to; by default the present of the session, else this moment.
        connection
            Where the time zone and the start of a run are read; by default in a transaction that is opened if they are
            needed.
        as_of
            The revision as of which the start of a run is meant.
        """
        if at == instants.BEGINNING:
            raise InstantError("the beginning is a start of validity, not an instant at which to ask")
        if isinstance(at, Instant):
            return Reading(at, at)
        if isinstance(at, datetime):
            return Reading(at, instants.instant_from_datetime(at))
        if not isinstance(at, str):
            raise InstantError(
                f"{at!r} is not an instant: a text, an aware datetime or an Instant is expected"
            )
        if is_dataset(at):
            return Reading(at, self._find_run_start(Dataset.parse(at), connection, as_of))
        zones: list[tzinfo] = []

        def find_zone() -> tzinfo:
            zones.append(self.find_timezone(connection))
            return zones[-1]

        moment = present or self.present or instants.now()
        instant = parse_stated_time(at, find_zone, moment)
        return Reading(at, instant, str(zones[-1]) if zones else None)

    def _find_run_start(self, dataset: Dataset, connection: sa.Connection | None, as_of: AsOfRef) -> Instant:
        if connection is not None:
            return find_run_start(connection, dataset, find_revision_number(connection, as_of))
        with self.read_transaction(as_of) as view:
            return find_run_start(view.connection, dataset, view.revision)

    def parse_optional_instant(self, at: InstantLike | None, as_of: AsOfRef = None) -> Instant | None:
        """Return the instant, ``None`` for ``None``; the session is told how it was read."""
        if at is None:
            return None
        reading = self.read_instant(at, as_of=as_of)
        self.tell(reading)
        return reading.instant

    def tell(self, reading: Reading) -> None:
        """Tell the session how a text was read, where that is not obvious."""
        if self.note is not None:
            for sentence in reading.describe():
                self.note(sentence)

    def _connect(self, connection: sa.Connection | None) -> AbstractContextManager[sa.Connection]:
        return self.database.autocommit_read() if connection is None else nullcontext(connection)

    def store_files(self, files: Sequence[CheckedFile], progress: Progress) -> None:
        """Store files, several at a time."""
        with progress("storing files", len(files)) as advance:
            for _ in map_in_threads(self._store_file, files, max(_SYNC_THREADS, self.store.threads)):
                advance()

    def _store_file(self, file: CheckedFile) -> None:
        self.store.add_object(file.path, file.sha256, file.blake3)


class Noun(CheckedMethods):
    """One of the nouns of an open registry: its methods are the verbs."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend


def open_backend(
    settings: Settings,
    timezone: str | None,
    note: Note | None = None,
    present: Instant | None = None,
    *,
    read_only: bool = False,
    pin: Head | None = None,
) -> Backend:
    """Open the database and the store of a registry; see `open_registry`."""
    zone = choose_zone(settings) if timezone is None else find_zone(timezone)
    store = ContentStore(settings.store)
    database = Database(settings.database, HeadFile(store.storage), read_only=read_only)
    try:
        store.refuse_other_registry(database.registry_id)
        if pin is not None:
            pin = find_whole_head(database, pin)
            database.pin = pin
    except BaseException:
        database.close()
        raise
    return Backend(database, store, zone, note, present, pin)


def choose_zone(settings: Settings) -> tzinfo | None:
    """Return the time zone of stamps that the environment or a configuration file names."""
    setting = find_timezone_name(settings.database, settings.store)
    if setting is None:
        return None
    try:
        return find_zone(setting.value)
    except InstantError:
        if setting.origin == "environment":
            raise
        raise RequestError(  # without the value, which may be a part of a URL with a password
            f"'timezone' in {setting.where!r} is not a time zone; a name like America/Los_Angeles is expected",
            file=setting.where,
        ) from None
