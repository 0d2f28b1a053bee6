"""The cache: `CacheFolder.obtain` returns what an entry holds, which one process makes and the others read.

A file is written beside the entry, read again, and then gets its name. It is never changed or shortened after that, so
who has it open or mapped keeps its bytes when it is replaced or removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from registry.cache.directory import Directory, Identity, open_directory, translate_cache_errors
from registry.cache.locks import PATIENCE_SECONDS, EntryLock, lock_entry
from registry.cache.names import EntryKind, EntryName
from registry.cache.new_entries import NewEntry
from registry.cache.room import find_limit, keep_within_limit
from registry.cache.thread_queues import queue_threads
from registry.cache.uses import date_use, mark_use
from registry.errors import CacheError

_Value = TypeVar("_Value")

Make = Callable[[NewEntry], object]
Read = Callable[[int], _Value | None]

_MAX_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class _Reading(Generic[_Value]):
    """The value that was read of an entry, None where it is not sound or not there; and the file that has its name."""

    value: _Value | None
    file: Identity | None


class CacheFolder:
    """A folder with entries that all processes of one user on a machine share.

    It keeps nothing open, so it may be used by several threads, after a fork, and be pickled.

    Parameters
    ----------
    path
        The folder, from the root; made with mode 0700 when the first entry is.
    limit
        The bytes beyond which those entries are removed that were not used for the longest time; None for the default.
    patience
        The seconds to wait for another process that makes an entry and gets no further.
    """

    def __init__(self, path: Path, limit: int | None = None, *, patience: float = PATIENCE_SECONDS) -> None:
        self.path = path
        self.limit = limit
        self._patience = patience

    def obtain(self, name: EntryName, make: Make, read: Read[_Value]) -> _Value:
        """Return what `read` returns of the entry, which is made if it is not there or not sound.

        However many processes and threads want an entry at once, one of them makes it.

        Parameters
        ----------
        make
            Called with the `NewEntry` to write to. What it raises is raised, and nothing is left.
        read
            Called with the handle of the file, open to read, which is closed afterwards (a mapping of it stays). It
            verifies the bytes, and returns None where they are not sound.

        Raises
        ------
        DeniedError
            The folder is not this user's alone: nothing in it can be trusted.
        CacheError
            The entry is not there and the folder cannot be written, or the process that makes it got no further: the
            caller can do the same without the cache.
        """
        with open_directory(self.path) as directory:
            assert directory is not None  # noqa: S101 - it was made
            for _ in range(_MAX_ROUNDS):
                reading = self._read(directory, str(name), read)
                if reading.value is None:
                    reading = self._make_or_await(directory, name, make, read, reading.file)
                if reading.value is not None:
                    return reading.value
        raise CacheError(
            f"{str(name)!r} of the cache {str(self.path)!r} was damaged each time that it was made",
            path=str(self.path),
        )

    def put(self, name: EntryName, content: bytes, read: Read[_Value]) -> None:
        """Make an entry with these bytes, in the place of the one that is there; raises as `obtain`."""
        with open_directory(self.path) as directory:
            assert directory is not None  # noqa: S101 - it was made
            with lock_entry(directory, name, lambda: False, self._patience) as lock:
                assert lock is not None  # noqa: S101 - nobody else is waited for to make it
                value = self._make(directory, name, lambda entry: entry.write(content), read, lock)
            if value is None:
                raise CacheError(
                    f"{str(name)!r} of the cache {str(self.path)!r} was damaged when it was made",
                    path=str(self.path),
                )
            with suppress(CacheError):
                keep_within_limit(directory, self.limit, name)

    def find_limit(self) -> int:
        """Return the limit in bytes; raises as `obtain`."""
        with open_directory(self.path) as directory:
            assert directory is not None  # noqa: S101 - it was made
            return find_limit(directory, self.limit)

    def list_entries(self, kind: EntryKind) -> list[EntryName]:
        """Return the entries of one sort."""
        with open_directory(self.path, create=False) as directory:
            names = [] if directory is None else directory.list_names()
        return [name for name in filter(None, map(EntryName.parse, names)) if name.kind == kind]

    def find(self, name: EntryName, read: Read[_Value]) -> _Value | None:
        """Return what `read` returns of the entry; None where it is not there or not sound. Nothing is made."""
        with open_directory(self.path, create=False) as directory:
            return None if directory is None else self._read(directory, str(name), read).value

    def _read(self, directory: Directory, file: str, read: Read[_Value]) -> _Reading[_Value]:
        identity = directory.identify(file)
        handle = None if identity is None else directory.open_entry(file)
        if handle is None:
            return _Reading(None, identity)
        try:
            mark_use(handle)
            value = read(handle)
            if value is not None:
                date_use(handle)
            status = os.fstat(handle)
            return _Reading(value, Identity(status.st_dev, status.st_ino))
        finally:
            os.close(handle)

    def _make_or_await(
        self,
        directory: Directory,
        name: EntryName,
        make: Make,
        read: Read[_Value],
        unsound: Identity | None,
    ) -> _Reading[_Value]:
        """Make the entry, unless another process does; `unsound` is the file that cannot be used."""

        def has_come() -> bool:
            return directory.identify(str(name)) not in {None, unsound}

        with (
            queue_threads(self.path, name),
            lock_entry(directory, name, has_come, self._patience) as lock,
        ):
            if lock is None:
                return _Reading(None, None)  # all who have waited read it at once, in the next round
            reading = self._read(directory, str(name), read)
            if reading.value is not None:
                return reading
            value = self._make(directory, name, make, read, lock)
        with suppress(CacheError):  # the entry is there; the next one that is made looks again
            keep_within_limit(directory, self.limit, name)
        return _Reading(value, None)

    def _make(
        self, directory: Directory, name: EntryName, make: Make, read: Read[_Value], lock: EntryLock
    ) -> _Value | None:
        """Make an entry, and return what is read of it; None where the folder does not keep what is written."""
        temporary = name.new_temporary()
        lock.note_temporary(temporary)
        with translate_cache_errors(self.path, "written"):
            handle = directory.create(temporary, 0o600)
        try:
            with _closing(self.path, handle):
                make(NewEntry(self.path, handle))
                lock.refuse_inherited()
                with translate_cache_errors(self.path, "written"):
                    os.fchmod(handle, 0o400)
            value = self._read(directory, temporary, read).value
            if value is not None:
                with translate_cache_errors(self.path, "written"):
                    directory.rename(temporary, str(name))
            return value
        finally:
            if not lock.is_inherited:
                directory.remove(temporary)  # it is gone where it got its name


@contextmanager
def _closing(path: Path, handle: int) -> Iterator[None]:
    """Close a file, which may only then say that the disk is full."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            os.close(handle)
        raise
    with translate_cache_errors(path, "written"):
        os.close(handle)
