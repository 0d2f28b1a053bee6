"""The reference of the command line: every verb with its arguments, options and example, as its help has them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from registry.cli import app
from registry.cli.application import LazyCommand
from registry.cli.examples import EXAMPLES, wrap_command


def reference() -> str:
    """Return the verbs in the order of the program's help, the global options first."""
    program: Any = get_command(app)
    parts = ["### Global options\n", "They stand before the verb.\n", _table(program.params)]
    for name, verb in _verbs(program, ""):
        parts += _verb(name, verb)
    return "\n".join(parts)


def _verbs(group: Any, before: str) -> Iterator[tuple[str, Any]]:
    for name, found in group.commands.items():
        verb = found.load() if isinstance(found, LazyCommand) else found
        if hasattr(verb, "commands"):
            yield from _verbs(verb, f"{before}{name} ")
        else:
            yield f"{before}{name}", verb


def _verb(name: str, verb: Any) -> Iterator[str]:
    yield f"### calreg {name}\n"
    yield f"{inspect.cleandoc(verb.help)}\n"
    yield _table(verb.params)
    yield "```"
    yield from wrap_command(EXAMPLES[name])
    yield "```\n"


def _table(parameters: list[Any]) -> str:
    rows = [f"| {_name(each)} | {_escaped(_meaning(each))} |" for each in parameters]
    return "\n".join(("| | |", "|---|---|", *rows, ""))


def _name(parameter: Any) -> str:
    metavar = _escaped(parameter.metavar or "")
    if parameter.param_type_name == "argument":
        return f"`{metavar}`"
    option = max(parameter.opts, key=len)
    return f"`{option}`" if parameter.is_flag else f"`{option} {metavar}`"


def _meaning(parameter: Any) -> str:
    must = parameter.param_type_name == "option" and parameter.required
    return f"{parameter.help}{' Required.' if must else ''}"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
