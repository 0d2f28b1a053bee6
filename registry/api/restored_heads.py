"""The head of a store into which a backup is restored: one that is behind it is refused, unless that is known."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import sqlalchemy as sa

from registry import schema
from registry.authorship import build_signature
from registry.database.change import Change
from registry.database.histories import RecordedHistory
from registry.database.seals import read_head
from registry.database.store_heads import HeadKeeper, find_missing_head
from registry.errors import ConflictError, Remedy
from registry.heads import Head, HeadFile, StoreHead
from registry.lookup.revisions import read_newest_revision
from registry.registration.lineage import record_loss


class RestoredHead:
    """The head of a store, before and after a backup is restored beside it.

    Parameters
    ----------
    lost
        The head that the backup lacks, as its user knows: the registry goes on without it.
    comment
        Of the revision that records the loss.
    """

    def __init__(self, heads: HeadFile, lost: Head | None, comment: str) -> None:
        self._heads, self._lost, self._comment = heads, lost, comment
        self._keeper = HeadKeeper(heads, lost)
        self._change: Change | None = None
        self._settles = False

    def __enter__(self) -> Self:
        self._keeper.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keeper.__exit__(kind, error, trace)

    def refuse_behind(self, source: sa.Connection) -> None:
        """Refuse a backup that lacks what was committed to the store, before anything is written.

        The revisions of older schemas get their seals when they are restored: until then only numbers are compared.
        """
        state = self._heads.read()
        if sa.inspect(source).has_table(schema.seal.name):
            self._refuse_missing(state, RecordedHistory(source))
            return
        newest = read_newest_revision(source)
        if state is not None and state.committed.number > newest and state.committed != self._lost:
            raise _behind_error(state.committed, f"revision {newest}")

    def record(self, target: sa.Connection, *, is_open: bool) -> Head:
        """Record what is lost in the restored database; return its head."""
        if self._lost is None:
            self._keeper.read()
            self._refuse_missing(self._heads.read(), RecordedHistory(target))
            self._settles = is_open
            return read_head(target)
        change = Change(target, build_signature(), self._comment, self._keeper.read())
        self._keeper.refuse_foreign(change)
        record_loss(change, self._lost)
        change.seal()
        self._keeper.announce(change)
        self._change = change
        return read_head(target)

    def confirm(self, head: Head) -> None:
        """Let the store follow the restored database, after it was committed."""
        if self._change is not None:
            self._keeper.confirm(self._change)
        elif self._settles:
            self._keeper.settle(head)

    def _refuse_missing(self, state: StoreHead | None, history: RecordedHistory) -> None:
        if self._lost is not None:
            self._keeper.read()
            self._keeper.refuse_foreign(history)
        elif state is not None and (missing := find_missing_head(state, history)) is not None:
            raise _behind_error(missing, str(history.newest_head))


def _behind_error(store: Head, backup: str) -> ConflictError:
    return ConflictError(
        f"the store's head is {store}, which the backup does not contain: its own head is {backup}",
        remedy=Remedy.RESTORE_WITHOUT_HEAD,
        store=str(store),
        database=backup,
    )
