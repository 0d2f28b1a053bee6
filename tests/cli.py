"""Run calreg in this process, as a shell would see it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from registry.cli import app
from registry.cli.application import LazyCommand
from testing.registries import RegistryLocation


@dataclass(frozen=True)
class CommandResult:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def error(self) -> dict[str, Any]:
        """The refusal that was printed under ``--json``: one line of JSON, and nothing else."""
        return json.loads(self.stderr)["error"]


class Calreg:
    """The command line of one registry."""

    def __init__(self, location: RegistryLocation | None, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in location.environment.items() if location else ():
            monkeypatch.setenv(name, value)

    def __call__(self, *arguments: str) -> CommandResult:
        done = CliRunner().invoke(app, [str(each) for each in arguments], prog_name="calreg")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return CommandResult(done.exit_code, done.stdout, done.stderr)

    def run(self, *arguments: str) -> CommandResult:
        """Run a command that must not be refused."""
        ended = self(*arguments)
        assert ended.code == 0, ended.stderr
        return ended

    def refused(self, code: int, *arguments: str) -> dict[str, Any]:
        """Run a command that must be refused with that exit code, as text and as JSON; return the error."""
        plain = self(*arguments)
        assert (plain.code, plain.stdout) == (code, ""), plain
        assert plain.stderr.startswith("error: ")
        ended = self(*arguments, "--json")
        assert (ended.code, ended.stdout, ended.error["code"]) == (code, "", code)
        assert ended.error["message"].splitlines()[0]
        return ended.error


def build_program() -> Any:
    """Return the program, as the library that reads its options has it."""
    return get_command(app)


def list_verbs() -> dict[tuple[str, ...], Any]:
    """Return every verb, by the words that call it."""
    return dict(_list_verbs_below(build_program(), ()))


def _list_verbs_below(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, found in group.commands.items():
        verb = found.load() if isinstance(found, LazyCommand) else found
        if hasattr(verb, "commands"):
            yield from _list_verbs_below(verb, (*path, name))
        else:
            yield (*path, name), verb
