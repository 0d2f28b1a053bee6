"""A writer's transaction that ends with a seal, and keeps the head of the store in step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol, TypeVar

from registry.database.refusals import translate_database_errors
from registry.database.store_heads import HeadKeeper, History
from registry.heads import Head, HeadFile
from registry.sql import sa


class SealedHistory(History, Protocol):
    """A history whose writer seals what it added."""

    def seal(self) -> None:
        """Record the seal."""


_History = TypeVar("_History", bound=SealedHistory)


@contextmanager
def open_sealed_transaction(
    transaction: AbstractContextManager[sa.Connection],
    url: str,
    head_file: HeadFile | None,
    begin: Callable[[sa.Connection, Sequence[Head]], _History],
    *,
    dry_run: bool = False,
    lost: Head | None = None,
) -> Iterator[_History]:
    """Open a writer's transaction: sealed and committed at the end, or not at all.

    Parameters
    ----------
    transaction
        That of a writer, which is committed at its end; one that is rolled back for a dry run.
    begin
        Reads the history, of which it is to know whether it contains these heads.
    dry_run
        Nothing is announced to the store.
    lost
        The head of the store that this history lacks, and goes on without.
    """
    with HeadKeeper(head_file, lost) as keeper:
        with translate_database_errors(url), transaction as connection:
            history = begin(connection, keeper.read())
            keeper.refuse_foreign(history)
            yield history
            history.seal()
            if not dry_run:
                keeper.announce(history)
        if not dry_run:
            keeper.confirm(history)
