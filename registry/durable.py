"""Files that are never seen half written: a final name is given only to bytes that are on the disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def arriving(target: Path) -> Iterator[Path]:
    """Hand out a temporary file in the target's folder; at the end, sync it and give it the target's name.

    On any error until then the temporary file is removed and the target stays as it was.
    """
    handle, name = tempfile.mkstemp(prefix=".arriving-", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        sync_file(temporary)
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(target.parent)


def sync_file(path: Path) -> None:
    """Put the file's bytes on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Put the folder's entries, not the files in it, on the disk."""
    sync_file(folder)
