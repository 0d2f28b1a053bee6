"""How records show themselves at a Python prompt, and as a table in a notebook: short, and nothing is executed.

A comment may hold anything; here it is cut, and its control characters and HTML are written as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from registry.identifiers import printable

SHOWN = 50
"""How many rows of a table are shown."""

_LONGEST = 120
_LEFT = ' style="text-align: left"'


def clipped(value: object) -> str:
    """Return the value as one short line."""
    text = "" if value is None else str(value)
    return printable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def facts_html(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """Return a table of two columns: names, and their values where there are any."""
    rows = [
        f"<tr><th{_LEFT}>{escape(name)}</th><td{_LEFT}>{_cell(value)}</td></tr>"
        for name, value in facts
        if value is not None
    ]
    return _table(title, "", rows)


def rows_html(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table; of many rows the first, and how many more there are."""
    head = "".join(f"<th{_LEFT}>{escape(heading)}</th>" for heading in headings)
    body = [f"<tr>{''.join(f'<td{_LEFT}>{_cell(cell)}</td>' for cell in row)}</tr>" for row in rows[:SHOWN]]
    if len(rows) > SHOWN:
        body.append(f'<tr><td colspan="{len(headings)}"{_LEFT}>... and {len(rows) - SHOWN} more</td></tr>')
    return _table(title, f"<thead><tr>{head}</tr></thead>", body)


def _table(title: str, head: str, rows: Iterable[str]) -> str:
    caption = f'<caption style="text-align: left"><b>{escape(clipped(title))}</b></caption>'
    return f"<table>{caption}{head}<tbody>{''.join(rows)}</tbody></table>"


def _cell(value: object) -> str:
    return escape(clipped(value))
