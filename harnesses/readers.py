"""Readers beside the writers: each answer must be that of one revision, then and later."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from multiprocessing.synchronize import Event
from pathlib import Path

import msgspec
import sqlalchemy as sa

from registry import schema
from registry.api import Registry
from registry.database.transactions import Database
from registry.errors import NotValidError
from registry.identifiers import format_count
from registry.lookup.revisions import AsOf
from testing.registries import RegistryLocation

_MAX_KEPT = 200  # answers that are compared again at the end
_AT = "2020-01-02T00:00:00Z"

Query = Callable[[AsOf], object]


class ReaderResult(msgspec.Struct):
    """The result of readers.

    Attributes
    ----------
    answers
        Number of answers compared with the answers as of a revision.
    during_commit
        Number of those during which a revision was committed.
    """

    answers: int = 0
    during_commit: int = 0
    problems: list[str] = []

    def __add__(self, other: ReaderResult) -> ReaderResult:
        return ReaderResult(
            self.answers + other.answers,
            self.during_commit + other.during_commit,
            [*self.problems, *other.problems],
        )


def run_reader(
    location: RegistryLocation,
    modules: Sequence[tuple[str, tuple[str, ...]]],
    seed: str,
    done: Event,
    file: Path,
) -> None:
    """Ask until `done` is set, and write the result into a file: the target of a process."""
    rng = random.Random(seed)  # noqa: S311 - repeatable on purpose
    result = ReaderResult(problems=[])
    kept: list[tuple[Query, int, object]] = []
    database = Database(location.database)
    try:
        with location.open() as registry:
            last = 0
            while not done.is_set():
                before = _read_newest_revision(database, last, result)
                ask = _choose_query(registry, *rng.choice(modules), rng.randrange(4))
                answer = ask(None)
                last = _read_newest_revision(database, before, result)
                result.answers += 1
                result.during_commit += last > before
                fitting = [number for number in range(before, last + 1) if ask(number) == answer]
                if not fitting:
                    result.problems.append(f"an answer fits no revision from {before} to {last}")
                elif len(kept) < _MAX_KEPT:
                    kept.append((ask, fitting[0], answer))
            result.problems += [
                f"the answer as of revision {number} has changed"
                for ask, number, answer in kept
                if ask(number) != answer
            ]
    except Exception as error:  # noqa: BLE001 - any error is a finding
        result.problems.append(f"a reader was stopped: {type(error).__name__}: {error}")
    database.close()
    file.write_bytes(msgspec.json.encode(result))


def _read_newest_revision(database: Database, last: int, result: ReaderResult) -> int:
    """Return the newest revision; all earlier ones must be present, and it must not go back."""
    number = schema.revision.c.number
    with database.autocommit_read() as connection:
        query = sa.select(sa.func.max(number), sa.func.count(number))
        newest, count = connection.execute(query).one()
    if newest != count or newest < last:
        result.problems.append(
            f"revision {newest} was read with {format_count(count, 'revision')}, after revision {last}"
        )
    return int(newest)


def _choose_query(registry: Registry, module: str, panels: Sequence[str], sort: int) -> Query:
    """Return one of four queries, which can be asked as of any revision."""

    def query_instant(as_of: AsOf) -> object:
        try:
            return registry.validity("_".join(panels), kinds=["gain"], at=_AT, as_of=as_of)
        except NotValidError as error:
            return error.message

    queries: tuple[Query, ...] = (
        lambda as_of: registry.validity(module, kinds=["gain"], as_of=as_of),
        lambda as_of: registry.validity("_".join(panels), as_of=as_of),
        lambda as_of: registry.versions.list(panels[0], withdrawn=True, as_of=as_of),
        query_instant,
    )
    return queries[sort]
