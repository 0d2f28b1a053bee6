"""The forms of records for Python users: one line at a prompt, an HTML table in a notebook, a frame of pandas.

A comment may contain anything: it is cut, and its control characters and HTML are written as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, cast, get_args, get_type_hints

from msgspec import Struct

from registry.extras import import_extra
from registry.files import open_regular
from registry.identifiers import escape_control_characters
from registry.instants import BEGINNING, Instant
from registry.records.csv import format_cell

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 50
"""The most rows of a table that are shown."""

PNG, SVG = b"\x89PNG\r\n\x1a\n", b"<?xml "
"""The first bytes of the files of pictures."""

_MAX_PICTURE_SIZE = 1 << 26  # bytes
_INSTANT, _NESTED = "instant", "nested"
_COLUMN_TYPES = {str: "string", bool: "bool", float: "float64", Instant: _INSTANT}
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


def render_rows(
    title: str, headings: Sequence[str], rows: Sequence[Sequence[object]], count: int | None = None
) -> str:
    """Return a table of at most `MAX_ROWS` rows and the number of the others; `count` is that of all, if more exist."""
    more = (len(rows) if count is None else count) - MAX_ROWS
    head = "".join(f"<th{_ALIGN_LEFT}>{escape(heading)}</th>" for heading in headings)
    body = [
        f"<tr>{''.join(f'<td{_ALIGN_LEFT}>{_render_cell(cell)}</td>' for cell in row)}</tr>"
        for row in rows[:MAX_ROWS]
    ]
    if more > 0:
        body.append(f'<tr><td colspan="{len(headings)}"{_ALIGN_LEFT}>... and {more} more</td></tr>')
    return _render_table(title, f"<thead><tr>{head}</tr></thead>", body)


def _render_table(title: str, head: str, rows: Iterable[str]) -> str:
    caption = f'<caption style="text-align: left"><b>{escape(clip(title))}</b></caption>'
    return f"<table>{caption}{head}<tbody>{''.join(rows)}</tbody></table>"


def _render_cell(value: object) -> str:
    return escape(clip(value))


def read_picture(path: str, first_bytes: bytes) -> bytes | None:
    """Return the content of the file of a picture, None where there is none that begins like this.

    To show a value must not fail: a notebook prints its line of text instead.
    """
    try:
        with open_regular(Path(path)) as file:
            content = file.read(_MAX_PICTURE_SIZE + 1)
    except OSError:
        return None
    return content if content.startswith(first_bytes) and len(content) <= _MAX_PICTURE_SIZE else None


def render_records(title: str, record: type[Struct], records: Sequence[Struct]) -> str:
    """Return a table of records: a column for each key of the JSON, at most `MAX_ROWS` rows."""
    columns = _find_columns(record)
    rows = [
        tuple(_get_plain_value(item, name, dtype) for name, dtype in columns.items())
        for item in records[:MAX_ROWS]
    ]
    return render_rows(title, list(columns), rows, len(records))


def build_frame(record: type[Struct], records: Sequence[Struct]) -> pd.DataFrame:
    """Return records as a frame; see `RecordList.to_pandas`."""
    pandas = import_extra("pandas", "pandas", "pandas is not installed")
    columns: dict[str, Any] = {}
    for name, dtype in _find_columns(record).items():
        values = [_get_plain_value(item, name, dtype) for item in records]
        if dtype == _INSTANT:
            columns[name] = _to_timestamps(values)
        else:
            columns[name] = pandas.array(values, "string" if dtype == _NESTED else dtype)
    return cast("pd.DataFrame", pandas.DataFrame(columns))


def _find_columns(record: type[Struct]) -> dict[str, str]:
    """Return the types of the columns by the keys of the JSON."""
    return {name: _find_column_type(hint) for name, hint in get_type_hints(record).items()}


def _find_column_type(hint: Any) -> str:
    sorts = set(get_args(hint)) if isinstance(hint, UnionType) else {hint}
    is_optional = NoneType in sorts
    sorts -= {NoneType}
    if sorts == {int}:
        return "Int64" if is_optional else "int64"
    return next((dtype for sort, dtype in _COLUMN_TYPES.items() if sorts == {sort}), _NESTED)


def _get_plain_value(item: Struct, name: str, dtype: str) -> Any:
    """Return the value of a field; of one that is a list or a record, its JSON."""
    value = getattr(item, name)
    return value if dtype != _NESTED or value is None else format_cell(value)


def _to_timestamps(instants: Sequence[Instant | None]) -> pd.DatetimeIndex:
    """Return instants in microseconds, which cover the years 1 to 9999; None and the beginning become NaT."""
    import numpy as np
    import pandas as pd

    times = ["NaT" if instant in (None, BEGINNING) else instant for instant in instants]
    return pd.DatetimeIndex(np.array(times, "datetime64[us]")).tz_localize("UTC")
