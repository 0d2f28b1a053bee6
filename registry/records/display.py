"""The forms of records for Python users: one line at a prompt, an HTML table in a notebook, a frame of pandas.

A comment may contain anything: it is cut, and its control characters and HTML are written as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, cast

from registry.extras import import_extra
from registry.identifiers import escape_control_characters
from registry.instants import BEGINNING, Instant

if TYPE_CHECKING:
    import pandas as pd

    from registry.records.facts import Version

MAX_ROWS = 50
"""The most rows of a table that are shown."""

_COLUMN_TYPES = {
    "version": "int64", "panel": "string", "alias": "string", "kind": "string", "valid_from": "instant",
    "valid_to": "instant", "is_gap": "bool", "constants": "string", "recorded_in": "int64", "withdrawn_in": "Int64",
    "carried_from": "Int64", "nonfinite_allowed": "bool", "odd_allowed": "bool", "source_path": "string",
    "comment": "string",
}  # fmt: skip
_MAX_LENGTH = 120
_ALIGN_LEFT = ' style="text-align: left"'


def clip(value: object) -> str:
    """Return the value as one short line."""
    text = "" if value is None else str(value)
    return escape_control_characters(text if len(text) <= _MAX_LENGTH else f"{text[:_MAX_LENGTH]}...")


def render_facts(title: str, facts: Iterable[tuple[str, object]]) -> str:
    """Return a table of two columns, names and values; facts without a value are left out."""
    rows = [
        f"<tr><th{_ALIGN_LEFT}>{escape(name)}</th><td{_ALIGN_LEFT}>{_render_cell(value)}</td></tr>"
        for name, value in facts
        if value is not None
    ]
    return _render_table(title, "", rows)


def render_rows(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a table of at most `MAX_ROWS` rows and the number of the others."""
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


def build_frame(versions: Sequence[Version]) -> pd.DataFrame:
    """Return the versions as a frame; see `Validity.to_pandas`."""
    pandas = import_extra("pandas", "pandas", "pandas is not installed")
    columns: dict[str, Any] = {}
    for name, dtype in _COLUMN_TYPES.items():
        values = [getattr(version, name) for version in versions]
        columns[name] = _to_timestamps(values) if dtype == "instant" else pandas.array(values, dtype)
    return cast("pd.DataFrame", pandas.DataFrame(columns))


def _to_timestamps(instants: Sequence[Instant | None]) -> pd.DatetimeIndex:
    """Return instants in microseconds, which cover the years 1 to 9999; None and the beginning become NaT."""
    import numpy as np
    import pandas as pd

    times = ["NaT" if instant in (None, BEGINNING) else instant for instant in instants]
    return pd.DatetimeIndex(np.array(times, "datetime64[us]")).tz_localize("UTC")
