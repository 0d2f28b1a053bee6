"""The CSV of records: a field is a column, with the name of its key in the JSON; one line for each record.

A cell is the JSON value as a text: an instant in ISO 8601 with Z, nothing for null, ``true`` and ``false``. A list or a
record within a record is its JSON. Control characters and line ends in texts are written as escapes, so that a record
is always one line.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from registry.identifiers import escape_control_characters
from registry.records.json import to_builtins


def iterate_lines(columns: Sequence[str], rows: Iterable[Any]) -> Iterator[str]:
    """Yield the header and a line for each record or dict, while they are read."""
    yield _format_line(columns)
    for row in rows:
        values = row if isinstance(row, dict) else {name: getattr(row, name) for name in columns}
        yield _format_line([format_cell(values[name]) for name in columns])


def _format_line(cells: Sequence[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def format_cell(value: Any) -> str:
    """Return a value of a record as the text of its cell."""
    plain = to_builtins(value)
    if plain is None or (isinstance(plain, float) and not math.isfinite(plain)):
        return ""
    if isinstance(plain, str):
        return escape_control_characters(plain)
    return json.dumps(plain)
