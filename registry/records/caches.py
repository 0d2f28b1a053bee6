"""The cache of a user on this machine: its entries, and what was done to them."""

from __future__ import annotations

from msgspec import Struct

from registry.instants import Instant


class CacheEntry(Struct, frozen=True):
    """An entry of the cache.

    Attributes
    ----------
    kind
        ``object``, a stored file; or ``array``, one that is assembled from several.
    digest
        The SHA-256 of the file, or that of the list of the files that an array is assembled from.
    bytes
        Its size.
    used_at
        When it was last used, as far as that is known to a minute.
    in_use
        Whether a process has it open or mapped.
    """

    kind: str
    digest: str
    bytes: int
    used_at: Instant
    in_use: bool


class Cache(Struct, frozen=True):
    """The cache; ``folder`` is None where it is switched off, ``entries`` has those that were used last first.

    ``limit`` and ``bytes`` are sizes in bytes; ``limit`` is None where there is no folder yet.
    """

    folder: str | None
    limit: int | None
    bytes: int
    entries: tuple[CacheEntry, ...]


class CacheRemoval(Struct, frozen=True):
    """The entries that were removed from the cache, of those that were looked at; ``kept`` are in use.

    ``bytes`` is the size of what was removed, with what killed processes had left of entries that they made.
    """

    folder: str | None
    looked_at: int
    removed: tuple[CacheEntry, ...]
    bytes: int
    notes: tuple[str, ...] = ()
