"""The forms of records for Python users: one line at a prompt, an HTML table in a notebook, a frame of pandas.

A comment may contain anything: it is cut, and its control characters and HTML are written as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from registry.errors import UnavailableError
from registry.identifiers import escape_control_characters
from registry.instants import BEGINNING, Instant

if TYPE_CHECKING:
    import pandas as pd

    from registry.records.facts import Version

MAX_ROWS = 50
"""How many rows of a table are shown."""

_TEXT_COLUMNS = ("panel", "alias", "kind", "constants", "comment", "source_path")
_COLUMNS = (
    "version", "panel", "alias", "kind", "valid_from", "valid_to", "is_gap", "constants", "recorded_in",
    "withdrawn_in", "carried_from", "nonfinite_allowed", "source_path", "comment",
)  # fmt: skip
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


def build_frame(versions: Sequence[Version]) -> pd.DataFrame:
    """Return the versions as a frame; see `Validity.to_pandas`.

    Raises
    ------
    UnavailableError
        pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise UnavailableError("pandas is not installed: pip install 'calreg[pandas]'") from None
    columns: dict[str, Any] = {
        "version": pd.array([each.version for each in versions], "int64"),
        "valid_from": _to_timestamps([each.valid_from for each in versions]),
        "valid_to": _to_timestamps([each.valid_to for each in versions]),
        "is_gap": pd.array([each.is_gap for each in versions], "bool"),
        "recorded_in": pd.array([each.recorded_in for each in versions], "int64"),
        "withdrawn_in": pd.array([each.withdrawn_in for each in versions], "Int64"),
        "carried_from": pd.array([each.carried_from for each in versions], "Int64"),
        "nonfinite_allowed": pd.array([each.nonfinite_allowed for each in versions], "bool"),
    }
    for name in _TEXT_COLUMNS:
        columns[name] = pd.array([getattr(each, name) for each in versions], "string")
    return pd.DataFrame(columns, columns=list(_COLUMNS))


def _to_timestamps(instants: Sequence[Instant | None]) -> pd.DatetimeIndex:
    """Return instants in microseconds, which reach from the year 1 to 9999 as ours do; the beginning is none."""
    import numpy as np
    import pandas as pd

    known = [
        np.datetime64("NaT") if each in (None, BEGINNING) else np.datetime64(each, "us") for each in instants
    ]
    return pd.DatetimeIndex(np.array(known, "datetime64[us]")).tz_localize("UTC")
