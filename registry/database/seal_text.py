"""The canonical texts that seals are digests of; ``docs/seals.md`` describes them for who computes seals himself.

Each row is a line of JSON, the lines of a table make a digest, and the digests of what a revision changed, with the
seal of the revision before it, make the text of its seal. The same facts have the same text on every database.
"""

from __future__ import annotations

import hashlib
import math
import operator
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import starmap
from typing import Any

import msgspec

from registry import schema
from registry.database.kept_statements import LineForm, read_kept_texts
from registry.sql import sa

NAMES_OF_EXPORT_TABLES = ("export", "export_output", "export_input")
"""The names of the tables of exports: the export's own row, its outputs, the versions that it came from."""

# Instants are integers of a class of their own.
_ENCODER = msgspec.json.Encoder(enc_hook=operator.index)


class TableLines:
    """The lines of a table's rows: JSON of the table's name and of every column that is not NULL.

    ``columns`` are in the order of their names, without ``withdrawn_in``, which a later revision sets and seals, and
    without those that are derived from others.
    """

    def __init__(self, table_name: str, form: LineForm) -> None:
        self._table_name = table_name
        self._names, self.keys = form.names, form.keys
        self._doubles, self._booleans, self._texts, self._binaries = (
            form.doubles,
            form.booleans,
            form.texts,
            form.binaries,
        )
        self._line_class = msgspec.defstruct(
            "Line",
            [(name, Any, None) for name in self._names],
            tag=str(table_name),  # SQLAlchemy has a class of its own for names
            tag_field="table",
            omit_defaults=True,
            gc=False,  # of texts and numbers
        )

    @property
    def columns(self) -> list[sa.Column[Any]]:
        """The columns of the lines."""
        table = schema.metadata.tables[self._table_name]
        return [table.c[name] for name in self._names]

    def encode_rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        """Return the lines of rows whose values are in the order of ``columns``."""
        return self._encode(rows, [*self._doubles, *self._booleans])

    def encode_read_rows(self, rows: Sequence[Sequence[Any]]) -> bytes:
        """Return the lines of rows from a database, with its booleans as numbers.

        Bytes, which SQLite takes everywhere, are like no text; in the other columns they are like no number.
        """
        if any(bytes in set(map(type, map(operator.itemgetter(index), rows))) for index in self._texts):
            rows = [[[value.hex()] if isinstance(value, bytes) else value for value in row] for row in rows]
        return self._encode(rows, self._doubles)

    def encode_plain_rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        """Return the lines of rows without floats and bytes, whose booleans are numbers: nothing is converted."""
        return _ENCODER.encode_lines(list(starmap(self._line_class, rows)))

    def _encode(self, rows: Iterable[Sequence[Any]], converted: Sequence[int]) -> bytes:
        if converted:
            rows = [_convert(row, converted, _as_canonical) for row in rows]
        if self._binaries:
            rows = [_convert(row, self._binaries, _as_hexadecimal) for row in rows]
        return _ENCODER.encode_lines(list(starmap(self._line_class, rows)))

    def encode_mappings(self, rows: Iterable[Mapping[str, Any]]) -> bytes:
        """Return the lines of rows whose values are by the names of columns; those that are missing are NULL."""
        return self.encode_rows([row.get(name) for name in self._names] for row in rows)


def _convert(row: Sequence[Any], indices: Sequence[int], convert: Callable[[Any], Any]) -> Sequence[Any]:
    values = list(row)
    for index in indices:
        values[index] = convert(values[index])
    return values


