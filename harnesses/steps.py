"""Follow a command step by step, and kill it between two of them: system calls, statements, steps of the protocol.

A step is the begin or the end of a call that changes files, a statement, a commit, or a function that keeps the store's
head. They are seen by a profiler in the process itself, so the same step is hit in every run. The middle of a step
(the writes of SQLite during a commit) is left to kills at random instants.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from types import FrameType
from typing import Any

_SYSTEM_CALLS = {
    *("rename", "replace", "link", "symlink", "unlink", "mkdir", "rmdir", "chmod", "fchmod", "utime"),
    *(
        "fsync",
        "fdatasync",
        "flock",
        "write",
        "copy_file_range",
        "sendfile",
        "truncate",
        "ftruncate",
        "_exit",
    ),
}
_SYSTEM_MODULES = {"posix", "fcntl"}
_STATEMENTS = {"execute", "executemany", "commit", "rollback", "backup"}
_PROTOCOL = {
    "HeadKeeper.refuse_foreign",
    "HeadKeeper.announce",
    "HeadKeeper.confirm",
    "HeadFile.write",
    "Change.seal",
}
_EVENTS = {"call": "begins", "c_call": "begins", "return": "ends", "c_return": "ends"}


@dataclass(frozen=True, slots=True)
class Tracing:
    """The file for the names of the steps, written at the end, and the number of the step at which to kill."""

    log: Path
    kill_at: int | None = None


@contextmanager
def trace_steps(tracing: Tracing | None) -> Iterator[None]:
    """Count the steps of this thread, and kill the process at one of them."""
    if tracing is None:
        yield
        return
    steps: list[str] = []

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event not in _EVENTS:
            return
        name = _name_function(frame) if event in {"call", "return"} else _name_builtin(argument)
        if name is not None:
            steps.append(f"{name} {_EVENTS[event]}")
            if len(steps) == tracing.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(note)
    try:
        yield
    finally:
        sys.setprofile(None)
        tracing.log.write_text("\n".join(steps))


def _name_function(frame: FrameType) -> str | None:
    name = frame.f_code.co_qualname
    if name in _PROTOCOL:
        return name
    is_driver = f"{os.sep}psycopg{os.sep}" in frame.f_code.co_filename
    return name if is_driver and frame.f_code.co_name in _STATEMENTS else None


def _name_builtin(function: Any) -> str | None:
    name, owner = getattr(function, "__name__", ""), getattr(function, "__self__", None)
    if getattr(function, "__module__", None) in _SYSTEM_MODULES and name in _SYSTEM_CALLS:
        return name
    if name == "write" and isinstance(owner, FileIO | BufferedWriter | TextIOWrapper):
        return "write"
    if name in _STATEMENTS and isinstance(owner, sqlite3.Connection | sqlite3.Cursor):
        return name
    return None


def choose_steps(steps: Sequence[str], wanted: int, rng: random.Random) -> list[int]:
    """Return the numbers of steps, from 1: those from the seal to the confirmed head first, then others at random."""
    protocol = [number for number, step in enumerate(steps, 1) if step.split(" ")[0] in _PROTOCOL]
    sealing = [number for number in protocol if steps[number - 1].startswith("Change.seal ")]
    inner = range(sealing[0], protocol[-1] + 1) if sealing else range(0)
    others = [number for number in range(1, len(steps) + 1) if number not in inner]
    chosen = rng.sample(inner, min(wanted, len(inner)))
    return sorted([*chosen, *rng.sample(others, min(wanted - len(chosen), len(others)))])
