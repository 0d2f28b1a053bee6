"""The limit of a cache: what has not been used for the longest time goes when something is added.

Who has an entry open or mapped keeps its bytes when it is removed, and no bytes are won then: so these stay.
"""

from __future__ import annotations

import os
import random
import time
from contextlib import suppress
from typing import NamedTuple

from registry.cache.directory import Directory
from registry.cache.locks import try_lock
from registry.cache.names import LOCK_PREFIX, EntryName
from registry.cache.uses import is_in_use
from registry.files import STALE_AFTER_SECONDS

DEFAULT_LIMIT = 10_000_000_000
_PART_OF_DISK = 4  # by default a cache takes no more than this part of its file system
_SCANS_PER_LIMIT = 100  # a folder with thousands of small entries is not read for each that is added
_MAX_ANSWERS = 100_000  # files, however small they are

_added: dict[str, int] = {}  # by folder, what this process has added since it read the folder


class CachedFile(NamedTuple):
    """An entry as it lies in the folder; `used_at` is in Unix seconds."""

    name: EntryName
    size: int
    used_at: float


def find_limit(directory: Directory, limit: int | None) -> int:
    """Return the limit in bytes: 10 GB by default, or a quarter of the file system if that is less."""
    if limit is not None:
        return limit
    disk = os.fstatvfs(directory.handle)
    return min(DEFAULT_LIMIT, disk.f_frsize * disk.f_blocks // _PART_OF_DISK)


def keep_within_limit(directory: Directory, limit: int | None, new: EntryName) -> None:
    """Remove what was not used for the longest time, except the entry that was just added."""
    folder, bound = str(directory.path), find_limit(directory, limit)
    status = directory.stat(str(new))
    # Many short processes, each of which adds some small answers, look once in a while, too.
    before = random.random() * bound / _SCANS_PER_LIMIT if new.kind.is_answer else bound  # noqa: S311 - no secret
    added = int(_added.get(folder, before)) + (0 if status is None else status.st_size)
    _added[folder] = added
    if added * _SCANS_PER_LIMIT < bound:
        return
    _added[folder] = 0
    names = directory.list_names()
    remove_remains(directory, names)
    files = list_files(directory, names)
    excess = sum(file.size for file in files) - bound
    surplus = sum(file.name.kind.is_answer for file in files) - _MAX_ANSWERS
    for file in sorted(files, key=lambda file: file.used_at):
        if excess <= 0 and surplus <= 0:
            return
        is_needless = excess > 0 or file.name.kind.is_answer
        if is_needless and file.name != new and remove_unused(directory, file.name):
            excess -= file.size
            surplus -= file.name.kind.is_answer


def list_files(directory: Directory, names: list[str]) -> list[CachedFile]:
    """Return the entries among the names of files."""
    files = []
    for name in filter(None, map(EntryName.parse, names)):
        status = directory.stat(str(name))
        if status is not None:
            files.append(CachedFile(name, status.st_size, status.st_mtime))
    return files


def remove_unused(directory: Directory, name: EntryName) -> bool:
    """Remove an entry that no process has open or mapped; return whether it is gone."""
    handle = directory.open_entry(str(name))
    if handle is None:  # it is not a file that could be an entry
        return directory.remove(str(name))
    try:
        return not is_in_use(handle) and directory.remove(str(name))
    finally:
        os.close(handle)


def remove_remains(directory: Directory, names: list[str]) -> int:
    """Remove what killed processes have left of entries that they made; return the bytes that this frees."""
    temporaries: dict[EntryName, list[str]] = {}
    for name in names:
        if entry := EntryName.parse_temporary(name):
            temporaries.setdefault(entry, []).append(name)
        elif (
            entry := EntryName.parse(name.removeprefix(LOCK_PREFIX)) if name.startswith(LOCK_PREFIX) else None
        ):
            temporaries.setdefault(entry, [])
    return sum(_remove_temporaries(directory, entry, files) for entry, files in temporaries.items())


def _remove_temporaries(directory: Directory, entry: EntryName, files: list[str]) -> int:
    """Remove files in which an entry was made, and that of its lock, unless a process is making it."""
    with suppress(OSError):
        lock = try_lock(directory, entry)
        if lock is None:
            return 0
        try:
            return sum(_remove_temporary(directory, file, is_locked=lock.is_real) for file in files)
        finally:
            lock.release()
    return 0


def _remove_temporary(directory: Directory, file: str, *, is_locked: bool) -> int:
    status = directory.stat(file)
    if status is None or not (is_locked or time.time() - status.st_mtime > STALE_AFTER_SECONDS):
        return 0
    return status.st_size if directory.remove(file) else 0
