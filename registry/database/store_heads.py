"""The head of a store, kept in step with its database: a stale copy or a fork of the registry writes nothing beside it.

Under the writers' lock a writer compares the store's head with its own history, names the revision that is coming
before the commit, and calls it committed after it. Where the process dies in between, the next writer sees from the
database what became of it. From the one to the other it holds a lock on the store, too, where that has locks, so that
of two databases beside one store, which have no lock in common, one sees what the other has committed. In any case the
head is only replaced as long as it is the one that was read.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from typing import Protocol, Self

from registry.errors import ConflictError, RegistryError, Remedy, UnavailableError
from registry.heads import Head, HeadFile, KeptHead, OvertakenError, StoreHead
from registry.sql import sa

_ATTEMPTS = 5  # to write a head that others change at the same time


class History(Protocol):
    """The history of a database, and what a writer adds to it."""

    head: Head | None
    awaited: Head | None
    notes: list[str]
    warnings: list[str]

    @property
    def newest_head(self) -> Head:
        """The newest revision before that of the writer, with its seal."""

    def contains(self, head: Head) -> bool:
        """Tell whether the history contains the revision, with that seal."""


class HeadKeeper:
    """The head of the store in one writer's transaction; nothing is checked where the database is opened without one.

    Parameters
    ----------
    lost
        The head that this history lacks, as its writer knows: it goes on without it.
    """

    def __init__(self, file: HeadFile | None, lost: Head | None = None) -> None:
        self._file = file
        self._lost = lost
        self._kept = KeptHead(None)
        self._lock = ExitStack()
        self._is_announced = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def read(self) -> list[Head]:
        """Read the head, under the writers' lock; return the heads to look for in the history.

        Raises
        ------
        CorruptionError, SchemaError, UnavailableError
            The head cannot be read.
        """
        self._kept = KeptHead(None) if self._file is None else self._file.read_kept()
        state = self._state
        return [] if state is None else [head for head in (state.committed, state.coming) if head is not None]

    @property
    def _state(self) -> StoreHead | None:
        return self._kept.head

    def refuse_foreign(self, history: History) -> None:
        """Refuse a history that lacks what was committed to the store, unless just that is known to be lost.

        The revision that is coming counts as committed if the history contains it, and as never recorded if the
        history ends with the one that was committed.
        """
        missing = None if self._state is None else find_missing_head(self._state, history)
        if self._lost is not None:
            if missing != self._lost:
                raise _not_lost_error(self._lost, self._state, missing, history.newest_head)
        elif missing is not None:
            raise foreign_head_error(missing, history.newest_head)

    def announce(self, history: History) -> None:
        """Name the revision that is coming, before it is committed; refuse as above what has come in since."""
        if self._file is None or history.head is None:
            return
        self._lock.enter_context(self._file.lock())
        known = _get_coming(self._state)
        for attempt in range(1, _ATTEMPTS + 1):
            self._kept = self._file.read_kept()
            self.refuse_foreign(history)
            coming = _get_coming(self._state)
            if coming is not None and coming != known and not history.contains(coming):
                raise foreign_head_error(coming, history.newest_head)
            # A history that goes on without a head follows it once the revision that says so is committed.
            committed = (
                history.newest_head if self._lost is None or self._state is None else self._state.committed
            )
            try:
                self._is_announced = self._file.write(StoreHead(committed, history.head), former=self._kept)
                break
            except OvertakenError:
                if attempt == _ATTEMPTS:
                    raise
        if not self._is_announced:
            self._note_behind(history)

    def confirm(self, history: History) -> None:
        """Call the revision committed, after it was; what another writer wrote since is left as it is."""
        if self._file is None or history.head is None or not self._is_announced:
            return
        try:
            kept = self._file.read_kept()
            state = kept.head
            if state is None or state.coming == history.head:
                with suppress(OvertakenError):  # by the next writer, who has found this revision committed
                    self._file.write(StoreHead(history.head), former=kept, synced=False)
            elif state.committed != history.head and state.committed.number <= history.head.number:
                history.warnings.append(
                    "another database of this registry wrote to the store meanwhile:"
                    f" the store's head is {state.committed}, this database's {history.head}"
                )
        except RegistryError as error:
            history.notes.append(
                f"the store's head names this revision when the next one is recorded: {error}"
            )

    def settle(self, head: Head) -> None:
        """Call the newest revision of a database committed, unless somebody else wrote since the head was read."""
        if self._file is not None:
            with self._file.lock():
                kept = self._file.read_kept()
                if kept.head == self._state:
                    with suppress(OvertakenError):
                        self._file.write(StoreHead(head), former=kept)

    def _note_behind(self, history: History) -> None:
        """Note that the head of the store stays behind, which is refused while a writer's end is not known."""
        place = f"the store's head {self._file.place!r}" if self._file else ""
        if self._lost is not None:
            raise UnavailableError(f"{place} may not be written by you: it cannot follow this database")
        if history.awaited is not None:
            raise UnavailableError(
                f"{place} names revision {history.awaited.number}, whose writer was interrupted, and you may not write"
                " it: somebody who may has to record something first"
            )
        history.notes.append(
            f"{place} may not be written by you: it names this revision when somebody records who may"
        )


def _get_coming(state: StoreHead | None) -> Head | None:
    return None if state is None else state.coming


def find_missing_head(state: StoreHead, history: History) -> Head | None:
    """Return the head of a store that a history lacks, None where it has it; note the one that is awaited."""
    history.awaited = None
    if state.coming is not None and history.contains(state.coming):
        return None  # the one before it may be a head that was lost: this one says so
    if not history.contains(state.committed):
        return state.committed
    if state.coming is not None:
        if history.newest_head != state.committed:
            return state.coming
        history.awaited = state.coming
    return None


def foreign_head_error(head: Head, newest: Head) -> ConflictError:
    """Return the refusal of a database whose history lacks a head of its store."""
    return ConflictError(
        describe_foreign_head(head, newest),
        remedy=Remedy.USE_LIVE_DATABASE,
        store=str(head),
        database=str(newest),
    )


def describe_foreign_head(head: Head, newest: Head) -> str:
    """Describe a database whose history lacks a head of its store, and ends with `newest`."""
    if newest.number < head.number:
        why = f"this database ends with revision {newest.number}: it is an older copy"
    else:
        why = f"this database has another revision {head.number}: the two histories differ"
    return f"the store's head is {head}, and {why}; its own head is {newest}"


def _not_lost_error(lost: Head, state: StoreHead | None, missing: Head | None, newest: Head) -> ConflictError:
    """Return the refusal to go on without a head that is not the store's, or that the history has."""
    if state is None:
        problem = f"the store has no head, so it does not tell that {lost} is lost"
    elif missing is None:
        problem = f"nothing is lost: the history of this database contains the store's head {state.committed}"
    else:
        problem = f"{lost} is not the store's head, which is {missing}"
    return ConflictError(
        f"{problem}; the head of this database is {newest}",
        store=None if state is None else str(missing or state.committed),
        database=str(newest),
    )


def is_standby(connection: sa.Connection) -> bool:
    """Tell whether the database follows another server, and may lag behind it."""
    if connection.dialect.name != "postgresql":
        return False
    return bool(connection.execute(sa.text("SELECT pg_is_in_recovery()")).scalar_one())
