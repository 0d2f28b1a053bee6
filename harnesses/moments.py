"""When a command is killed: after a time, or at a moment that others can see, as near to a commit as these are."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import sqlalchemy as sa

from registry.database.engine import make_engine
from testing.registries import RegistryLocation

Watch = Callable[[], object]
"""Returns what can be seen; it is another value from one moment to the next."""

KillTimer = Callable[[BaseProcess], None]
"""Returns when a process is to be killed, or has ended."""

_MAX_DEPTH = 6
_POLL_SECONDS = 0.0002  # seconds between two looks


def kill_after(seconds: float) -> KillTimer:
    """Return the ending after a time."""
    return lambda process: process.join(seconds)


def kill_at_change(watch: Watch, number: int, delay: float = 0.0) -> KillTimer:
    """Return the ending at the so-manieth moment, or a little later."""

    def wait(process: BaseProcess) -> None:
        seen, moments = watch(), 0
        while process.exitcode is None:
            process.join(_POLL_SECONDS)
            now = watch()
            if now != seen:
                seen, moments = now, moments + 1
                if moments >= number:
                    process.join(delay)
                    return

    return wait


class ChangeCounter:
    """The ending of a process that nobody kills: counts its moments."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.changes = 0

    def __call__(self, process: BaseProcess) -> None:
        seen = self._watch()
        while process.exitcode is None:
            process.join(_POLL_SECONDS)
            now = self._watch()
            self.changes += now != seen
            seen = now


@contextmanager
def watch_location(location: RegistryLocation) -> Iterator[Watch]:
    """Watch the files of a location, but for stored ones, and PostgreSQL's statements.

    SQLite's commit is seen as its log grows, a placing as names appear; PostgreSQL says which statement it is at.
    """
    if location.file is not None:
        yield lambda: tuple(_list_files(location.folder, _MAX_DEPTH))
        return
    engine = make_engine(location.database)
    query = sa.text(
        "SELECT state, query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield lambda: (tuple(_list_files(location.folder, _MAX_DEPTH)), connection.execute(query).all())
    engine.dispose()


def _list_files(folder: Path, depth: int) -> Iterator[tuple[str, int]]:
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
                if depth and entry.is_dir(follow_symlinks=False):
                    yield from _list_files(Path(entry.path), depth - 1)
    except OSError:  # gone since a moment ago
        yield str(folder), time.perf_counter_ns()
