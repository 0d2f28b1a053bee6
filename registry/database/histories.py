"""The history that a database holds, compared with the head of a store without recording anything."""

from __future__ import annotations

import sqlalchemy as sa

from registry.database.seals import read_head, read_seal
from registry.database.store_heads import HeadKeeper
from registry.heads import Head


class RecordedHistory:
    """The sealed history of a database, to which nothing is added."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.newest_head = read_head(connection)
        self.head: Head | None = None
        self.awaited: Head | None = None
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def contains(self, head: Head) -> bool:
        """Tell whether the history contains the revision, with that seal."""
        return read_seal(self._connection, head.number) == head.seal


def refuse_foreign_database(connection: sa.Connection, keeper: HeadKeeper) -> None:
    """Refuse a database that lacks what was committed to the store, unless just that is known to be lost."""
    keeper.read()
    keeper.refuse_foreign(RecordedHistory(connection))
