"""Warn who reads a database that lacks what was committed to its store: an older copy, or a standby that lags."""

from __future__ import annotations

from registry.api.backend import Backend
from registry.database.seals import read_head, read_seal
from registry.database.store_heads import describe_foreign_head
from registry.errors import RegistryError
from registry.heads import Head
from registry.lookup.revisions import AsOfRef
from registry.sql import sa


class StoreWitness:
    """The head of a store before a reader's transaction begins: what others commit meanwhile raises no alarm.

    Nothing is compared where the reader asks as of a revision, or in a snapshot, which is one, or in a mirror, which
    follows behind.
    """

    def __init__(self, backend: Backend, as_of: AsOfRef) -> None:
        self._head: Head | None = None
        self._problem: str | None = None
        closure = backend.database.closure
        if as_of is not None or (closure is not None and closure.reason in {"snapshot", "mirror"}):
            return
        try:
            state = backend.database.head_file and backend.database.head_file.read()
        except RegistryError as error:
            self._problem = f"whether the database is up to date cannot be told: {error}"
        else:
            self._head = state.committed if state else None

    def list_warnings(self, connection: sa.Connection) -> list[str]:
        """Return a sentence if the database lacks the head, with both heads."""
        if self._problem is not None:
            return [self._problem]
        head = self._head
        if head is None or read_seal(connection, head.number) == head.seal:
            return []
        return [
            f"{describe_foreign_head(head, read_head(connection))}: what was recorded since is not known here"
        ]
