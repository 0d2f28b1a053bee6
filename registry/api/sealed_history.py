"""Compare the history with its seals, with the head of the store, and with heads that somebody quotes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from registry.database.closing import Closure, find_closure
from registry.database.seals import read_head, read_seal
from registry.database.store_heads import is_standby
from registry.errors import CorruptionError, DeniedError, UnavailableError
from registry.heads import Head, HeadFile, StoreHead
from registry.lookup.broken_seals import find_broken_seals
from registry.parallel import Progress
from registry.records import Problem


class StoreClaim(NamedTuple):
    """The head that a store keeps, or the reason why it cannot be read; None where it keeps none."""

    place: str
    head: StoreHead | None
    problem: str | None = None
    is_denied: bool = False


def read_claim(file: HeadFile) -> StoreClaim:
    """Read the head of the store: before the rows, for what it calls committed must be among them."""
    try:
        return StoreClaim(file.place, file.read())
    except (CorruptionError, UnavailableError) as error:
        return StoreClaim(file.place, None, str(error), isinstance(error, DeniedError))


class SealedHistory:
    """The result of comparing a history: ``head`` is its newest revision with its seal, None where it is damaged."""

    def __init__(self, database: str) -> None:
        self._database = database
        self.head: Head | None = None
        self.problems: list[Problem] = []
        self.notes: list[str] = []

    def check(
        self, connection: sa.Connection, claim: StoreClaim | None, quoted: Sequence[Head], progress: Progress
    ) -> None:
        """Compute every seal, and compare the heads."""
        broken = find_broken_seals(connection, progress)
        self.problems += [Problem(None, self._database, one.problem, one.revision) for one in broken]
        newest = read_head(connection)
        self.problems += self._find_lost_heads(connection, quoted, newest)
        if claim is not None:
            self._compare_with_store(connection, claim, newest)
        if not broken:
            self.head = newest

    def _find_lost_heads(
        self, connection: sa.Connection, quoted: Sequence[Head], newest: Head
    ) -> Iterator[Problem]:
        for head in quoted:
            seal = read_seal(connection, head.number)
            if seal is None:
                problem = f"{head} is not in this history, which ends with {newest}"
            elif not str(seal).startswith(head.seal):
                problem = (
                    f"{head} is not in this history, in which revision {head.number} has the seal {seal}"
                )
            else:
                continue
            yield Problem(None, self._database, problem, head.number)

    def _compare_with_store(self, connection: sa.Connection, claim: StoreClaim, newest: Head) -> None:
        closure = find_closure(connection)
        if claim.problem is not None:
            self.problems.append(Problem(None, claim.place, claim.problem, denied=claim.is_denied))
        elif claim.head is None:
            if newest.number and closure is None:
                self.notes.append(
                    "the store names no head: that no revision was cut off is not known; the next write names one"
                )
        else:
            committed, coming = claim.head.committed, claim.head.coming
            if coming is not None and read_seal(connection, coming.number) == coming.seal:
                return  # committed, but for the file; the one before it may be a head that was lost
            self._compare_committed(connection, claim.place, committed, newest, closure)
            if coming is not None:
                self._compare_coming(connection, claim.place, coming)

    def _compare_committed(
        self, connection: sa.Connection, place: str, committed: Head, newest: Head, closure: Closure | None
    ) -> None:
        seal = read_seal(connection, committed.number)
        if seal == committed.seal:
            return
        ends = f"the store's head is {committed}, and this database ends with {newest}"
        if seal is not None or committed.number <= newest.number:
            problem = (
                f"the store's head is {committed}, and this database has another revision {committed.number}"
            )
            self._add_problem(place, f"{problem}, {seal}: the histories differ", committed)
        elif closure is not None:
            self.notes.append(f"{ends}; it takes no writes any more")
        elif is_standby(connection):
            self.notes.append(f"{ends}; it is a standby, which may lag behind")
        else:
            self._add_problem(place, f"{ends}: a tail was cut off, or it is an older copy", committed)

    def _compare_coming(self, connection: sa.Connection, place: str, coming: Head) -> None:
        seal = read_seal(connection, coming.number)
        if seal is None:
            self.notes.append(
                f"{coming} was announced to the store and is not recorded here: its writer is at work, or was"
                " interrupted; the next write tells"
            )
        else:
            problem = (
                f"{coming} was announced to the store, and this database has another revision {coming.number}"
            )
            self._add_problem(place, f"{problem}, {seal}: the histories differ", coming)

    def _add_problem(self, place: str, problem: str, head: Head) -> None:
        self.problems.append(Problem(None, place, problem, head.number))
