"""The rows that seals are of, digested in the order of their revisions and exports, a batch in memory at a time.

SQLite keeps any value in any column, and a page that was edited holds anything: nothing of that raises an error here.
Rows whose revision or export is not a number are counted apart.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections import Counter, namedtuple
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, groupby, starmap
from operator import itemgetter
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.seal_text import Digest, digest_lines, lines_of
from registry.database.sealed_tables import EXPORT_TABLES, RECORDED_TABLES
from registry.lookup.sealed_sources import Source, find_recorded, find_withdrawn, read_batches, select_parts
from registry.parallel import Advance

Part = tuple[int, str, str]
"""A revision, what it recorded in a table, or withdrew of it, and the number of lines with their SHA-256."""


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
        connection, tables = self._connection, RECORDED_TABLES.values()
        sources = [find_recorded(connection, table) for table in tables]
        sources += [find_withdrawn(table) for table in tables if table.info.get("fact")]
        own = self._digest_each(find_recorded(connection, schema.revision))
        return _merge([own, *map(self.digest_parts, sources)])

    def digest_revision(self, number: int) -> dict[str, str]:
        """Return the digests of the parts of one revision by their names; no rows of others are read."""
        parts: list[Part] = []
        for table in (schema.revision, *RECORDED_TABLES.values()):
            parts += self.digest_parts(find_recorded(self._connection, table, (number, number)))
            if table.info.get("fact"):
                parts += self.digest_parts(find_withdrawn(table, (number, number)))
        return {name: digest for _, name, digest in parts}

    def read_exports(self) -> Iterator[tuple[int, str]]:
        """Yield each export of which there is any row, with the digest of its rows."""
        streams = [self._encode_parts(table, place) for place, table in enumerate(EXPORT_TABLES.values())]
        for number, parts in groupby(heapq.merge(*streams), key=itemgetter(0)):
            digest = Digest()
            for _, _, lines in parts:
                digest.add(1, lines)
            yield number, digest.sha256

    def read_seals(self, table: sa.Table) -> Iterator[tuple[int, Any]]:
        """Yield the revisions, or the exports, of which there are seals, with the row of the seal."""
        (key,) = table.primary_key
        place = list(table.c).index(key)
        row_class = namedtuple("Row", table.c.keys())  # type: ignore[misc]
        for batch in self._read(sa.select(*table.c).order_by(key)):
            for row in starmap(row_class, batch):
                if type(row[place]) is int:
                    yield row[place], row
                else:
                    self.strays[table.name] += 1

    def digest_parts(self, source: Source) -> Iterator[Part]:
        """Yield the part of each revision."""
        name = source.name
        last, digest = None, Digest()  # of the last revision of a batch: it may go on in the next one
        for rows in self._read(source.query):
            lines = source.encode(rows).split(b"\n")
            end = 0
            for number, group in groupby(rows, key=itemgetter(source.place)):
                begin, end = end, end + len(list(group))
                if type(number) is not int:
                    self.strays[source.table.name] += end - begin
                    continue
                text = b"\n".join(lines[begin:end]) + b"\n"
                if number == last:
                    digest.add(end - begin, text)
                    continue
                if last is not None:
                    yield last, name, str(digest)
                    last = None
                if end < len(rows):
                    yield number, name, digest_lines(end - begin, text)
                else:
                    last, digest = number, Digest()
                    digest.add(end - begin, text)
        if last is not None:
            yield last, name, str(digest)

    def _digest_each(self, source: Source) -> Iterator[Part]:
        """Yield the part of each revision, where there is one row of each."""
        for rows in self._read(source.query):
            lines = source.encode(rows).split(b"\n")
            for row, line in zip(rows, lines, strict=False):
                number = row[source.place]
                if type(number) is int:
                    yield number, source.name, digest_lines(1, line + b"\n")
                else:
                    self.strays[source.table.name] += 1

    def _encode_parts(self, table: sa.Table, place: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield the lines of each export in a table."""
        lines = lines_of(table.name)
        (key, *_) = table.primary_key
        column = lines.columns.index(key)
        rows = chain.from_iterable(self._read(select_parts(self._connection, table)))
        for number, group in groupby(rows, key=itemgetter(column)):
            exported = list(group)
            if type(number) is int:
                yield number, place, lines.encode_read_rows(exported)
            else:
                self.strays[table.name] += len(exported)

    def _read(self, query: sa.Select[Any]) -> Iterator[list[tuple[Any, ...]]]:
        for batch in read_batches(self._connection, query):
            self._advance(len(batch))
            yield batch


def _merge(streams: Iterable[Iterator[Part]]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield each revision with the digests of its parts by their names."""
    heads = [(part, stream) for stream in streams if (part := next(stream, None)) is not None]
    while heads:
        number = min([part[0] for part, _ in heads])
        digests: dict[str, str] = {}
        following: list[tuple[Part, Iterator[Part]]] = []
        for head in heads:
            (revision, name, digest), stream = head
            if revision == number:
                digests[name] = digest
                part = next(stream, None)
                if part is not None:
                    following.append((part, stream))
            else:
                following.append(head)
        heads = following
        yield number, digests


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
