"""The cache of a user on this machine: its entries, and what was done to them."""

from __future__ import annotations

from msgspec import Struct

from registry.instants import Instant


class CacheEntry(Struct, frozen=True):
    """An entry of the cache.

    Attributes
    ----------
    kind
        ``object``, a stored file; ``array``, one that is assembled from several; ``answer``, what a service answered;
        or ``pin``, a revision that a service named.
    digest
        The SHA-256 of the file, that of the list of the files that an array is assembled from, or that of a question.
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


class FetchedConstants(Struct, frozen=True):
    """The constants of a run or a detector that were to be fetched: all are in the cache where ``problem`` is None.

    Attributes
    ----------
    target, source
        The dataset or the detector's Id, and the source from which it was read out.
    instant
        At which the constants are valid.
    panels
        How many there are.
    files, bytes
        The stored files that they are made from.
    code
        The exit code of the problem.
    """

    target: str
    source: str | None = None
    instant: str | None = None
    panels: int = 0
    types: tuple[str, ...] = ()
    files: int = 0
    bytes: int = 0
    problem: str | None = None
    code: int | None = None


class Fetched(Struct, frozen=True):
    """The constants that were fetched from a service into the cache of this machine, to be used without it.

    Attributes
    ----------
    registry, revision, seal
        The registry, and the revision as of which everything is.
    pin
        The text that pins a session to it: ``CALREG_PIN``.
    cache
        The folder.
    files, files_there
        The numbers of files that were brought now, and of those that were there already.
    bytes
        The size of what was brought now.
    """

    registry: str
    service: str
    pin: str
    revision: int
    seal: str
    cache: str
    fetched: tuple[FetchedConstants, ...]
    files: int
    files_there: int
    bytes: int
    notes: tuple[str, ...] = ()
