"""What copying a registry did: a move, a backup, its restoration, a snapshot."""

from __future__ import annotations

from msgspec import Struct


class RegistryCopy(Struct, frozen=True):
    """A registry, or a part of it, that is now in a second place.

    Attributes
    ----------
    registry, revision
        Its id, and the newest revision that arrived.
    database, store
        Where it is now: the database without its password, and the folder of the files.
    rows
        How many arrived, by table.
    files
        How many were copied now; ``files_there`` were in that store already.
    """

    registry: str
    revision: int
    database: str
    store: str
    rows: dict[str, int]
    files: int
    files_there: int
    notes: tuple[str, ...] = ()
