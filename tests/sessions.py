"""Run the commands and programs of a document, and compare what they print with what it shows.

A block of ``console`` is a session: commands after ``$``, going on after ``>`` where they are broken, and what
they print. A block of ``python`` is a program; the next block without a language is what it prints. calreg runs
in this process, where nothing but a pipe or a redirection follows it; everything else in bash.

With ``CALREG_UPDATE_DOCS=1`` the document is rewritten to show what was printed.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import chdir
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from unittest import mock

from typer.testing import CliRunner, Result

from documentation.placeholders import use_placeholders
from registry.cli import app
from registry.secrets import mask_url

_CALREG = f'calreg() {{ "{sys.executable}" -m registry "$@"; }}\n'
_ALONE = re.compile(r"""calreg ((?:"[^"$`]*"|'[^']*'|[^"'|<>&;$`*~])*?)((?: 2?>| \|).*)?""", re.DOTALL)
_BLOCK = re.compile(r"^ *```(?P<language>\w*)\n(?P<text>.*?)^ *```$", re.DOTALL | re.MULTILINE)


def is_updating() -> bool:
    """Return whether documents are to be rewritten, not only checked."""
    return bool(os.environ.get("CALREG_UPDATE_DOCS"))


def find_blocks(document: Path, language: str) -> list[str]:
    return [text for name, text in _BLOCK.findall(document.read_text()) if name == language]


class Session:
    """A shell in a folder: variables that are exported stay.

    Parameters
    ----------
    stand_ins
        Folders and servers that the document names, and what is used here in their place.
    """

    def __init__(self, folder: Path, stand_ins: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.stand_ins = dict(stand_ins or {})
        self.environment = {**os.environ, "CALREG_DATABASE": "sqlite:///registry.sqlite"}

    def run_document(self, document: Path) -> None:
        """Run all its sessions and programs, in their order."""
        text = document.read_text()
        updated, position = "", 0
        for span, block in self._run_blocks(text):
            updated += text[position : span[0]] + block
            position = span[1]
        if is_updating():
            document.write_text(updated + text[position:])

    def _run_blocks(self, text: str) -> Iterator[tuple[tuple[int, int], str]]:
        """Yield where each block of outputs stands in a document, and what it shows when it is right."""
        blocks = list(_BLOCK.finditer(text))
        for block, following in zip_longest(blocks, blocks[1:]):
            if block["language"] == "console":
                yield block.span("text"), self.run(block["text"])
            elif block["language"] == "python":
                program = self._substitute(block["text"])
                printed = self._execute([sys.executable, "-c", program])
                if following and not following["language"]:
                    yield following.span("text"), self._compare(following["text"], printed, program)
                else:
                    assert printed == "", program

    def run(self, session: str) -> str:
        """Run the commands of a session, and return it as it is when it shows what they print."""
        start, *steps = re.split(r"^\$ ", session, flags=re.MULTILINE)
        return start + "".join(f"$ {self._run_step(step)}" for step in steps)

    def _run_step(self, step: str) -> str:
        typed, shown = _split_step(step)
        command = self._substitute(typed.replace("\n> ", "\n"))
        if command.startswith("export "):
            for assignment in shlex.split(command)[1:]:
                name, _, value = assignment.partition("=")
                self.environment[name] = value
            return step
        return f"{typed}\n{self._compare(shown, self._run_command(command), command)}"

    def _run_command(self, command: str) -> str:
        alone = _ALONE.fullmatch(command)
        if alone is None:
            return self._execute(["bash", "-c", _CALREG + command])
        arguments, redirection = alone.groups()
        done = self._call(shlex.split(arguments.replace("\\\n", "")))
        if not redirection:
            return done.output
        errors = "" if "2>" in redirection else done.stderr
        return errors + self._execute(["bash", "-c", f"cat{redirection}"], done.stdout)

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

    def _execute(self, command: list[str], stdin: str = "") -> str:
        done = subprocess.run(
            command,
            input=stdin,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.stdout

    def _substitute(self, text: str) -> str:
        for name, real in self.stand_ins.items():
            text = text.replace(name, real)
        return text

    def _compare(self, shown: str, printed: str, command: str) -> str:
        """Return what the document should show for a command; it must be what it shows, unless that is updated."""
        for name, real in self.stand_ins.items():
            printed = printed.replace(real, name).replace(mask_url(real), name)
        if is_updating():
            return "".join(_merge_lines(shown.splitlines(keepends=True), printed.splitlines(keepends=True)))
        expected, actual = use_placeholders(shown), use_placeholders(printed)
        assert actual == expected, f"{command}\n{actual}"
        return shown


def _split_step(step: str) -> tuple[str, str]:
    """Return a command, with the lines on which it goes on, and what it prints."""
    command, *rest = step.split("\n")
    while rest and rest[0].startswith("> "):
        command += f"\n{rest.pop(0)}"
    return command, "\n".join(rest)


def _merge_lines(shown: list[str], printed: list[str]) -> Iterator[str]:
    """Yield the printed lines; of those that a document shows with another time, id or user, the shown ones."""
    comparable = [[use_placeholders(line) for line in lines] for lines in (shown, printed)]
    for kind, start, end, printed_start, printed_end in SequenceMatcher(
        None, *comparable, autojunk=False
    ).get_opcodes():
        yield from shown[start:end] if kind == "equal" else comparable[1][printed_start:printed_end]
