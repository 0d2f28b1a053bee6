"""The table: for a terminal, and as Markdown for docs/performance.md."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.rows import Results, Row

_COLUMNS = ("work", "ours", "baseline", "floor", "ratio", "reach", "peak MiB")
_MARKED = re.compile(r"(?<=<!-- table: begin -->\n).*(?=<!-- table: end -->)", re.DOTALL)


def show(results: Results) -> None:
    """Print the table."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column == "work" else "right", no_wrap=True)
    for row in results.rows:
        style = {True: "green", False: "red", None: ""}[row.reached]
        table.add_row(*cells(row), style=style)
    console = Console(highlight=False, width=None if Console().is_terminal else 110)
    console.print(table)
    console.print(f"{_summary(results.rows)}\n{results.software}; {_machine(results)}", soft_wrap=True)


def markdown(results: Results) -> str:
    """Return the table as Markdown, with the machine."""
    lines = [
        f"| {' | '.join(_COLUMNS)} |",
        f"|---|{'---:|' * (len(_COLUMNS) - 1)}",
        *(f"| {' | '.join(cells(row))} |" for row in results.rows),
        "",
        f"{_summary(results.rows)} Measured on {results.date[:10]} with `{results.command}`, {results.software}:",
        f"{_machine(results)}.",
    ]
    return "\n".join(lines) + "\n"


def write_into(page: Path, results: Results) -> None:
    """Put the table into a page, between its marks.

    Raises
    ------
    ValueError
        The page has no place for it.
    """
    text, count = _MARKED.subn(lambda _: f"\n{markdown(results)}\n", page.read_text())
    if count != 1:
        raise ValueError(f"{page} has no lines <!-- table: begin --> and <!-- table: end -->")
    page.write_text(text)


def cells(row: Row) -> tuple[str, ...]:
    """Return the texts of a row, by column."""
    if row.remark:
        return row.work, row.remark, "", "", "", "", ""
    return (
        row.work,
        _amount(row.ours, row.unit),
        _amount(row.baseline, row.unit),
        _floor(row),
        _ratio(row),
        _reach(row),
        _peak(row),
    )


def _amount(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit != "s":
        return f"{value:.0f}" if unit == "statements" else f"{_digits(value)} {unit}"
    for size, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if value >= size:
            return f"{_digits(value / size)} {name}"
    return f"{value * 1e9:.0f} ns"


def _digits(value: float) -> str:
    """Write two digits at least, and no more than one behind the point beyond 10."""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _floor(row: Row) -> str:
    """Write the time to copy the bytes, and that to hash them."""
    if row.hashed is None:
        return ""
    hashed = f"#{_amount(row.hashed, 's')}"
    return hashed if row.copied is None else f"{_amount(row.copied, 's')} {hashed}"


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return ""
    return f"{row.ratio.median:.2f} ({row.ratio.lower:.2f}-{row.ratio.upper:.2f})"


def _reach(row: Row) -> str:
    if row.reach is None:
        return ""
    mark = {True: "ok", False: "NO", None: ""}[row.reached]
    return f"{row.reach:g} {mark}"


def _peak(row: Row) -> str:
    if row.peak is None:
        return ""
    beside = "" if row.baseline_peak is None else f" : {row.baseline_peak:.0f}"
    return f"{row.peak:.0f}{beside}"


def _summary(rows: Iterable[Row]) -> str:
    reached = [row.reached for row in rows if row.reached is not None]
    return f"{sum(reached)} of {len(reached)} figures reached."


def _machine(results: Results) -> str:
    return ", ".join(f"{name} {value}" for name, value in results.machine.items())
