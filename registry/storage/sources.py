"""Files that are to be stored, and how their bytes are compared while they are copied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path

from registry.errors import RequestError
from registry.files import Digest, open_regular, translate_os_errors

_CHUNK_SIZE = 1 << 20


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file on a disk that is to be stored."""

    path: Path

    @property
    def name(self) -> str:
        """The path, for messages."""
        return str(self.path)

    def open(self) -> BufferedIOBase:
        """Open it to read."""
        with translate_os_errors("read", self.path):
            return open_regular(self.path)


def copy_and_hash(file: BufferedIOBase, write: Callable[[memoryview], object], digest: Digest) -> str:
    """Copy the rest of a file; return its digest."""
    buffer = memoryview(bytearray(_CHUNK_SIZE))
    while size := file.readinto(buffer):
        digest.update(buffer[:size])
        write(buffer[:size])
    return digest.hexdigest()


def other_source_error(name: str) -> RequestError:
    """Return the refusal of a file that has other bytes than when it was checked."""
    return RequestError(f"{name!r} was changed while it was read; nothing was recorded", path=name)
