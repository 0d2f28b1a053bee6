"""Print the table on a terminal, and write it as Markdown into docs/performance.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.rows import Results, Row

_COLUMNS = ("work", "database", "ours", "baseline", "floor", "ratio", "reach", "sql")
_MAX_WIDTH = 16
_MARKS = {True: "ok", False: "NO"}
_TABLE_PATTERN = re.compile(r"(?<=<!-- table: begin -->\n).*(?=<!-- table: end -->)", re.DOTALL)


def print_table(results: Results) -> None:
    """Print the table."""
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in {"work", "database"} else "right", no_wrap=True)
    for row in results.rows:
        style = {True: "green", False: "red", None: ""}[row.reached]
        table.add_row(*format_cells(row), style=style)
    console = Console(highlight=False, width=None if Console().is_terminal else 110)
    console.print(table)
    console.print(f"\n{_summarise(results.rows)} {results.software}; {_format_machine(results)}")


def render_markdown(results: Results) -> str:
    """Return the table as Markdown, with the machine."""
    lines = [
        f"| {' | '.join(_COLUMNS)} |",
        f"|---|---|{'---:|' * (len(_COLUMNS) - 2)}",
        *(f"| {' | '.join(format_cells(row))} |" for row in results.rows),
        "",
        f"{_summarise(results.rows)} Measured on {results.date[:10]} with `{results.command}`, {results.software}:",
        f"{_format_machine(results)}.",
    ]
    return "\n".join(lines) + "\n"


def update_page(page: Path, results: Results) -> None:
    """Replace the table between the two marks of a page.

    Raises
    ------
    ValueError
        If the page has no marks.
    """
    text, count = _TABLE_PATTERN.subn(lambda _: f"\n{render_markdown(results)}\n", page.read_text())
    if count != 1:
        raise ValueError(f"{page} has no lines <!-- table: begin --> and <!-- table: end -->")
    page.write_text(text)


def format_cells(row: Row) -> tuple[str, ...]:
    """Return the cells of a row."""
    return (
        row.work,
        row.database,
        _format_amount(row.ours, row.unit),
        _format_amount(row.baseline, row.unit),
        _format_floor(row),
        (row.remark or _format_ratio(row))[:_MAX_WIDTH],
        "" if row.in_reach is None else f"{row.reach:g} {_MARKS[row.in_reach]}",
        "" if row.in_one_statement is None else f"{row.statements} {_MARKS[row.in_one_statement]}",
    )


def _format_amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit != "s":
        return f"{_format_digits(value)} {unit}"
    for size, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= size:
            return f"{_format_digits(value / size)} {name}"
    return f"{value * 1e9:.0f} ns"


def _format_digits(value: float) -> str:
    """Format a number with three digits."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _format_floor(row: Row) -> str:
    """Format the milliseconds to copy the bytes and those to hash them."""
    floors = [value for value in (row.copied, row.hashed) if value is not None]
    return f"{' + '.join(f'{value * 1e3:.0f}' for value in floors)} ms" if floors else ""


def _format_ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    return f"{_format_digits(row.ratio.median)} ({_format_digits(row.ratio.lower)}-{_format_digits(row.ratio.upper)})"


def _summarise(rows: Iterable[Row]) -> str:
    reached = [row.reached for row in rows if row.reached is not None]
    return f"{sum(reached)} of {len(reached)} figures reached."


def _format_machine(results: Results) -> str:
    return ", ".join(f"{name} {value}" for name, value in results.machine.items())
