"""The head of a store, kept in step with its database: a stale copy or a fork of the registry writes nothing beside it.

Under the writers' lock a writer compares the store's head with its own history, names the revision that is coming
before the commit, and calls it committed after it. Where the process dies in between, the next writer sees from the
database what became of it.
"""

from __future__ import annotations

from pathlib import Path

from registry.database.change import Change
from registry.errors import ConflictError, CorruptionError, Remedy, UnavailableError
from registry.heads import Head, HeadFile, StoreHead


class HeadKeeper:
    """What one writer reads and writes of the head of the store; nothing where the database is opened without one.

    Raises
    ------
    CorruptionError, UnavailableError
        The head cannot be read.
    """

    def __init__(self, file: HeadFile | None) -> None:
        self._file = file
        self._state = None if file is None else file.read()

    @property
    def known(self) -> list[Head]:
        """The heads of which the history must contain the first one."""
        if self._state is None:
            return []
        return [head for head in (self._state.committed, self._state.coming) if head is not None]

    def refuse_foreign(self, change: Change) -> None:
        """Refuse a history that lacks what was committed to the store.

        The revision that is coming counts as committed if the history contains it, and as never recorded if the
        history ends with the one that was committed.
        """
        if self._state is None:
            return
        _refuse_other_committed(self._state, change)
        coming = self._state.coming
        if coming is not None and not change.contains(coming):
            if change.newest_head != self._state.committed:
                raise foreign_head_error(coming, change.newest_head)
            change.awaited = coming

    def announce(self, change: Change) -> None:
        """Name the revision that is coming, before it is committed; refuse as above what has come in since."""
        if self._file is None or change.head is None:
            return
        with self._file.lock():
            state = self._file.read()
            if state is not None:
                _refuse_other_committed(state, change)
                if state.coming is not None and state.coming not in self.known:
                    raise foreign_head_error(state.coming, change.newest_head)
            written = self._file.write(StoreHead(change.newest_head, change.head))
        if not written:
            _note_behind(change, self._file.path)

    def confirm(self, change: Change) -> None:
        """Call the revision committed, after it was; what was written since is left as it is."""
        if self._file is None or change.head is None:
            return
        try:
            with self._file.lock():
                state = self._file.read()
                if state is None or change.head == state.coming or state == StoreHead(change.newest_head):
                    self._file.write(StoreHead(change.head))
                elif state.committed != change.head and state.committed.number <= change.head.number:
                    change.warnings.append(_describe_other_writer(state.committed))
        except (CorruptionError, UnavailableError) as error:
            change.notes.append(
                f"the store's head names this revision when the next one is recorded: {error}"
            )


def _refuse_other_committed(state: StoreHead, change: Change) -> None:
    if not change.contains(state.committed):
        raise foreign_head_error(state.committed, change.newest_head)


def _note_behind(change: Change, path: Path) -> None:
    """Note that the head of the store stays behind, which is refused while a writer's end is not known."""
    place, awaited = f"the store's head {str(path)!r}", change.awaited
    if awaited is not None:
        raise UnavailableError(
            f"{place} names revision {awaited.number}, whose writer was interrupted, and you may not write it:"
            " somebody who may has to record something first",
            path=str(path),
        )
    change.notes.append(
        f"{place} may not be written by you: it names this revision when somebody records who may"
    )


def _describe_other_writer(head: Head) -> str:
    return f"another database of this registry wrote to the store meanwhile: the store's head is {head}; run verify"


def foreign_head_error(head: Head, newest: Head) -> ConflictError:
    """Return the refusal of a database whose history lacks a head of its store."""
    if newest.number < head.number:
        why = f"this database ends with revision {newest.number}: it is an older copy"
    else:
        why = f"this database has another revision {head.number}: the two histories differ"
    return ConflictError(
        f"the store's head is {head}, and {why}; its own head is {newest}",
        remedy=Remedy.USE_LIVE_DATABASE,
        store=str(head),
        database=str(newest),
    )
