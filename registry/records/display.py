"""How records show themselves at a Python prompt, and as a table in a notebook: short, and nothing is executed.

A comment may hold anything; here it is cut, and its control characters and HTML are written as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from registry.identifiers import escape_control_characters

MAX_ROWS = 50
"""How many rows of a table are shown."""

_MAX_LENGTH = 120
_ALIGN_LEFT = ' style="text-align: left"'


def clip(value: object) -> str:
    """Return the value as one short line."""
    text = "" if value is None else str(value)
    return escape_control_characters(text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}...")


def render_facts(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """Return a table of two columns: names, and their values where there are any."""
    rows = [
        f"<tr><th{_ALIGN_LEFT}>{escape(name)}</th><td{_ALIGN_LEFT}>{_render_cell(value)}</td></tr>"
        for name, value in facts
        if value is not None
    ]
    return _render_table(title, "", rows)


def render_rows(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table; of many rows the first, and how many more there are."""
    head = "".join(f"<th{_ALIGN_LEFT}>{escape(heading)}</th>" for heading in headings)
    body = [
        f"<tr>{''.join(f'<td{_ALIGN_LEFT}>{_render_cell(cell)}</td>' for cell in row)}</tr>"
        for row in rows[:MAX_ROWS]
    ]
    if len(rows) > MAX_ROWS:
        body.append(
            f'<tr><td colspan="{len(headings)}"{_ALIGN_LEFT}>... and {len(rows) - MAX_ROWS} more</td></tr>'
        )
    return _render_table(title, f"<thead><tr>{head}</tr></thead>", body)


def _render_table(title: str, head: str, rows: Iterable[str]) -> str:
    caption = f'<caption style="text-align: left"><b>{escape(clip(title))}</b></caption>'
    return f"<table>{caption}{head}<tbody>{''.join(rows)}</tbody></table>"


def _render_cell(value: object) -> str:
    return escape(clip(value))
