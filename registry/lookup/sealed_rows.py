"""The rows that seals are of, digested in the order of their revisions and exports, a batch in memory at a time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.database.keys import order_bytewise
from registry.database.seal_text import EXPORT_TABLES, RECORDED_TABLES, Digest, encode_numbers, lines_of
from registry.parallel import Advance

_BATCH_SIZE = 2000

Rows = Iterator[tuple[int, Iterator[Any]]]
"""Rows by the revision, or the export, that is their first column."""


class Part(NamedTuple):
    """What a revision recorded in a table, or withdrew of it: the number of lines, and their SHA-256."""

    revision: int
    name: str
    digest: str


def read_facts(connection: sa.Connection, advance: Advance) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each revision of which there is any row, with the digests of its parts by their names."""
    facts = [table for table in RECORDED_TABLES.values() if table.info.get("fact")]
    streams = [
        _digest_lines(_group(connection, _select_recorded(connection, table), advance), table)
        for table in (schema.revision, *RECORDED_TABLES.values())
    ]
    streams += [
        _digest_withdrawn(_group(connection, _select_withdrawn(table), advance), table) for table in facts
    ]
    for number, parts in groupby(heapq.merge(*streams), key=itemgetter(0)):
        yield number, {part.name: part.digest for part in parts}


def digest_revision(connection: sa.Connection, number: int) -> dict[str, str]:
    """Return the digests of the parts of one revision by their names; no rows of others are read."""
    parts: list[Part] = []
    for table in (schema.revision, *RECORDED_TABLES.values()):
        query = _select_recorded(connection, table, number)
        parts += _digest_lines(_group(connection, query, _ignore), table)
        if table.info.get("fact"):
            withdrawn = _select_withdrawn(table).where(table.c.withdrawn_in == number)
            parts += _digest_withdrawn(_group(connection, withdrawn, _ignore), table)
    return {part.name: part.digest for part in parts}


def _ignore(_rows: int = 1) -> None:
    """Take no notice of progress."""


def read_exports(connection: sa.Connection, advance: Advance) -> Iterator[tuple[int, str]]:
    """Yield each export of which there is any row, with the digest of its rows."""
    streams = [
        _encode_parts(_group(connection, _select_parts(connection, table), advance), place, table)
        for place, table in enumerate(EXPORT_TABLES.values())
    ]
    for number, parts in groupby(heapq.merge(*streams), key=itemgetter(0)):
        digest = Digest()
        for _, _, lines in parts:
            digest.add(1, lines)
        yield number, digest.sha256


def _group(connection: sa.Connection, query: sa.Select[Any], advance: Advance) -> Rows:
    return groupby(_read(connection, query, advance), key=itemgetter(0))


def _read(connection: sa.Connection, query: sa.Select[Any], advance: Advance) -> Iterator[Any]:
    result = connection.execute(query, execution_options={"yield_per": _BATCH_SIZE})
    for batch in result.partitions():
        advance(len(batch))
        yield from batch


def _digest_lines(rows: Rows, table: sa.Table) -> Iterator[Part]:
    lines = lines_of(table.name)
    for number, group in rows:
        digest = Digest()
        while batch := [row[1:] for row in islice(group, _BATCH_SIZE)]:
            digest.add(len(batch), lines.encode_read_rows(batch))
        yield Part(number, table.name, str(digest))


def _digest_withdrawn(rows: Rows, table: sa.Table) -> Iterator[Part]:
    for number, group in rows:
        digest = Digest()
        while batch := [row[1] for row in islice(group, _BATCH_SIZE)]:
            digest.add(len(batch), encode_numbers(batch))
        yield Part(number, f"withdrawn {table.name}", str(digest))


def _encode_parts(rows: Rows, place: int, table: sa.Table) -> Iterator[tuple[int, int, bytes]]:
    for number, group in rows:
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
        source = table.join(owner, owner.c.id == table.c[key])
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
