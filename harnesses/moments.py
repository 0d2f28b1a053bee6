"""Choose when to kill a command: after a time, or at a visible change of its files or statements.

Visible changes are the nearest that another process can come to a commit.
"""

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
"""Returns the visible state; two different values mean that something changed in between."""

KillTimer = Callable[[BaseProcess], None]
"""Blocks until a process is to be killed, or has ended."""

_MAX_DEPTH = 6
_POLL_SECONDS = 0.0002


def kill_after(seconds: float) -> KillTimer:
    """Return the timer that waits for a time."""
    return lambda process: process.join(seconds)


def kill_at_change(watch: Watch, number: int, delay: float = 0.0) -> KillTimer:
    """Return the timer that waits for the change with this number, counted from 1, and for the delay."""

    def wait(process: BaseProcess) -> None:
        state, changes = watch(), 0
        while process.exitcode is None:
            process.join(_POLL_SECONDS)
            now = watch()
            if now != state:
                state, changes = now, changes + 1
                if changes >= number:
                    process.join(delay)
                    return

    return wait


class ChangeCounter:
    """A timer that kills nothing: it counts the visible changes until the process ends."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.changes = 0

    def __call__(self, process: BaseProcess) -> None:
        state = self._watch()
        while process.exitcode is None:
            process.join(_POLL_SECONDS)
            now = self._watch()
            self.changes += now != state
            state = now


@contextmanager
def watch_location(location: RegistryLocation) -> Iterator[Watch]:
    """Watch the files of a location except stored objects, and PostgreSQL's current statements.

    A commit of SQLite shows as its log grows, publication of a file as its name appears; PostgreSQL reports
    the statement that it executes.
    """
    if location.file is not None:
        yield lambda: tuple(_list_files(location.folder, _MAX_DEPTH))
        return
    engine = make_engine(location.database)
    query = sa.text(
        "SELECT state, query FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield lambda: (tuple(_list_files(location.folder, _MAX_DEPTH)), connection.execute(query).all())
    engine.dispose()


def _list_files(folder: Path, depth: int) -> Iterator[tuple[str, int]]:
    """Yield path and size of the files and folders below a folder."""
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
    except OSError:  # removed meanwhile: a change
        yield str(folder), time.perf_counter_ns()
