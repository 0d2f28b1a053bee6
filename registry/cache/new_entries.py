"""An entry that is being made: its bytes go to a file of their own, which gets its name when it is complete."""

from __future__ import annotations

import os
from pathlib import Path

from registry.cache.directory import translate_cache_errors
from registry.files import Buffer

_WRITE_SIZE = 1 << 20  # a larger write may take longer by the byte


class NewEntry:
    """The file of an entry that is made; its methods raise `CacheError` where it cannot be written."""

    def __init__(self, cache: Path, handle: int) -> None:
        self._cache = cache
        self._handle = handle
        self.size = 0

    def write(self, piece: Buffer) -> None:
        """Add bytes at the end."""
        self.write_at(self.size, piece)

    def write_at(self, offset: int, piece: Buffer) -> None:
        """Write bytes at a place; several threads may do it at once."""
        rest, place = memoryview(piece).cast("B"), offset
        with translate_cache_errors(self._cache, "written"):
            while rest:
                count = os.pwrite(self._handle, rest[:_WRITE_SIZE], place)
                rest, place = rest[count:], place + count
        self.size = max(self.size, place)
