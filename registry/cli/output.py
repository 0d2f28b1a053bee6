"""Printing: the answer on stdout, as text for people or JSON for scripts; everything else on stderr.

Control characters in files, names and comments are escaped before they reach a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager, suppress
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from registry.cli import folding
from registry.cli.quiet import is_quiet
from registry.cli.remedies import NEXT_STEPS, format_error
from registry.errors import RegistryError
from registry.identifiers import escape_control_characters

if TYPE_CHECKING:
    from registry.parallel import Advance

_Answer = TypeVar("_Answer")

_DUMB_TERMINALS = ("dumb", "unknown", "")
_BAR_WIDTH, _MIN_WIDTH_FOR_BAR, _MIN_WIDTH_FOR_COUNTS = 24, 72, 50  # columns


def print_answer(answer: _Answer, print_for_people: Callable[[_Answer], None], *, as_json: bool) -> None:
    """Print the answer of a verb as JSON, or with the function that prints it as text; then its notes and warnings."""
    with suppress(BrokenPipeError):  # its reader has enough; the verb goes on to its exit code
        (print_json if as_json else print_for_people)(answer)
    print_notes(getattr(answer, "notes", ()), getattr(answer, "warnings", ()))


def print_text(text: str = "") -> None:
    """Print one line of the answer."""
    typer.echo(escape_control_characters(text))


def print_json(value: Any) -> None:
    """Print a record, or a list of them, as JSON: instants as ISO texts, the beginning as null."""
    from registry.records.json import iterate_text

    for piece in iterate_text(value):  # in ASCII, whatever the encoding
        sys.stdout.write(piece)
    typer.echo()


def print_folded(text: str) -> None:
    """Print one line of the answer; on a terminal that is too narrow for it, folded and indented."""
    for line in folding.fold(escape_control_characters(text), folding.terminal_width()):
        typer.echo(line)


def print_fields(**fields: object) -> None:
    """Print names and values in two columns: a list on several lines, None not at all."""
    width = max(map(len, fields)) + 2
    for name, value in fields.items():
        label = name.replace("_", " ")
        for line in value if isinstance(value, list) else () if value is None else (value,):
            print_text(f"{label:<{width}}{line}")
            label = ""


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]], indent: str = "") -> None:
    """Print aligned columns, uncut; on a terminal long lines are folded."""
    cells = ([escape_control_characters("" if cell is None else str(cell)) for cell in row] for row in rows)
    for line in folding.format_table(chain([list(headings)], cells), indent, folding.terminal_width()):
        typer.echo(line)


def print_message(text: str) -> None:
    """Print one line on stderr."""
    typer.echo(escape_control_characters(text), err=True)


def print_notes(notes: Iterable[str] = (), warnings: Iterable[str] = ()) -> None:
    """Print notes and warnings on stderr; of a quiet verb only warnings."""
    for note in notes if not is_quiet() else ():
        print_message(f"note: {note}")
    for warning in warnings:
        print_message(f"warning: {warning}")


def print_next_step(verb: str) -> None:
    """Print what can follow this verb, or its empty answer: for a person at a terminal, not for a script."""
    if is_interactive():
        print_notes(notes=[NEXT_STEPS[verb]])


def hint_if_empty(answer: Sized, verb: str, *, as_of: str | None = None) -> None:
    """Print what would fill an empty answer; not for an earlier revision, which nothing can fill any more."""
    if not answer and as_of is None:
        print_next_step(verb)


def is_interactive() -> bool:
    """Tell whether a person reads stderr."""
    return sys.stderr.isatty()


def print_error(error: RegistryError, *, as_json: bool) -> None:
    """Print a refusal: a sentence, or JSON with its code, kind and values."""
    sentence = format_error(error)
    if as_json:
        from registry.records.json import to_builtins

        message = f"{sentence}: {'; '.join(error.details)}" if error.details else sentence
        body = {**error.values, "code": error.code, "kind": type(error).__name__, "message": message}
        typer.echo(json.dumps({"error": to_builtins(body)}), err=True)
        return
    print_message(f"error: {sentence}{':' if error.details else ''}")
    for detail in error.details:
        print_message(f"  {detail}")


@contextmanager
def show_progress(description: str, total: int) -> Iterator[Advance]:
    """Show a progress bar where stderr is a terminal that can redraw a line, and the work has more than one step.

    rich leaves out colours where ``NO_COLOR`` is set.
    """
    if (
        total < 2
        or is_quiet()
        or not sys.stderr.isatty()
        or os.environ.get("TERM", "dumb") in _DUMB_TERMINALS
    ):
        yield lambda _steps=1: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(format_rate(task.speed))

    console = Console(stderr=True)
    columns: list[ProgressColumn] = [TextColumn("{task.description}")]
    if console.width >= _MIN_WIDTH_FOR_BAR:
        columns.append(BarColumn(bar_width=_BAR_WIDTH))
    if console.width >= _MIN_WIDTH_FOR_COUNTS:
        columns.append(TextColumn("{task.completed:.0f}/{task.total:.0f}"))
    with Progress(*columns, Rate(), TimeRemainingColumn(), console=console, transient=True) as bar:
        task = bar.add_task(description, total=total)
        yield lambda steps=1: bar.advance(task, steps)


def format_rate(speed: float | None) -> str:
    """Return the steps per second in a useful number of digits; nothing where the rate is not known yet."""
    if not speed:
        return ""
    return f"{speed:,.0f}/s" if speed >= 10 else f"{speed:.1f}/s"
