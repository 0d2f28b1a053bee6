"""When a command is killed: after a time, or at a moment that others can see, as near to a commit as these are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import sqlalchemy as sa

from harnesses.places import Place
from registry.database.engine import make_engine

Watch = Callable[[], object]
"""Returns what can be seen; it is another value from one moment to the next."""

Ending = Callable[[BaseProcess], None]
"""Returns when a process is to be killed, or has ended."""

_DEEP = 6
_GLANCE = 0.0002  # seconds between two looks


def after(seconds: float) -> Ending:
    """Return the ending after a time."""
    return lambda process: process.join(seconds)


def at_moment(watch: Watch, number: int, later: float = 0.0) -> Ending:
    """Return the ending at the so-manieth moment, or a little later."""

    def wait(process: BaseProcess) -> None:
        seen, moments = watch(), 0
        while process.exitcode is None:
            process.join(_GLANCE)
            now = watch()
            if now != seen:
                seen, moments = now, moments + 1
                if moments >= number:
                    process.join(later)
                    return

    return wait


class Counting:
    """The ending of a process that nobody kills: counts its moments."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.moments = 0

    def __call__(self, process: BaseProcess) -> None:
        seen = self._watch()
        while process.exitcode is None:
            process.join(_GLANCE)
            now = self._watch()
            self.moments += now != seen
            seen = now


@contextmanager
def watching(place: Place) -> Iterator[Watch]:
    """Watch the files of a place, but for stored ones, and PostgreSQL's statements.

    SQLite's commit is seen as its log grows, a placing as names appear; PostgreSQL says which statement it is at.
    """
    if place.file is not None:
        yield lambda: tuple(_files(place.folder, _DEEP))
        return
    engine = make_engine(place.database)
    query = sa.text(
        "SELECT state, query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield lambda: (tuple(_files(place.folder, _DEEP)), connection.execute(query).all())
    engine.dispose()


def _files(folder: Path, deep: int) -> Iterator[tuple[str, int]]:
    """Yield name and size of what lies below a folder at this moment."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name in {"objects", "said"}:
                    continue
                yield (
                    entry.path,
                    0 if entry.is_dir(follow_symlinks=False) else entry.stat(follow_symlinks=False).st_size,
                )
                if deep and entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path), deep - 1)
    except OSError:  # gone since a moment ago
        yield str(folder), time.perf_counter_ns()
