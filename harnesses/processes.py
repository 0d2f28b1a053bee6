"""Run calreg as a process that can be killed: forked from a server that has imported it already."""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import registry
from harnesses.moments import KillTimer
from harnesses.steps import Tracing, trace_steps
from registry.detectors.jungfrau import JUNGFRAU
from testing.panels import use_panel_shape

# Imported before the fork, so that most kills fall into the work of a process and not into imports.
PRELOADED_MODULES = [
    *("alembic.command", "h5py", "numpy", "psycopg", "sqlalchemy.dialects.postgresql.psycopg"),
    *sorted(
        module.name
        for module in pkgutil.walk_packages(registry.__path__, "registry.")
        if not module.name.endswith("__main__")
    ),
]

KILLED = -9

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(PRELOADED_MODULES)


def run_calreg(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    output: Path,
    timer: KillTimer = BaseProcess.join,
    tracing: Tracing | None = None,
) -> int:
    """Run calreg, kill it when the timer returns, and return its exit code: -9 if it was killed.

    Parameters
    ----------
    output
        The file into which it prints.
    tracing
        Counts the steps of the process, and may kill it at one.
    """
    process = CONTEXT.Process(
        target=_run_main, args=(list(arguments), dict(environment), output, JUNGFRAU.panel_shape, tracing)
    )
    process.start()
    timer(process)
    if process.exitcode is None:
        process.kill()
        process.join()
    code = process.exitcode
    process.close()
    return KILLED if code is None else code


def _run_main(
    arguments: list[str],
    environment: Mapping[str, str],
    output: Path,
    shape: tuple[int, int],
    tracing: Tracing | None,
) -> None:
    os.environ.update(environment)
    sys.argv = ["calreg", *arguments]
    handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(handle, 1)
    os.dup2(handle, 2)

    from registry.cli import main

    with use_panel_shape(shape), trace_steps(tracing):
        main()
