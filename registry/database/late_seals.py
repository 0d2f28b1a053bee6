"""Seal the newest revision later than its writer, who left it without a seal: raw SQL, or a tool that was killed.

Who sealed it, when and why is part of the seal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from registry import schema
from registry.database.closing import refuse_closed
from registry.database.seal_text import SealText, seal_text
from registry.database.seals import read_newest_link, read_seal
from registry.errors import ConflictError, CorruptionError, NotFoundError
from registry.heads import Head
from registry.sql import sa


class LateSeal:
    """The history until the revision before the unsealed one, and the seal that it gets.

    Raises
    ------
    NotFoundError
        There is no such revision.
    ConflictError
        It is sealed already, or it is not the newest.
    CorruptionError
        The one before has no seal either.
    ClosedError
        The database takes no writes.
    """

    def __init__(self, connection: sa.Connection, known: Sequence[Head], number: int) -> None:
        refuse_closed(connection)
        newest = connection.execute(sa.select(sa.func.max(schema.revision.c.number))).scalar() or 0
        if not 0 < number <= newest:
            names = f"1 to {newest} are known" if newest else "none is recorded yet"
            raise NotFoundError(f"there is no revision {number}; {names}", revision=number, newest=newest)
        seal = read_seal(connection, number)
        if seal is not None:
            raise ConflictError(
                f"revision {number} is sealed already: {Head(number, seal)}", revision=number, seal=seal
            )
        if number < newest:
            raise ConflictError(
                f"revision {number} is not the newest, which is {newest}: nothing is sealed between others",
                revision=number,
                newest=newest,
            )
        previous = read_seal(connection, number - 1)
        if previous is None:
            raise CorruptionError(
                f"revision {number - 1}, the one before, has no seal either: the database was changed behind its"
                " guards",
                revision=number - 1,
            )
        self.connection = connection
        self.number = number
        self.newest_head = Head(number - 1, previous)
        self.head: Head | None = None
        self.awaited: Head | None = None
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self._known = {head for head in known if read_seal(connection, head.number) == head.seal}
        self._row: dict[str, object] = {}

    def contains(self, head: Head) -> bool:
        """Tell whether the history contains a head that was known before."""
        return head in self._known

    def prepare(self, facts: Mapping[str, str], late: str) -> None:
        """Build the seal of what is recorded in the revision; `late` is JSON of who seals it, when and why."""
        link = read_newest_link(self.connection)
        text = str(SealText(self.number, self.newest_head.seal, dict(facts), link, late))
        self.head = Head(self.number, seal_text(text))
        self._row = {
            "revision": self.number,
            "digest": self.head.seal,
            "text": text,
            "export": link and link[0],
            "late": late,
        }

    def seal(self) -> None:
        """Record the seal."""
        self.connection.execute(schema.seal.insert(), self._row)
