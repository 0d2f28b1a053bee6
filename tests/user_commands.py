"""Run calreg as other users in forks of one process, which has imported it: a program that `tests.users` starts.

A line of JSON on stdin is a command; its answer is a line with the exit code.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import traceback
from typing import Any

import registry

# By themselves they take half a second of each command, and waiting for the disk as long. Nobody draws pictures here.
PRELOADED = [
    *("alembic.command", "numpy", "rich.progress", "sqlalchemy.dialects.sqlite", "tzdata"),
    "tests.undurable",
]
PACKAGES_LEFT_OUT = ("registry.plots", "registry.service", "registry.__main__")


def preload() -> None:
    """Import what commands need: where users may not read the interpreter, they could not."""
    for name in PRELOADED:
        importlib.import_module(name)
    for module in pkgutil.walk_packages(registry.__path__, "registry."):
        if not module.name.startswith(PACKAGES_LEFT_OUT):
            importlib.import_module(module.name)


def become(user: int, group: int, umask: int, environment: dict[str, str]) -> None:
    """Take on a user's rights and environment, for good."""
    os.environ.clear()
    os.environ.update(environment)
    os.chdir("/")
    os.umask(umask)
    os.setgroups([])
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)


def run(command: dict[str, Any]) -> int:
    """Run calreg in a fork, and return its exit code, or the negative signal that ended it."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            for name, number in (("/dev/null", 0), (command["stdout"], 1), (command["stderr"], 2)):
                os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o600), number)
            become(*(command[name] for name in ("user", "group", "umask", "environment")))
            sys.argv = ["calreg", *command["words"]]

            from registry.cli import main

            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:  # noqa: BLE001 - as the interpreter prints it
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    preload()
    for line in sys.stdin:
        sys.stdout.write(f"{run(json.loads(line))}\n")
        sys.stdout.flush()
