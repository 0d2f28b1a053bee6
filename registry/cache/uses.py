"""The use of entries: which are open or mapped in a process now, and when each was used last."""

from __future__ import annotations

import os
import time
from contextlib import suppress

try:
    import fcntl
except ImportError:  # not POSIX: `open_directory` refuses it
    fcntl = None  # type: ignore[assignment]

_DATE_SECONDS = 60  # a time of use is not written more often: reading an entry should cost no writing
_YOUNG_SECONDS = 600


def mark_use(handle: int) -> None:
    """Mark a file as in use for as long as this process, or one that was forked from it, has it open or mapped."""
    with suppress(OSError):  # a file system without locks
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)


def is_in_use(handle: int) -> bool:
    """Tell whether a process has the file open or mapped; without locks, whether one used it minutes ago."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return time.time() - os.fstat(handle).st_mtime < _YOUNG_SECONDS
    return False


def date_use(handle: int) -> None:
    """Write down that a file is used now, unless that was done a short time ago."""
    if abs(time.time() - os.fstat(handle).st_mtime) > _DATE_SECONDS:
        with suppress(OSError):  # a disk that is only read
            os.utime(handle)
