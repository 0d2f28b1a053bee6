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

from registry.cli import folding, formats, local_times
from registry.cli.colours import DUMB_TERMINALS, paint
from registry.cli.pager import hold_message
from registry.cli.quiet import is_quiet
from registry.cli.remedies import NEXT_STEPS, format_error
from registry.errors import RegistryError
from registry.identifiers import escape_control_characters

if TYPE_CHECKING:
    from registry.parallel import Advance

_Answer = TypeVar("_Answer")

_BAR_WIDTH, _MIN_WIDTH_FOR_BAR, _MIN_WIDTH_FOR_COUNTS = 24, 72, 50  # columns


def print_answer(answer: _Answer, print_for_people: Callable[[_Answer], None], *, as_json: bool) -> None:
    """Print the answer of a verb as JSON, or with the function that prints it as text; then its notes and warnings."""
    with suppress(BrokenPipeError):  # its reader has enough; the verb goes on to its exit code
        (print_json if as_json else print_for_people)(answer)
    print_notes(getattr(answer, "notes", ()), getattr(answer, "warnings", ()))


def print_text(text: str = "") -> None:
    """Print one line of the answer."""
    typer.echo(_prepare(text))


def _prepare(text: str) -> str:
    """Return a line for a person: no control characters, and times in the zone that is wanted."""
    return local_times.rewrite(escape_control_characters(text))


def print_json(value: Any) -> None:
    """Print a record, or a list of them, for scripts: as JSON, or as CSV where this was requested.

    Instants are ISO texts, the beginning is null.
    """
    local_times.keep_utc()
    columns = formats.csv_columns()
    if columns is not None:
        _print_csv(value, columns)
        return
    from registry.records.json import iterate_text

    for piece in iterate_text(value):  # in ASCII, whatever the encoding
        sys.stdout.write(piece)
    typer.echo()


def print_json_line(value: Any) -> None:
    """Print a record as one line of JSON: one of many that come in the course of time."""
    local_times.keep_utc()
    from registry.records.json import to_builtins

    typer.echo(json.dumps(to_builtins(value)))


def _print_csv(value: Any, columns: Sequence[str]) -> None:
    """Print a listing as CSV: records one by one, or what is the only row."""
    from registry.records.csv import iterate_lines

    rows = [value] if isinstance(value, dict) else getattr(value, "problems", value)
    for line in iterate_lines(tuple(value) if isinstance(value, dict) else columns, rows):
        sys.stdout.write(line)
    sys.stdout.flush()


def print_folded(text: str, style: str | None = None, *, is_quoted: bool = False) -> None:
    """Print one line of the answer; on a terminal that is too narrow for it, folded and indented.

    Parameters
    ----------
    style
        That of `paint`.
    is_quoted
        Somebody wrote it, and its times stay as they are.
    """
    prepared = escape_control_characters(text) if is_quoted else _prepare(text)
    for line in folding.fold(prepared, folding.terminal_width()):
        typer.echo(line if style is None else paint(line, style))


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
    cells = ([_prepare("" if cell is None else str(cell)) for cell in row] for row in rows)
    first = list(headings)
    for row, line in folding.format_rows(chain([first], cells), indent, folding.terminal_width()):
        if row is first:
            typer.echo(paint(line, "heading"))
        else:
            is_withdrawn = any(cell.startswith("withdrawn") for cell in row)
            typer.echo(paint(line, "withdrawn") if is_withdrawn else line)


def print_message(text: str, style: str | None = None) -> None:
    """Print one line on stderr; the first word, up to its colon, in that style."""
    prepared = _prepare(text)
    if style is not None:
        word, colon, rest = prepared.partition(":")
        prepared = f"{paint(word + colon, style, sys.stderr)}{rest}"
    if not hold_message(prepared):
        typer.echo(prepared, err=True)


def print_notes(notes: Iterable[str] = (), warnings: Iterable[str] = ()) -> None:
    """Print notes and warnings on stderr; of a quiet verb only warnings."""
    for note in notes if not is_quiet() else ():
        print_message(f"note: {note}")
    for warning in warnings:
        print_message(f"warning: {warning}", "warning")


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
    if as_json:  # in UTC, whatever a person reads
        from registry.records.json import to_builtins

        message = f"{sentence}: {'; '.join(error.details)}" if error.details else sentence
        body = {**error.values, "code": error.code, "kind": type(error).__name__, "message": message}
        typer.echo(json.dumps({"error": to_builtins(body)}), err=True)
        return
    print_message(f"error: {sentence}{':' if error.details else ''}", "error")
    for detail in error.details:
        print_message(f"  {detail}")


@contextmanager
def show_progress(description: str, total: int) -> Iterator[Advance]:
    """Show a progress bar where stderr is a terminal that can redraw a line, and the work has more than one step.

    rich leaves out colours where ``NO_COLOR`` is set.
    """
    if total < 2 or is_quiet() or not sys.stderr.isatty() or os.environ.get("TERM", "dumb") in DUMB_TERMINALS:
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
