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
    """The exit code of a command, and what it printed."""

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
        result = CliRunner().invoke(app, list(map(str, arguments)), prog_name="calreg")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return CommandResult(result.exit_code, result.stdout, result.stderr)

    def run(self, *arguments: str) -> CommandResult:
        """Run a command that must succeed."""
        result = self(*arguments)
        assert result.code == 0, result.stderr
        return result

    def assert_refused(self, code: int, *arguments: str) -> dict[str, Any]:
        """Run a command that must be refused with that exit code, as text and as JSON; return the error."""
        text = self(*arguments)
        assert (text.code, text.stdout) == (code, ""), text
        assert text.stderr.startswith("error: ")
        result = self(*arguments, "--json")
        assert (result.code, result.stdout, result.error["code"]) == (code, "", code)
        assert result.error["message"].splitlines()[0]
        return result.error


def build_program() -> Any:
    """Return the program as a Click command."""
    return get_command(app)


def list_verbs() -> dict[tuple[str, ...], Any]:
    """Return every verb, by the words that call it."""
    return dict(_list_verbs_below(build_program(), ()))


def _list_verbs_below(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        verb = command.load() if isinstance(command, LazyCommand) else command
        if hasattr(verb, "commands"):
            yield from _list_verbs_below(verb, (*path, name))
        else:
            yield (*path, name), verb