def _as_canonical(value: Any) -> Any:
    """Return a value that both databases give back: SQLite has no booleans, no negative zero, and NULL for NaN."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return None if math.isnan(value) else struct.pack(">d", value + 0.0).hex()
    # SQLite takes a text and bytes, too, which are no other value's digits.
    if isinstance(value, bytes):
        return [value.hex()]
    return [value] if isinstance(value, str) else value


def _as_hexadecimal(value: Any) -> Any:
    """Return the digits of bytes; a text, which SQLite takes too, is like no digits."""
    if isinstance(value, bytes):
        return value.hex()
    return [value] if isinstance(value, str) else value


@cache
def lines_of(table_name: str) -> TableLines:
    """Return the lines of a table; the tables themselves are needed where their form is not kept."""
    form = read_kept_texts().lines.get(table_name)
    return TableLines(table_name, find_line_form(table_name) if form is None else form)


def find_line_form(table_name: str) -> LineForm:
    """Return the form of a table's lines."""
    table = schema.metadata.tables[table_name]
    columns = sorted(
        (column for column in table.c if column.name != "withdrawn_in" and not column.info.get("derived")),
        key=operator.attrgetter("name"),
    )
    doubles, booleans, texts, binaries = (
        tuple(index for index, column in enumerate(columns) if isinstance(column.type, sort))
        for sort in (sa.Double, sa.Boolean, sa.String, sa.LargeBinary)
    )
    keys = tuple(str(column.name) for column in table.primary_key)
    names = tuple(str(column.name) for column in columns)
    return LineForm(names, keys, doubles, booleans, texts, binaries)


@dataclass(slots=True)
class Digest:
    """The number of lines, and their SHA-256."""

    count: int = 0
    _sha256: Any = field(default_factory=hashlib.sha256)

    def add(self, count: int, lines: bytes) -> None:
        """Add so many lines."""
        self.count += count
        self._sha256.update(lines)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the lines."""
        return str(self._sha256.hexdigest())

    def __str__(self) -> str:
        return f"{self.count} {self.sha256}"


def digest_lines(count: int, lines: bytes) -> str:
    """Return how many lines there are, and their SHA-256."""
    return f"{count} {hashlib.sha256(lines).hexdigest()}"


def encode_numbers(numbers: Iterable[int]) -> bytes:
    """Return the lines of the facts that a revision withdrew."""
    return "".join(f"{number}\n" for number in numbers).encode()


@dataclass(slots=True)
class SealText:
    """The parts of the text of a revision's seal.

    Attributes
    ----------
    previous
        The seal of the revision before it; that of the registry for the first one.
    facts
        Number and SHA-256 of lines by what they are of: ``revision``, a table, ``withdrawn`` and a table.
    exports
        The number of the newest export and its link, None before the first.
    late
        Who sealed the revision later than its writer, and why; None where the writer did.
    """

    number: int
    previous: str
    facts: dict[str, str] = field(default_factory=dict)
    exports: tuple[int, str] | None = None
    late: str | None = None

    def __str__(self) -> str:
        return write_text(self.number, self.previous, self.facts, self.exports, self.late)


def write_text(
    number: int,
    previous: str,
    facts: Mapping[str, str],
    exports: tuple[int, str] | None = None,
    late: str | None = None,
) -> str:
    """Return the text of a revision's seal; see `SealText`."""
    own = f"revision {facts['revision']}\n" if "revision" in facts else ""
    # The tables first: "withdrawn ..." comes after every name of a table.
    parts = "".join([f"{what} {facts[what]}\n" for what in sorted(facts) if what != "revision"])
    text = f"calreg seal 1\nnumber {number}\nprevious {previous}\n{own}{parts}"
    if exports is not None:
        text += f"exports {exports[0]} {exports[1]}\n"
    if late is not None:
        lines = f"{late}\n".encode()
        text += f"late {digest_lines(1, lines)}\n"
    return text


def seal_text(text: str) -> str:
    """Return the seal: the SHA-256 of a canonical text."""
    return hashlib.sha256(text.encode()).hexdigest()


def seal_registry(registry_id: str, created_at: int) -> str:
    """Return seal 0, that of a registry without facts."""
    return seal_text(f"calreg registry 1\nid {registry_id}\ncreated {created_at}\n")


def link_export(number: int, previous: str, digest: str) -> str:
    """Return the link of an export in the chain of exports; that of the first follows the seal of the registry."""
    return seal_text(f"calreg export 1\nnumber {number}\nprevious {previous}\ndigest {digest}\n")
