"""Run what a document shows, and hold what is printed against what it shows.

A block of ``console`` is a session: commands after ``$``, going on after ``>`` where they are broken, and what
they print. A block of ``python`` is a program; the next block without a language is what it prints. calreg runs
in this process, where nothing but a pipe or a redirection follows it; everything else in bash.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from unittest import mock

from typer.testing import CliRunner, Result

from registry.cli import app
from registry.secrets import mask_passwords

_CALREG = f'calreg() {{ "{sys.executable}" -m registry "$@"; }}\n'
_ALONE = re.compile(r"""calreg ((?:"[^"$`]*"|'[^']*'|[^"'|<>&;$`*~])*?)((?: 2?>| \|).*)?""", re.DOTALL)
_FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)


def find_blocks(document: Path, language: str) -> list[str]:
    return [block for found, block in _FENCE.findall(document.read_text()) if found == language]


class Session:
    """A shell in a folder: variables that are exported stay.

    Parameters
    ----------
    places
        What a document calls something, and what it is here: folders and servers that no test has.
    """

    def __init__(self, folder: Path, places: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.places = dict(places or {})
        self.environment = {**os.environ, "CALREG_DATABASE": "sqlite:///registry.sqlite"}

    def run_document(self, document: Path) -> None:
        """Run all its sessions and programs, in their order."""
        found = _FENCE.findall(document.read_text())
        for number, (language, block) in enumerate(found):
            if language == "console":
                self.run(block)
            elif language == "python":
                shown = found[number + 1][1] if found[number + 1 :][:1] and not found[number + 1][0] else ""
                self._check_printed(
                    self._execute([sys.executable, "-c", self._substitute(block)]), shown, block
                )

    def run(self, session: str) -> None:
        """Run each command of a session; instants of the clock, ids, user and host may be others."""
        for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
            command, shown = _split_step(step)
            if command.startswith("export "):
                for assignment in shlex.split(self._substitute(command))[1:]:
                    name, _, value = assignment.partition("=")
                    self.environment[name] = value
                printed = ""
            else:
                printed = self._run_command(self._substitute(command))
            self._check_printed(printed, shown, command)

    def _run_command(self, command: str) -> str:
        found = _ALONE.fullmatch(command)
        if found is None:
            return self._execute(["bash", "-c", _CALREG + command])
        done = self._call(shlex.split(found[1].replace("\\\n", "")))
        if not found[2]:
            return done.output
        said = "" if "2>" in found[2] else done.stderr
        return said + self._execute(["bash", "-c", f"cat{found[2]}"], done.stdout)

    def _call(self, arguments: list[str]) -> Result:
        with (
            mock.patch.dict(os.environ, self.environment, clear=True),
            mock.patch.object(sys, "argv", ["calreg", *arguments]),
            chdir(self.folder),
        ):
            done = CliRunner().invoke(app, arguments, prog_name="calreg")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    def _execute(self, command: list[str], given: str = "") -> str:
        done = subprocess.run(
            command,
            input=given,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    def _substitute(self, text: str) -> str:
        for shown, real in self.places.items():
            text = text.replace(shown, real)
        return text

    def _check_printed(self, printed: str, shown: str, command: str) -> None:
        for name, real in self.places.items():
            printed = printed.replace(real, name).replace(mask_passwords(real), name)
        assert normalise(printed) == normalise(shown), command


def run_session(session: str, folder: Path) -> None:
    """Run each command of a session in `folder`."""
    Session(folder).run(session)


def _split_step(step: str) -> tuple[str, str]:
    """Return a command, with the lines on which it goes on, and what it prints."""
    command, *rest = step.split("\n")
    while rest and rest[0].startswith("> "):
        command += f"\n{rest.pop(0)[2:]}"
    return command, "\n".join(rest)


def normalise(text: str) -> str:
    """Write what differs from machine to machine, and from day to day, in one way."""
    for pattern, word in (
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z(, by| by|,)? *[^\s:]+", r"TIME\1 USER"),
        (r"^(  on) [^:]+:", r"\1 HOST:"),
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
        (r"registry-\d{8}T\d{12}Z", "registry-TIME"),
        (r"USER on \S+$", "USER on HOST"),
        (r"^software .*", "software"),
        (r"^schema \d{4}", "schema NUMBER"),
    ):
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return text
