"""Files that are never seen half written: a final name is given only to bytes that are on the disk."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

_WRITE_SIZE = 1 << 20  # a larger write may take longer by the byte
_FLUSH_SIZE = 8 << 20

STALE_AFTER_SECONDS = 24 * 3600  # seconds, after which what a killed process left is nobody's any more
TEMPORARY_PREFIX = ".arriving-"  # how the names of temporary files begin


@contextmanager
def atomic_write(target: Path) -> Iterator[Path]:
    """Hand out a temporary file in the target's folder; at the end, sync it and give it the target's name.

    On any error until then the temporary file is removed and the target stays as it was.
    """
    handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX, dir=target.parent)
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


class FlushingFile:
    """A large file that is being written anew: the disk begins with it meanwhile, and the final sync waits less."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666
        )
        self._flushed = 0
        self.size = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._handle)

    def write(self, piece: bytes | bytearray | memoryview) -> None:
        """Add bytes."""
        rest = memoryview(piece).cast("B")
        while rest:
            written = os.write(self._handle, rest[:_WRITE_SIZE])
            rest = rest[written:]
            self.size += written
        if self.size - self._flushed >= _FLUSH_SIZE and hasattr(os, "posix_fadvise"):
            # To Linux: what was written will not be read soon. It begins to put it on the disk, and waits for nothing.
            os.posix_fadvise(self._handle, self._flushed, self.size - self._flushed, os.POSIX_FADV_DONTNEED)
            self._flushed = self.size

    def sync(self) -> None:
        """Put the bytes on the disk."""
        os.fsync(self._handle)


def append_lines(path: Path, lines: bytes) -> Callable[[], None]:
    """Add lines to a file, made if need be, in one write: what others add meanwhile stays whole.

    Return the call that takes them back, as long as nothing was added after them.
    """
    absent = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        before = os.fstat(handle).st_size
        if before and os.pread(handle, 1, before - 1) != b"\n":
            lines = b"\n" + lines
        os.write(handle, lines)
        os.fsync(handle)
    finally:
        os.close(handle)

    def undo() -> None:
        if path.stat().st_size == before + len(lines):
            path.unlink() if absent else os.truncate(path, before)

    return undo


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
