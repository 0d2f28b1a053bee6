"""Claims on outputs that take long to write: what a killed process has left of one, the next that claims it removes.

A process at work holds the lock of a hidden file beside its output. Where the file system has no locks nothing is
known of other processes, and nothing of theirs is removed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from registry.files import TEMPORARY_PREFIX, sha256_of

_LOCK = "-lock"
_SUFFIXES = ("", "-journal", "-wal", "-shm")  # of SQLite's files


@dataclass(frozen=True, slots=True)
class OutputClaim:
    """A claim on an output in a folder; ``stem`` begins the names of the hidden files of this process."""

    folder: Path
    name: str
    stem: str

    def is_sole(self) -> bool:
        """Tell whether no other process is known to write the output, and all would be known."""
        return remove_dead_files(self.folder, self.name, self.stem)


@contextmanager
def claim_output(folder: Path, name: str) -> Iterator[OutputClaim]:
    """Hold a claim on an output of that name in a folder, and remove what dead processes have left of it."""
    remove_dead_files(folder, name)
    while True:
        stem = f"{_begin_name(name)}{os.urandom(8).hex()}"
        mark = folder / f"{stem}{_LOCK}"
        handle = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        if _try_lock(handle) is not False and mark.exists():
            break
        os.close(handle)  # another process has taken the file for that of a dead one
    try:
        yield OutputClaim(folder, name, stem)
    finally:
        with suppress(OSError):
            _remove_files(folder, stem)
        os.close(handle)


def has_claims(folder: Path, name: str) -> bool:
    """Tell whether a process claims an output, or a dead one did."""
    return any(folder.glob(f"{_begin_name(name)}*{_LOCK}"))


def remove_dead_files(folder: Path, name: str, own: str = "") -> bool:
    """Remove the hidden files of processes that are not there any more; return whether no other is at work.

    Parameters
    ----------
    own
        The stem of the files of this process.
    """
    is_sole = True
    for mark in sorted(folder.glob(f"{_begin_name(name)}*{_LOCK}")):
        stem = mark.name.removesuffix(_LOCK)
        try:
            handle = os.open(mark, os.O_RDONLY)
        except OSError as error:  # gone, or of another user
            is_sole = is_sole and isinstance(error, FileNotFoundError)
            continue
        try:
            was_free = _try_lock(handle)
            if stem == own:
                is_sole = is_sole and was_free is False
            elif was_free:
                _remove_files(folder, stem)
            else:
                is_sole = False
        except PermissionError:
            is_sole = False
        finally:
            os.close(handle)
    return is_sole


def _begin_name(name: str) -> str:
    return f"{TEMPORARY_PREFIX}{sha256_of(os.fsencode(name))[:16]}-"


def _remove_files(folder: Path, stem: str) -> None:
    for suffix in (*_SUFFIXES, _LOCK):
        (folder / f"{stem}{suffix}").unlink(missing_ok=True)


def _try_lock(handle: int) -> bool | None:
    """Take the lock of a file; return whether it was free, None where there are no locks."""
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
