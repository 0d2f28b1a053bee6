"""Whole processes: the program ``calreg``, and what is compared with it; the page cache warm or cold."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.timing import Task, accept_any, do_nothing


def find_calreg() -> list[str]:
    """Return the words that start the program."""
    calreg = Path(sys.executable).with_name("calreg")
    return [str(calreg)] if calreg.exists() else [sys.executable, "-m", "registry"]


def make_process_task(
    build_command: Callable[[Path], list[str]],
    expected: bytes = b"",
    prepare: Callable[[Path], object] = do_nothing,
    check: Callable[[Path, object], None] = accept_any,
) -> Task:
    """Return the task of a command in an empty folder; its output has the `expected` bytes.

    Compiled modules are kept, as where people work: the first round, which is not counted, writes them.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CALREG_") and name != "PYTHONDONTWRITEBYTECODE"
    }

    def run(folder: Path) -> bytes:
        command = build_command(folder)
        return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True).stdout

    def check_output(folder: Path, output: bytes) -> None:
        if expected not in output:
            raise AssertionError(f"{build_command(folder)} did not print {expected!r}")
        check(folder, output)

    return Task(run, prepare, check_output)


def evict(folders: Iterable[Path]) -> None:
    """Ask the system to forget the bytes of all files in these folders: what no other process has mapped it forgets."""
    for folder in folders:
        for parent, _, names in os.walk(folder):
            for name in names:
                _evict_file(Path(parent, name))


def _evict_file(path: Path) -> None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # a link that leads nowhere, a socket
        return
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
