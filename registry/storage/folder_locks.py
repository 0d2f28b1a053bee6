"""Locks on folders, which processes of one machine hold one after the other."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from registry.errors import UnavailableError

_POLL_SECONDS = 0.01
_PATIENCE_SECONDS = 60  # as long as writers of a database wait for each other


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold the lock on a folder, where the file system has locks.

    Raises
    ------
    UnavailableError
        Another process has held it all the time.
    """
    import fcntl  # only where something is recorded

    handle = None
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
    try:
        end = time.monotonic() + _PATIENCE_SECONDS
        while handle is not None and not _try_lock(handle):
            if time.monotonic() > end:
                raise UnavailableError(
                    f"another process has been recording beside {str(folder)!r} all the time:"
                    " try again when it is done",
                    path=str(folder),
                )
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        if handle is not None:
            with suppress(OSError):
                fcntl.flock(
                    handle, fcntl.LOCK_UN
                )  # a process that was forked meanwhile has the folder open, too
            os.close(handle)


def _try_lock(handle: int) -> bool:
    """Take the lock if nobody has it; True also where there are no locks."""
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
