"""The page of the commands: between its two marks stands every verb, with the options and the example of its help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from typer.main import get_command

from registry.cli import app
from registry.cli.application import LazyCommand
from registry.cli.examples import EXAMPLES, wrap_command

PAGE = Path(__file__).parent.parent / "docs" / "commands.md"
BEGIN = "<!-- begin: written by python -m documentation -->"
END = "<!-- end: written by python -m documentation -->"
NOTES = "<!-- notes, by hand -->"
"""The line after which a section goes on with what somebody wrote about the verb."""


def write_page() -> Path:
    """Write the page, and return its path."""
    PAGE.write_text(build_page(PAGE.read_text()))
    return PAGE


def build_page(page: str) -> str:
    """Return the page with what the program says now between the marks.

    Raises
    ------
    ValueError
        The page lacks the marks, or has notes of a verb that the program does not have.
    """
    before, begin, _ = page.partition(f"{BEGIN}\n")
    _, end, after = page.partition(f"{END}\n")
    if not begin or not end:
        raise ValueError(f"the page has no lines {BEGIN} and {END}")
    return f"{before}{begin}\n{build_reference(find_notes(page))}\n{end}{after}"


def find_notes(page: str) -> dict[str, str]:
    """Return what was written by hand about verbs on the page, by the words that call the verb."""
    sections = re.findall(
        r"^### calreg ([a-z ]+)\n(.*?)(?=^### |^<!-- end|\Z)", page, re.MULTILINE | re.DOTALL
    )
    return {verb: text.partition(f"{NOTES}\n")[2].strip() for verb, text in sections if NOTES in text}


def build_reference(notes: Mapping[str, str]) -> str:
    """Return the verbs in the order of the program's help, each followed by its notes.

    Raises
    ------
    ValueError
        There are notes of a verb that the program does not have.
    """
    program: Any = get_command(app)
    verbs = dict(_find_verbs(program, ""))
    if unknown := notes.keys() - verbs:
        raise ValueError(f"the program has no {', '.join(sorted(unknown))}: move the notes")
    index = [
        f"| [`calreg {name}`](#calreg-{name.replace(' ', '-')}) | {_first_line(verb)} |"
        for name, verb in verbs.items()
    ]
    parts = [
        _build_table("verb", index),
        "### Global options\n",
        "They stand before the verb.\n",
        _describe(program.params),
    ]
    for name, verb in verbs.items():
        parts += _build_section(name, verb)
        if name in notes:
            parts.append(f"{NOTES}\n\n{notes[name]}\n")
    return "\n".join(parts)


def _find_verbs(group: Any, path: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        verb = command.load() if isinstance(command, LazyCommand) else command
        if hasattr(verb, "commands"):
            yield from _find_verbs(verb, f"{path}{name} ")
        else:
            yield f"{path}{name}", verb


def _build_section(name: str, verb: Any) -> Iterator[str]:
    yield f"### calreg {name}\n"
    yield f"{inspect.cleandoc(verb.help)}\n"
    yield _describe(verb.params)
    yield "```"
    yield from wrap_command(EXAMPLES[name])
    yield "```\n"


def _first_line(verb: Any) -> str:
    return _escape(inspect.cleandoc(verb.help).partition("\n")[0])


def _describe(parameters: list[Any]) -> str:
    return _build_table(
        "parameter", [f"| {_name(parameter)} | {_escape(_meaning(parameter))} |" for parameter in parameters]
    )


def _build_table(name: str, rows: list[str]) -> str:
    return "\n".join((f"| {name} | meaning |", "|---|---|", *rows, ""))


def _name(parameter: Any) -> str:
    metavar = _escape(parameter.metavar or "")
    if parameter.param_type_name == "argument":
        return f"`{metavar}`"
    option = ", ".join(sorted(parameter.opts, key=len))
    return f"`{option}`" if parameter.is_flag else f"`{option} {metavar}`"


def _meaning(parameter: Any) -> str:
    required = parameter.param_type_name == "option" and parameter.required
    return f"{parameter.help}{' Required.' if required else ''}"


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
