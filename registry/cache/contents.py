"""All that lies in a cache: listed, verified, and removed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager

from registry.cache.answers import read_answer
from registry.cache.array_entries import is_sound
from registry.cache.directory import Directory, open_directory
from registry.cache.folder import CacheFolder
from registry.cache.names import EntryKind, EntryName
from registry.cache.room import CachedFile, find_limit, list_files, remove_remains
from registry.cache.uses import is_in_use
from registry.errors import CacheError

_PIECE_SIZE = 1 << 20


class CacheContents:
    """The entries of an open cache, those that were used last first."""

    def __init__(self, directory: Directory, limit: int | None) -> None:
        self._directory = directory
        self.limit = find_limit(directory, limit)
        self.files = sorted(
            list_files(directory, directory.list_names()), key=lambda file: (-file.used_at, str(file.name))
        )

    def is_in_use(self, name: EntryName) -> bool:
        """Tell whether a process has an entry open or mapped."""
        handle = self._directory.open_entry(str(name))
        if handle is None:
            return False
        try:
            return is_in_use(handle)
        finally:
            os.close(handle)

    def is_sound(self, name: EntryName) -> bool:
        """Tell whether an entry is what its name says; one that is gone by now is."""
        if self._directory.stat(str(name)) is None:
            return True
        handle = self._directory.open_entry(str(name))
        if handle is None:
            return False
        try:
            if name.kind.is_answer:
                return read_answer(handle, name) is not None
            return _is_object(handle, name) if name.kind == EntryKind.OBJECT else is_sound(handle, name)
        finally:
            os.close(handle)

    def remove(self, file: CachedFile) -> bool:
        """Remove an entry; return whether it was there. Who has it mapped keeps its bytes.

        Raises
        ------
        CacheError
            It cannot be removed.
        """
        if self._directory.remove(str(file.name)):
            return True
        if self._directory.stat(str(file.name)) is not None:
            raise CacheError(
                f"{str(file.name)!r} cannot be removed from the cache {str(self._directory.path)!r}",
                path=str(self._directory.path),
            )
        return False

    def remove_remains(self) -> int:
        """Remove what killed processes have left of entries that they made; return the bytes that this frees."""
        return remove_remains(self._directory, self._directory.list_names())


@contextmanager
def open_contents(cache: CacheFolder) -> Iterator[CacheContents | None]:
    """Open a cache to look at all that lies in it; yield None where there is no folder yet.

    Raises
    ------
    DeniedError
        It is not this user's alone.
    """
    with open_directory(cache.path, create=False) as directory:
        yield None if directory is None else CacheContents(directory, cache.limit)


def _is_object(handle: int, name: EntryName) -> bool:
    digest = hashlib.sha256()
    while piece := os.read(handle, _PIECE_SIZE):
        digest.update(piece)
    return digest.hexdigest() == name.digest
