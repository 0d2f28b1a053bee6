"""The rows that seals are of, digested in the order of their revisions and exports, a batch in memory at a time.

SQLite keeps any value in any column, and a page that was edited holds anything: nothing of that raises an error here.
Rows whose revision or export is not a number are counted apart.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.database.keys import order_bytewise
from registry.database.seal_text import EXPORT_TABLES, RECORDED_TABLES, Digest, encode_numbers, lines_of
from registry.parallel import Advance

_BATCH_SIZE = 2000

Groups = Iterator[tuple[int, Iterator[Any]]]
"""Rows by the revision, or the export, that is their first column."""


class Part(NamedTuple):
    """What a revision recorded in a table, or withdrew of it: the number of lines, and their SHA-256."""

    revision: int
    name: str
    digest: str


class SealedRows:
    """The rows of a registry by revision and by export.

    Attributes
    ----------
    strays
        How many rows have been met so far whose revision or export is not a number, by table.
    """

    def __init__(self, connection: sa.Connection, advance: Advance) -> None:
        self._connection = connection
        self._advance = advance
        self.strays: Counter[str] = Counter()

    def read_facts(self) -> Iterator[tuple[int, dict[str, str]]]:
        """Yield each revision of which there is any row, with the digests of its parts by their names."""
        tables = [schema.revision, *RECORDED_TABLES.values()]
        streams = [
            _digest_lines(self._group(_select_recorded(self._connection, table), table), table)
            for table in tables
        ]
        streams += [
            _digest_withdrawn(self._group(_select_withdrawn(table), table), table)
            for table in tables
            if table.info.get("fact")
        ]
        for number, parts in groupby(heapq.merge(*streams), key=itemgetter(0)):
            yield number, {part.name: part.digest for part in parts}

    def digest_revision(self, number: int) -> dict[str, str]:
        """Return the digests of the parts of one revision by their names; no rows of others are read."""
        parts: list[Part] = []
        for table in (schema.revision, *RECORDED_TABLES.values()):
            query = _select_recorded(self._connection, table, number)
            parts += _digest_lines(self._group(query, table), table)
            if table.info.get("fact"):
                withdrawn = _select_withdrawn(table).where(table.c.withdrawn_in == number)
                parts += _digest_withdrawn(self._group(withdrawn, table), table)
        return {part.name: part.digest for part in parts}

    def read_exports(self) -> Iterator[tuple[int, str]]:
        """Yield each export of which there is any row, with the digest of its rows."""
        streams = [
            _encode_parts(self._group(_select_parts(self._connection, table), table), place, table)
            for place, table in enumerate(EXPORT_TABLES.values())
        ]
        for number, parts in groupby(heapq.merge(*streams), key=itemgetter(0)):
            digest = Digest()
            for _, _, lines in parts:
                digest.add(1, lines)
            yield number, digest.sha256

    def read_seals(self, table: sa.Table) -> Iterator[tuple[int, Any]]:
        """Yield the revisions, or the exports, of which there are seals, with the row of the seal."""
        (key,) = table.primary_key
        for number, rows in self._group(sa.select(*table.c).order_by(key), table):
            for row in rows:
                yield number, row

    def _group(self, query: sa.Select[Any], table: sa.Table) -> Groups:
        for number, rows in groupby(self._read(query), key=itemgetter(0)):
            if type(number) is int:
                yield number, rows
            else:
                self.strays[table.name] += sum(1 for _ in rows)

    def _read(self, query: sa.Select[Any]) -> Iterator[Any]:
        # A server's cursor is closed where the comparison is interrupted, too.
        with self._connection.execute(query, execution_options={"yield_per": _BATCH_SIZE}) as result:
            for batch in result.partitions():
                self._advance(len(batch))
                yield from batch


def read_facts(connection: sa.Connection, advance: Advance) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each revision of which there is any row, with the digests of its parts by their names."""
    return SealedRows(connection, advance).read_facts()


def digest_revision(connection: sa.Connection, number: int) -> dict[str, str]:
    """Return the digests of the parts of one revision by their names; no rows of others are read."""
    return SealedRows(connection, lambda _rows=1: None).digest_revision(number)


@contextmanager
def read_undecodable_texts(connection: sa.Connection) -> Iterator[None]:
    """Let SQLite return texts that are not UTF-8, with their bytes written out; it takes its time."""
    driver: Any = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        yield
        return
    usual: Callable[[bytes], object] | type[str] = driver.text_factory
    driver.text_factory = lambda text: text.decode(errors="backslashreplace")
    try:
        yield
    finally:
        driver.text_factory = usual


def _digest_lines(groups: Groups, table: sa.Table) -> Iterator[Part]:
    lines = lines_of(table.name)
    for number, group in groups:
        digest = Digest()
        while batch := [row[1:] for row in islice(group, _BATCH_SIZE)]:
            digest.add(len(batch), lines.encode_read_rows(batch))
        yield Part(number, table.name, str(digest))


def _digest_withdrawn(groups: Groups, table: sa.Table) -> Iterator[Part]:
    for number, group in groups:
        digest = Digest()
        while batch := [row[1] for row in islice(group, _BATCH_SIZE)]:
            digest.add(len(batch), encode_numbers(batch))
        yield Part(number, f"withdrawn {table.name}", str(digest))


def _encode_parts(groups: Groups, place: int, table: sa.Table) -> Iterator[tuple[int, int, bytes]]:
    for number, group in groups:
        yield number, place, lines_of(table.name).encode_read_rows([row[1:] for row in group])


def _select_recorded(connection: sa.Connection, table: sa.Table, number: int | None = None) -> sa.Select[Any]:
    """Return the query of the rows of a table, after the revision that recorded them; of one revision, or of all."""
    columns = _raw(lines_of(table.name).columns)
    if table is schema.revision:
        query = sa.select(table.c.number, *columns).order_by(table.c.number)
        return query if number is None else query.where(table.c.number == number)
    source: sa.FromClause = table
    owner = table
    if "parent" in table.info:
        name, key = table.info["parent"]
        owner = schema.metadata.tables[name]
        # Outer: a row whose parent is not there is of no revision.
        source = table.outerjoin(owner, owner.c.id == table.c[key])
    recorded = owner.c.recorded_in
    query = sa.select(recorded, *columns).select_from(source)
    if number is not None:
        query = query.where(recorded == number)
    return query.order_by(recorded, *order_bytewise(connection, table.primary_key))


def _select_withdrawn(table: sa.Table) -> sa.Select[Any]:
    withdrawn = table.c.withdrawn_in
    return sa.select(withdrawn, table.c.id).where(withdrawn.is_not(None)).order_by(withdrawn, table.c.id)


def _select_parts(connection: sa.Connection, table: sa.Table) -> sa.Select[Any]:
    """Return the query of the rows of exports, after the export."""
    key = list(table.primary_key)
    return sa.select(key[0], *_raw(lines_of(table.name).columns)).order_by(*order_bytewise(connection, key))


def _raw(columns: Iterable[sa.Column[Any]]) -> list[sa.ColumnElement[Any]]:
    """Return columns whose values come as they are: SQLite's booleans as the numbers that it has."""
    return [
        sa.type_coerce(column, sa.Integer).label(column.name)
        if isinstance(column.type, sa.Boolean)
        else column
        for column in columns
    ]
