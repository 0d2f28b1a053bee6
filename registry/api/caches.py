"""The cache of this user on this machine, which belongs to no registry."""

from __future__ import annotations

from registry.cache import find_cache
from registry.cache.contents import CacheContents, open_contents
from registry.cache.room import CachedFile
from registry.instants import EARLIEST, LATEST, Instant
from registry.records import Cache, CacheEntry, CacheRemoval


def read_cache() -> Cache:
    """Return what is in the cache.

    Raises
    ------
    RequestError
        The settings are wrong.
    DeniedError
        The folder is not this user's alone.
    """
    cache = find_cache()
    if cache is None:
        return Cache(None, None, 0, ())
    with open_contents(cache) as contents:
        if contents is None:
            return Cache(str(cache.path), cache.limit, 0, ())
        entries = tuple(_describe_entry(contents, file) for file in contents.files)
        return Cache(str(cache.path), contents.limit, sum(entry.bytes for entry in entries), entries)


def verify_cache() -> CacheRemoval:
    """Read every entry of the cache, remove those that are damaged, and return these; raises as `read_cache`."""
    return _remove(only_damaged=True)


def clear_cache() -> CacheRemoval:
    """Remove every entry of the cache, and return them; raises as `read_cache`."""
    return _remove(only_damaged=False)


def _remove(*, only_damaged: bool) -> CacheRemoval:
    cache = find_cache()
    if cache is None:
        return CacheRemoval(None, 0, (), 0, ("the cache is switched off",))
    with open_contents(cache) as contents:
        if contents is None:
            return CacheRemoval(str(cache.path), 0, (), 0)
        removed = []
        for file in contents.files:
            entry = _describe_entry(contents, file)
            if not (only_damaged and contents.is_sound(file.name)) and contents.remove(file):
                removed.append(entry)
        freed = sum(entry.bytes for entry in removed) + contents.remove_remains()
        return CacheRemoval(str(cache.path), len(contents.files), tuple(removed), freed, _note_uses(removed))


def _note_uses(removed: list[CacheEntry]) -> tuple[str, ...]:
    used = sum(entry.in_use for entry in removed)
    what = "1 of these is" if used == 1 else f"{used} of these are"
    return (f"{what} in use: the processes keep the bytes until they end",) if used else ()


def _describe_entry(contents: CacheContents, file: CachedFile) -> CacheEntry:
    used_at = min(max(Instant(int(file.used_at * 1_000_000)), EARLIEST), LATEST)
    return CacheEntry(
        file.name.kind.value, file.name.digest, file.size, used_at, contents.is_in_use(file.name)
    )
