"""Run calreg as other users, who share a group."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GROUP = 23_450
OWNER, COLLEAGUE = 23_451, 23_452  # without entries in the system's list of users


def find_interpreter() -> str:
    """Return a Python of this version that every user may execute; skip the test where there is none."""
    candidates = [sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"]
    for candidate in candidates:
        real = Path(candidate).resolve()
        if real.exists() and all(path.stat().st_mode & 0o001 for path in (real, *real.parents)):
            return candidate
    pytest.skip("no Python of this version may be executed by other users here")


def readable_packages() -> str:
    """Return the value of PYTHONPATH for other users; skip the test where they may not read these folders."""
    folders = [ROOT, *(Path(entry) for entry in sys.path if entry.endswith("site-packages"))]
    for folder in folders:
        if not all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents)):
            pytest.skip(f"other users may not read {folder} here")
    return os.pathsep.join(map(str, folders))


@dataclass(frozen=True)
class User:
    """A user in the shared group, with an umask, in an environment without a home."""

    number: int
    umask: int
    interpreter: str
    environment: dict[str, str]

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python as this user, from its start."""
        words = [f"--reuid={self.number}", f"--regid={GROUP}", "--clear-groups"]
        return subprocess.run(
            ["setpriv", *words, self.interpreter, *arguments],
            env=self.environment,
            cwd="/",
            umask=self.umask,
            capture_output=True,
            text=True,
            check=False,
        )

    def calreg(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        """Run calreg as this user, in a fork of a process that has imported it: a tenth of the time."""
        with tempfile.TemporaryDirectory() as folder:
            outputs = [Path(folder, name) for name in ("stdout", "stderr")]
            command = {
                "words": [*map(str, arguments)],
                "user": self.number,
                "group": GROUP,
                "umask": self.umask,
                "environment": self.environment,
                **{path.name: str(path) for path in outputs},
            }
            code = _start_server(self.interpreter, self.environment["PYTHONPATH"]).answer(command)
            return subprocess.CompletedProcess(
                command["words"], code, *(path.read_text() for path in outputs)
            )


class _CommandServer:
    """The process that runs the commands of all users."""

    def __init__(self, interpreter: str, packages: str) -> None:
        self._process = subprocess.Popen(
            [interpreter, "-m", "tests.user_commands"],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self.stop)

    def answer(self, command: dict[str, object]) -> int:
        """Run a command, and return its exit code."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(command), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())

    def stop(self) -> None:
        """End it."""
        self._process.communicate()


_start_server = cache(_CommandServer)


def make_user(number: int, umask: int, **variables: str) -> User:
    """Return a user; skip the test where this process may not act as others."""
    if os.geteuid() != 0:
        pytest.skip("only root may act as other users")
    if shutil.which("setpriv") is None:
        pytest.skip("this system has no setpriv command")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": readable_packages(), **variables}
    return User(number, umask, find_interpreter(), {**environment, "PYTHONDONTWRITEBYTECODE": "1"})


def list_modes(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """Return the modes of files and folders, in octal digits."""
    return {name: f"{(folder / name).stat().st_mode & 0o7777:04o}" for name in names}
