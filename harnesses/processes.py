"""calreg as a process of its own, to be killed: forked from a server that has imported it already."""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# So that the life of a process is its work, and most instants fall into that and not into imports.
_PRELOADED = [
    "alembic.command",
    "numpy",
    "psycopg",
    "registry.api.exports",
    "registry.api.importing",
    "registry.cli",
    "sqlalchemy.dialects.postgresql.psycopg",
]

KILLED = -9

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(_PRELOADED)


def run(
    arguments: Sequence[str], environment: Mapping[str, str], said: Path, seconds: float | None = None
) -> int:
    """Run calreg, and kill it after so many seconds if it still runs; return its exit code, -9 if killed.

    Parameters
    ----------
    said
        File for what it prints.
    """
    process = CONTEXT.Process(target=_calreg, args=(list(arguments), dict(environment), said))
    process.start()
    process.join(seconds)
    if process.exitcode is None:
        process.kill()
        process.join()
    code = process.exitcode
    process.close()
    return KILLED if code is None else code


def _calreg(arguments: list[str], environment: Mapping[str, str], said: Path) -> None:
    os.environ.update(environment)
    sys.argv = ["calreg", *arguments]
    handle = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)

    from registry.cli import main

    main()
