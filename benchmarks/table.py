"""Print the table on a terminal, and write it as Markdown into docs/performance.md."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
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
        is_text = column in {"work", "database"}
        table.add_column(column, justify="left" if is_text else "right", no_wrap=column != "work")
    for row in results.rows:
        style = {True: "green", False: "red", None: ""}[row.reached]
        table.add_row(*format_cells(row), style=style)
    console = Console(highlight=False, width=None if Console().is_terminal else 110)
    console.print(table)
    _print_missed(console, list_missed(results.rows))
    console.print(f"\n{_summarise(results)} {results.software}; {_format_machine(results)}")


def _print_missed(console: Console, missed: Sequence[tuple[str, ...]]) -> None:
    if not missed:
        return
    table = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    for column in ("missed", "database", "measured", "asked"):
        is_text = column in {"missed", "database"}
        table.add_column(column, justify="left" if is_text else "right", no_wrap=column != "missed")
    for cells in missed:
        table.add_row(*cells)
    console.print()
    console.print(table)


def render_markdown(results: Results) -> str:
    """Return the table as Markdown, with the machine."""
    lines = [
        f"| {' | '.join(_COLUMNS)} |",
        f"|---|---|{'---:|' * (len(_COLUMNS) - 2)}",
        *(f"| {' | '.join(format_cells(row))} |" for row in results.rows),
        "",
        *_render_missed(list_missed(results.rows)),
        f"{_summarise(results)} Measured on {results.date[:10]} with `{results.command}`, {results.software}:",
        f"{_format_machine(results)}.",
    ]
    return "\n".join(lines) + "\n"


def _render_missed(missed: Sequence[tuple[str, ...]]) -> list[str]:
    """Return the missed figures as a table of their own, with an empty line after it."""
    if not missed:
        return []
    rows = [f"| {' | '.join(cells)} |" for cells in missed]
    return ["| missed | database | measured | asked |", "|---|---|---:|---:|", *rows, ""]


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
        ", ".join(f"{round(figure.target, 3):g} {_MARKS[figure.is_reached]}" for figure in row.figures),
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


def count_figures(rows: Iterable[Row]) -> tuple[int, int]:
    """Return how many figures are reached, and of how many."""
    reached = [figure.is_reached for row in rows for figure in row.figures]
    reached.extend(row.in_one_statement for row in rows if row.in_one_statement is not None)
    return sum(reached), len(reached)


def list_missed(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """Return work, database, what was measured and what was asked, of each figure that is missed."""
    missed: list[tuple[str, ...]] = []
    for row in rows:
        for figure in row.figures:
            if not figure.is_reached:
                value, target = (_format_figure(row, value) for value in (figure.value, figure.target))
                missed.append((row.work, row.database, value, target))
        if row.in_one_statement is False:
            missed.append((row.work, row.database, f"{row.statements} statements", "1"))
    return missed


def _format_figure(row: Row, value: float) -> str:
    return f"{value:.3g} times" if row.ratio else _format_amount(value, row.unit)


def _summarise(results: Results) -> str:
    reached, count = count_figures(results.rows)
    left_out = f" Not measured: {', '.join(results.left_out)}." if results.left_out else ""
    return f"{reached} of {count} figures reached.{left_out}"


def _format_machine(results: Results) -> str:
    return ", ".join(f"{name} {value}" for name, value in results.machine.items())
