"""The command line: each verb reads its parameters, calls the registry once, and prints the answer.

The module of a verb is imported when the verb is called, and the registry inside the verb, so that
``calreg --help`` is quick.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys

from registry.cli.signals import end_if_interrupted, end_quietly_when_interrupted
from registry.cli.streams import end_if_unprinted, guard_streams

TYPE_CHECKING = False  # as in the package
if TYPE_CHECKING:
    from typing import Any

__all__ = ["app", "main"]

_NEW_OBJECTS = 10_000  # Python's own number is 700


def main() -> None:
    """Run the program ``calreg``, or complete its command line for a shell."""
    end_quietly_when_interrupted()
    _collect_garbage_rarely()
    guard_streams()
    shell = os.environ.get("_CALREG_COMPLETE")
    if shell:
        from registry.cli.shells import complete_and_exit

        complete_and_exit(shell, sys.argv[1:])
    from registry.cli.program import app

    with end_if_interrupted(), end_if_unprinted():
        app(prog_name="calreg")


def _collect_garbage_rarely() -> None:
    """Let Python look for garbage less often while modules are imported, and not once more at the end.

    Nearly all objects of a command belong to modules, and live as long as its process does.
    """
    gc.set_threshold(_NEW_OBJECTS)
    atexit.register(gc.freeze)


def __getattr__(name: str) -> Any:
    """Return the program, which is imported when it is needed: from then on Ctrl-C has its message."""
    if name != "app":
        raise AttributeError(f"module 'registry.cli' has no attribute {name!r}")
    from registry.cli.program import app

    return app
