"""The rows that canonical lines stand for: what `seal_text` writes is read back, or refused.

Only a line that is written again exactly as it came is a row: so the row has the digest that the line has.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa

from registry.database.seal_text import lines_of
from registry.database.sealed_tables import RECORDED_TABLES
from registry.errors import CorruptionError, SchemaError
from registry.identifiers import quote
from registry.schema import revision

Row = tuple[Any, ...]

_INTEGER = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
_BIT = Annotated[int, msgspec.Meta(ge=0, le=1)]
_DOUBLE = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16}\Z")]
_BYTES = Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{2})*\Z")]
_LINES = {revision.name: revision, **RECORDED_TABLES}
_MOST_SHOWN = 200


class _LineReader:
    """Reads the lines of a table; the values of a row are in the order of ``columns``."""

    def __init__(self, table: sa.Table) -> None:
        self._table = table
        self._lines = lines_of(table.name)
        fields: list[Any] = []
        self._converted: list[tuple[int, Callable[[Any], Any]]] = []
        for index, column in enumerate(self._lines.columns):
            line_type, convert = _find_type(column)
            if convert is not None:
                self._converted.append((index, convert))
            # A default may come before a field that has none: all are given by name.
            name = str(column.name)
            fields.append((name, line_type | None, None) if column.nullable else (name, line_type))
        line_class = msgspec.defstruct(
            "Line",
            fields,
            tag=str(table.name),
            tag_field="table",
            forbid_unknown_fields=True,
            kw_only=True,
            gc=False,  # of texts and numbers
        )
        self._decoder = msgspec.json.Decoder(line_class)
        self._values = operator.attrgetter(*(column.name for column in self._lines.columns))

    def read(self, text: bytes) -> list[Row]:
        """Return the rows of lines, each with its line feed."""
        try:
            lines = self._decoder.decode_lines(text)
            rows = list(map(self._values, lines))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._refuse_unknown_columns(text)
            raise self._line_error(f"cannot be read: {quote(str(error)[:_MOST_SHOWN])}") from None
        if self._converted:
            rows = [self._convert(row) for row in rows]
        if self._lines.encode_rows(rows) != text:
            raise self._line_error("is not in its canonical form")
        return rows

    def _convert(self, row: Row) -> Row:
        values = list(row)
        for index, convert in self._converted:
            if values[index] is not None:
                values[index] = convert(values[index])
        return tuple(values)

    def _refuse_unknown_columns(self, text: bytes) -> None:
        """Refuse lines with columns that only newer software knows, in a sentence of their own."""
        known = {"table", *(str(column.name) for column in self._lines.columns)}
        try:
            names = {
                name for line in msgspec.json.Decoder(dict[str, Any]).decode_lines(text) for name in line
            }
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        unknown = sorted(names - known)
        if unknown:
            raise SchemaError(
                f"a line of {self._table.name} has {quote(unknown[0][:_MOST_SHOWN])}, which this software does not"
                " know: it comes from newer software",
                table=self._table.name,
            )

    def _line_error(self, problem: str) -> CorruptionError:
        return CorruptionError(f"a line of {self._table.name} {problem}", table=self._table.name)


def _find_type(column: sa.Column[Any]) -> tuple[Any, Callable[[Any], Any] | None]:
    """Return the type of a value in a line, and how the value of a row is made of it."""
    if isinstance(column.type, sa.Boolean):
        return _BIT, bool
    if isinstance(column.type, sa.Double):
        return _DOUBLE, lambda digits: struct.unpack(">d", bytes.fromhex(digits))[0]
    if isinstance(column.type, sa.LargeBinary):
        return _BYTES, bytes.fromhex
    if isinstance(column.type, sa.String):
        return str, None
    return _INTEGER, None


@cache
def _reader_of(table_name: str) -> _LineReader:
    return _LineReader(_LINES[table_name])


def list_columns(table_name: str) -> list[str]:
    """Return the columns whose values a row has, in their order."""
    return [str(column.name) for column in lines_of(table_name).columns]


def parse_lines(table_name: str, text: str) -> list[Row]:
    """Return the rows of a table that these lines stand for.

    Raises
    ------
    CorruptionError
        A line is not one of a row of this table, or not as `seal_text` writes it.
    SchemaError
        The table, or a column, is not known to this software.
    """
    if table_name not in _LINES:
        raise SchemaError(
            f"there are rows of {quote(table_name[:_MOST_SHOWN])}, which this software does not know: they come from"
            " newer software",
            table=table_name,
        )
    return _reader_of(table_name).read(encode_text(text))


def parse_numbers(text: str) -> list[int]:
    """Return the numbers of withdrawn facts, one in a line, ascending; raise `CorruptionError` for other texts."""
    lines = text.split("\n")
    numbers = [int(line) for line in lines[:-1] if line.isascii() and line.isdecimal() and len(line) < 19]
    is_whole = lines[-1] == "" and len(numbers) == len(lines) - 1
    if not is_whole or any(one >= other for one, other in pairwise(numbers)):
        raise CorruptionError("the numbers of withdrawn facts cannot be read")
    return numbers


def encode_text(text: str) -> bytes:
    """Return a text in UTF-8; raise `CorruptionError` for one that has half a character."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise CorruptionError("a text has half a character, which no row has") from None


def parse_registry(text: str) -> tuple[str, int]:
    """Return the Id and the time of creation of a registry from the text that seal 0 is the digest of.

    Raises
    ------
    SchemaError
        The text is not of the form that this software knows.
    """
    lines = text.split("\n")
    words = [line.partition(" ") for line in lines]
    if (
        len(lines) == 4
        and lines[0] == "calreg registry 1"
        and [word[0] for word in words[1:]] == ["id", "created", ""]
        and 0 < len(words[1][2]) <= 36
        and words[1][2].isascii()
        and words[1][2].isprintable()
        and words[2][2].isascii()
        and words[2][2].isdecimal()
        and len(words[2][2]) < 19
    ):
        return words[1][2], int(words[2][2])
    raise SchemaError("the text of the registry's seal is not one that this software knows")
