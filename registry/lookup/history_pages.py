"""Pages of the history: the texts of seals, and the lines that they are digests of, as a mirror follows them.

A page has as many revisions as were asked for, or fewer where that would be too much at once. A revision that is too
large for one page is cut between two of its lines. What a page costs depends on what is in it, not on how much is
before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from msgspec import Struct

from registry import schema
from registry.database.sealed_tables import RECORDED_TABLES
from registry.database.seals import missing_seal_error
from registry.lookup.indexed_sources import UNINDEXED, find_constants, narrow
from registry.lookup.sealed_sources import Source, find_recorded, find_withdrawn, read_batches

MAX_REVISIONS = 1000
_MAX_BYTES = 4 << 20
_MAX_LINES = 20_000
_LINES_OF_BINARY = 50  # a line with a pattern is as long as so many others
_LINKS = "export_seal"


class SealedRevision(Struct, frozen=True, gc=False):
    """A revision with its seal, the text that this is the digest of, and the lines that the text has digests of.

    Attributes
    ----------
    parts
        Lines by the name of their part in the text: the revision, tables, what was withdrawn, ``late``; and
        ``export_seal``, the digests and links of the exports that the revision seals and the one before it did not.
    skipped
        How many lines stand in earlier pages.
    is_complete
        Whether the last line of the revision is here.
    """

    revision: int
    seal: str
    text: str
    parts: dict[str, str]
    skipped: int = 0
    is_complete: bool = True


class HistoryPage(Struct, frozen=True):
    """Revisions in their order, and the text that seal 0 is the digest of.

    ``has_more`` where later pages have the rest.
    """

    registry: str
    revisions: tuple[SealedRevision, ...]
    has_more: bool


class _Seal(NamedTuple):
    """A seal with the parts of its text: their names, in its order, and how many lines each has."""

    number: int
    digest: str
    text: str
    export: int | None
    late: str | None
    former_export: int
    parts: tuple[tuple[str, int], ...]
    weight: int


_FACTS = {name: table for name, table in RECORDED_TABLES.items() if table.info.get("fact")}
_SOURCES = {"revision", *RECORDED_TABLES, *(f"withdrawn {name}" for name in _FACTS)}


def _weigh(part: str) -> int:
    table = RECORDED_TABLES.get(part)
    is_binary = table is not None and any(isinstance(column.type, sa.LargeBinary) for column in table.c)
    return _LINES_OF_BINARY if is_binary else 1


_WEIGHTS = {name: _weigh(name) for name in (*_SOURCES, "late", _LINKS)}
_PART = re.compile(r"^((?:withdrawn )?[a-z_]+) ([0-9]{1,9})(?: |$)", re.ASCII | re.MULTILINE)


def _make_seal(
    number: int, digest: str, text: str, export: int | None, late: str | None, former_export: int
) -> _Seal:
    counts = dict(_PART.findall(text))
    parts = [(name, int(count)) for name, count in counts.items() if name in _SOURCES]
    if late is not None:
        parts.append(("late", 1))
    if (export or 0) > former_export:
        parts.append((_LINKS, (export or 0) - former_export))
    weight = sum([count * _WEIGHTS[name] for name, count in parts])
    return _Seal(number, digest, text, export, late, former_export, tuple(parts), weight)


def read_history_page(
    connection: sa.Connection, after: int, last: int, *, skip: int, limit: int
) -> HistoryPage:
    """Return the revisions after one up to another, at most `limit`, the first without its first `skip` lines.

    Raises
    ------
    CorruptionError
        The revision after it has no seal.
    """
    registry = connection.execute(sa.select(schema.registry)).one()
    origin = f"calreg registry 1\nid {registry.id}\ncreated {registry.created_at}\n"
    wanted = min(limit, MAX_REVISIONS, max(0, last - after))
    seals = _read_seals(connection, after, wanted)
    if not seals:
        if last > after:
            raise missing_seal_error(after + 1)
        return HistoryPage(origin, (), has_more=False)
    first = seals[0]
    if skip or first.weight > _MAX_LINES:
        rest, has_end = _read_rest(connection, first, skip)
        cut = _cut(first, rest, skip, has_end=has_end)
        return HistoryPage(origin, (cut,), has_more=not cut.is_complete or cut.revision < last)
    group = _take_light(seals)
    lines = _read_group(connection, group)
    size = 0
    revisions: list[SealedRevision] = []
    for seal in group:
        own = lines[seal.number]
        size += sum(len(line) for _, texts in own for line in texts)
        if revisions and size > _MAX_BYTES:
            break
        revisions.append(_cut(seal, own, 0, has_end=True))
    newest = revisions[-1]
    return HistoryPage(origin, tuple(revisions), has_more=not newest.is_complete or newest.revision < last)


def _read_seals(connection: sa.Connection, after: int, limit: int) -> list[_Seal]:
    """Return the seals after a revision, up to one that is missing."""
    seal = schema.seal
    columns = (seal.c.revision, seal.c.digest, seal.c.text, seal.c.export, seal.c.late)
    query = sa.select(*columns).where(seal.c.revision >= after).order_by(seal.c.revision).limit(limit + 1)
    rows = [row for batch in read_batches(connection, query) for row in batch]
    former = 0
    if rows and rows[0][0] == after:
        *_, export, _ = rows.pop(0)
        former = export or 0
    seals: list[_Seal] = []
    for expected, (number, digest, text, export, late) in enumerate(rows[:limit], after + 1):
        if number != expected:
            break
        seals.append(_make_seal(number, digest, str(text), export, late, former))
        former = export or former
    return seals


def _take_light(seals: Sequence[_Seal]) -> list[_Seal]:
    """Return the first revisions that together have not too many lines."""
    weight = 0
    taken: list[_Seal] = []
    for seal in seals:
        weight += seal.weight
        if taken and weight > _MAX_LINES:
            break
        taken.append(seal)
    return taken


_Parts = list[tuple[str, list[bytes]]]


def _read_group(connection: sa.Connection, seals: Sequence[_Seal]) -> dict[int, _Parts]:
    """Return the lines of revisions that follow each other: one query for each table that they name."""
    numbers = seals[0].number, seals[-1].number
    known: dict[tuple[int, str], list[bytes]] = {}
    for name, count in _count_lines(seals).items():
        source = find_source(connection, name, numbers, count)
        for number, lines in _read_lines(connection, source, source.query):
            known.setdefault((number, name), []).extend(lines)
    links = _read_links(connection, seals[0].former_export, max(seal.export or 0 for seal in seals))
    return {
        seal.number: [
            (name, _find_lines(seal, name, known.get((seal.number, name), []), links))
            for name, _ in seal.parts
        ]
        for seal in seals
    }


def _count_lines(seals: Sequence[_Seal]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for seal in seals:
        for name, count in seal.parts:
            if name in _SOURCES:
                counts[name] = counts.get(name, 0) + count
    return counts


def _find_lines(seal: _Seal, name: str, lines: list[bytes], links: dict[int, bytes]) -> list[bytes]:
    if name == "late":
        return [f"{seal.late}\n".encode()]
    if name == _LINKS:
        exports = range(seal.former_export + 1, (seal.export or 0) + 1)
        return [links[number] for number in exports if number in links]
    return lines


def _read_rest(connection: sa.Connection, seal: _Seal, skip: int) -> tuple[_Parts, bool]:
    """Return lines of one revision behind its first ones, as many as a page can have, and whether these are all."""
    parts: _Parts = []
    left, begin = _MAX_LINES, skip
    for name, count in seal.parts:
        if begin >= count:
            begin -= count
            continue
        if left <= 0:
            return parts, False
        most = max(1, left // _WEIGHTS[name])
        if name in _SOURCES:
            source = find_source(connection, name, (seal.number, seal.number), count)
            query = source.query.offset(begin).limit(most)
            lines = [line for _, some in _read_lines(connection, source, query) for line in some]
        else:
            first = seal.former_export + begin
            links = _read_links(connection, first, min(first + most, seal.export or 0))
            lines = _find_lines(seal, name, [], links)
        parts.append((name, lines))
        if most < count - begin:
            return parts, False
        left -= len(lines) * _WEIGHTS[name]
        begin = 0
    return parts, True


def find_source(connection: sa.Connection, name: str, numbers: tuple[int, int], count: int) -> Source:
    """Return the rows of revisions in a part: `count`, where all is as it was sealed."""
    if name.startswith("withdrawn "):
        return find_withdrawn(_FACTS[name.removeprefix("withdrawn ")], numbers)
    source = find_recorded(connection, schema.metadata.tables[name], numbers)
    if name not in UNINDEXED:
        return source
    quick = narrow(source, find_constants(connection, numbers))
    counted = sa.select(sa.func.count()).select_from(quick.query.order_by(None).subquery())
    return quick if connection.execute(counted).scalar_one() == count else source


def _read_lines(
    connection: sa.Connection, source: Source, query: sa.Select[Any]
) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the lines of each revision; one may come in several lists."""
    for rows in read_batches(connection, query):
        lines = [line + b"\n" for line in source.encode(rows).split(b"\n")]
        begin = 0
        for number, group in groupby(rows, key=itemgetter(source.place)):
            end = begin + len(list(group))
            yield number, lines[begin:end]
            begin = end


def _read_links(connection: sa.Connection, after: int, last: int) -> dict[int, bytes]:
    """Return the digests and links of exports, as lines by number."""
    if last <= after:
        return {}
    table = schema.export_seal
    query = sa.select(table.c.export, table.c.digest, table.c.link).where(
        table.c.export > after, table.c.export <= last
    )
    return {
        row.export: msgspec.json.encode({"digest": row.digest, "export": row.export, "link": row.link})
        + b"\n"
        for row in connection.execute(query.order_by(table.c.export))
    }


def _cut(seal: _Seal, parts: _Parts, skipped: int, *, has_end: bool) -> SealedRevision:
    """Return a revision with as many of these lines as a page can have, at least one."""
    kept: dict[str, str] = {}
    size, is_whole = 0, True
    for name, lines in parts:
        taken = 0
        for line in lines:
            if size and size + len(line) > _MAX_BYTES:
                is_whole = False
                break
            taken, size = taken + 1, size + len(line)
        if taken:
            kept[name] = b"".join(lines[:taken]).decode()
        if not is_whole:
            break
    return SealedRevision(
        seal.number, seal.digest, seal.text, kept, skipped, is_complete=is_whole and has_end
    )
