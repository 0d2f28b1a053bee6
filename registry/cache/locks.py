"""The lock of an entry: the process that holds it makes the entry, and the others wait for what it makes.

A lock ends with its process, so a maker that is killed keeps nobody waiting. Where a file system has no locks, several
may make the same entry at once: each writes a file of its own, and the last one stays.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from registry.cache.directory import Directory, translate_cache_errors
from registry.cache.names import EntryName
from registry.errors import CacheError

try:
    import fcntl
except ImportError:  # not POSIX: `open_directory` refuses it
    fcntl = None  # type: ignore[assignment]

_FIRST_POLL_SECONDS = 0.001
_POLL_SECONDS = 0.02
_LOOK_SECONDS = 0.5  # between two looks at how far the maker is
_MAX_NOTE_SIZE = 4096
_MAX_HOST_LENGTH = 255

PATIENCE_SECONDS = 60.0
"""How long a process waits for another one that makes an entry and does not get any further."""

# A child must not hold the locks of its parent. Reentrant: a signal's handler may fork.
_guard = threading.RLock()
_held: set[EntryLock] = set()


class EntryLock:
    """The lock of an entry, held by this process; `is_real` where the file system has locks."""

    def __init__(self, directory: Directory, name: EntryName, handle: int, *, is_real: bool) -> None:
        self._directory = directory
        self._name = name
        self._handle: int | None = handle
        self.is_real = is_real

    def refuse_inherited(self) -> None:
        """Raise `CacheError` in a process that was forked while the entry was made: its parent goes on with it."""
        if self.is_inherited:
            raise CacheError(
                "this process was forked while an entry of the cache was made; its parent makes it"
            )

    @property
    def is_inherited(self) -> bool:
        """True in a process that was forked from the one that holds it."""
        return self._handle is None

    def note_temporary(self, temporary: str) -> None:
        """Write down who makes the entry in which file; first remove the one that a killed process has left."""
        if self._handle is None:
            return
        former = parse_note(_read_handle(self._handle)).get("file")
        if self.is_real and isinstance(former, str) and EntryName.parse_temporary(former) == self._name:
            self._directory.remove(former)
        note = {"process": os.getpid(), "host": socket.gethostname(), "file": temporary}
        with suppress(OSError):  # a full disk: those who wait name nobody
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, json.dumps(note).encode(), 0)

    def release(self) -> None:
        """Let others make the entry."""
        with _guard:
            _held.discard(self)
            if self._handle is None:
                return
            if _is_still_named(self._directory, self._name.lock, self._handle):
                self._directory.remove(self._name.lock)
            with suppress(OSError):
                fcntl.flock(self._handle, fcntl.LOCK_UN)
            os.close(self._handle)
            self._handle = None

    def forget(self) -> None:
        """Give the lock up in a process that has inherited it."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@contextmanager
def lock_entry(
    directory: Directory,
    name: EntryName,
    has_come: Callable[[], bool],
    patience: float = PATIENCE_SECONDS,
) -> Iterator[EntryLock | None]:
    """Hold the lock of an entry; yield None instead as soon as another process has made the entry meanwhile.

    Raises
    ------
    CacheError
        Another process makes the entry, and got no further for `patience` seconds; or the folder cannot be written.
    """
    lock = _await_lock(directory, name, has_come, patience)
    try:
        yield lock
    finally:
        if lock is not None:
            lock.release()


def try_lock(directory: Directory, name: EntryName) -> EntryLock | None:
    """Return the lock of an entry, None where another process holds it; raise OSError."""
    with _guard:
        handle = directory.create(name.lock, 0o600, anew=False)
        is_real, is_free = _lock_handle(handle)
        if not is_free or not _is_still_named(directory, name.lock, handle):
            # Its former holder has removed the file meanwhile: another process may hold a lock of the same name.
            os.close(handle)
            return None
        lock = EntryLock(directory, name, handle, is_real=is_real)
        _held.add(lock)
        return lock


def _await_lock(
    directory: Directory, name: EntryName, has_come: Callable[[], bool], patience: float
) -> EntryLock | None:
    pause, maker = _FIRST_POLL_SECONDS, _Maker(directory, name, patience)
    while not has_come():
        with translate_cache_errors(directory.path, "written"):
            lock = try_lock(directory, name)
        if lock is not None:
            return lock
        maker.refuse_standstill()
        time.sleep(pause)
        pause = min(2 * pause, _POLL_SECONDS)
    return None


class _Maker:
    """The process that makes an entry, as another one sees it that waits."""

    def __init__(self, directory: Directory, name: EntryName, patience: float) -> None:
        self._directory, self._name, self._patience = directory, name, patience
        self._state: object = None
        self._since = self._looked = time.monotonic()

    def refuse_standstill(self) -> None:
        """Raise `CacheError` where the maker has got no further for too long."""
        now = time.monotonic()
        if now - self._looked < min(_LOOK_SECONDS, self._patience / 4):
            return
        self._looked = now
        note = self._read_note()
        state = (note, self._measure(note.get("file")))
        if state != self._state:
            self._state, self._since = state, now
        elif now - self._since > self._patience:
            who = f"process {note['process']} on {note['host']}" if "process" in note else "another process"
            raise CacheError(
                f"{who} holds the lock on {str(self._name)!r} of the cache {str(self._directory.path)!r},"
                f" and has written nothing for {self._patience:.0f} s",
                path=str(self._directory.path),
            )

    def _read_note(self) -> dict[str, object]:
        handle = self._directory.open_entry(self._name.lock)
        if handle is None:
            return {}
        try:
            return parse_note(_read_handle(handle))
        finally:
            os.close(handle)

    def _measure(self, temporary: object) -> object:
        if not isinstance(temporary, str) or EntryName.parse_temporary(temporary) != self._name:
            return None
        status = self._directory.stat(temporary)
        return None if status is None else (status.st_size, status.st_blocks, status.st_mtime_ns)


def _read_handle(handle: int) -> bytes:
    try:
        return os.pread(handle, _MAX_NOTE_SIZE, 0)
    except OSError:
        return b""


def parse_note(content: bytes) -> dict[str, object]:
    """Return who makes an entry, as far as it is written down."""
    try:
        note = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    is_note = isinstance(note, dict) and isinstance(note.get("process"), int)
    if not is_note:
        return {}
    host = str(note.get("host"))[:_MAX_HOST_LENGTH]
    return {**note, "host": host if host.isprintable() else "another host"}


def _lock_handle(handle: int) -> tuple[bool, bool]:
    """Lock a file; return whether there are locks, and whether nobody else has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True, False
    except OSError:
        return False, True
    return True, True


def _is_still_named(directory: Directory, name: str, handle: int) -> bool:
    status = os.fstat(handle)
    return directory.identify(name) == (status.st_dev, status.st_ino)


def _forget_inherited_locks() -> None:
    """Close the files in a child: the lock would stay when its parent is killed, and is not the child's."""
    for lock in _held:
        lock.forget()
    _held.clear()
    _guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_forget_inherited_locks
    )
