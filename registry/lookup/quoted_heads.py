"""Heads that somebody quotes, held against the history of the database."""

from __future__ import annotations

from registry.database.seals import find_head
from registry.errors import ConflictError
from registry.heads import Head
from registry.sql import sa


def find_number_of_head(connection: sa.Connection, head: Head, newest: int) -> int | None:
    """Return the number of a head, whose seal may be cut, None for a revision after the newest one.

    Raises
    ------
    ConflictError
        The revision has another seal: the head is of another history.
    CorruptionError
        The revision was never sealed.
    """
    if head.number > newest:
        return None
    known = find_head(connection, head.number)
    if known.seal.startswith(head.seal):
        return known.number
    raise ConflictError(
        f"revision {head.number} has the seal {known.seal[: len(head.seal)]} here, not {head.seal}:"
        " that head is of another history",
        revision=head.number,
        seal=known.seal,
        quoted=head.seal,
    )
