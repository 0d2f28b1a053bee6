"""Entries of a cache for the tests: bytes that are made in a way that leaves a mark, also in other processes."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from registry.cache import CacheFolder, EntryKind, EntryName, NewEntry

CONTENT = bytes(range(256)) * 64


def name_of(content: bytes = CONTENT) -> EntryName:
    """Return the name of the entry with that content."""
    return EntryName(EntryKind.OBJECT, hashlib.sha256(content).hexdigest())


def reader_of(content: bytes = CONTENT) -> Callable[[int], bytes | None]:
    """Return a function that reads and verifies the entry with that content."""

    def read(handle: int) -> bytes | None:
        content_read = b"".join(iter(lambda: os.read(handle, 1 << 20), b""))
        return content_read if content_read == content else None

    return read


class Maker:
    """Makes an entry, and adds a byte to a file each time; it takes some seconds if `pause` says so."""

    def __init__(self, folder: Path, content: bytes = CONTENT, pause: float = 0.0) -> None:
        self.marks = folder / "marks"
        self.content = content
        self.pause = pause

    def __call__(self, entry: NewEntry) -> None:
        with self.marks.open("ab", buffering=0) as file:
            file.write(b"x")
        entry.write(self.content[:100])
        time.sleep(self.pause)
        entry.write(self.content[100:])

    @property
    def count(self) -> int:
        """The number of times that an entry was made."""
        return self.marks.stat().st_size if self.marks.exists() else 0


def obtain(cache: Path, folder: Path, pause: float = 0.0) -> int:
    """Obtain the entry in a process of its own, and return how many bytes it has."""
    return len(CacheFolder(cache).obtain(name_of(), Maker(folder, pause=pause), reader_of()))
