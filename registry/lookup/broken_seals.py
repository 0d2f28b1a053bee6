"""Compare every seal with the rows: which revisions and exports are not as they were sealed, and what of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from registry import schema
from registry.database import seal_text
from registry.database.seal_text import EXPORT_TABLES, RECORDED_TABLES, SealText
from registry.database.seals import read_registry_seal
from registry.lookup.sealed_rows import read_exports, read_facts
from registry.parallel import Advance, Progress

_READ_AT_ONCE = 1000


class BrokenSeal(Struct, frozen=True):
    """A revision that is not as it was sealed, or an export; its ``revision`` is the first one sealed after it."""

    revision: int | None
    problem: str


def find_broken_seals(connection: sa.Connection, progress: Progress) -> Iterator[BrokenSeal]:
    """Yield what differs from its seal: exports, then revisions in their order."""
    registry_seal = read_registry_seal(connection)
    with progress("checking seals", _estimate_rows(connection)) as advance:
        links: dict[int, str] = {}
        yield from _check_exports(connection, registry_seal, links, advance)
        yield from _check_revisions(connection, registry_seal, links, advance)


def _estimate_rows(connection: sa.Connection) -> int:
    """Return about how many rows there are: Ids are numbered without gaps."""
    tables = [table for table in (*RECORDED_TABLES.values(), *EXPORT_TABLES.values()) if "id" in table.c]
    largest = [sa.select(sa.func.max(table.c.id)).scalar_subquery() for table in tables]
    return sum(number or 0 for number in connection.execute(sa.select(*largest)).one())


def _check_revisions(
    connection: sa.Connection, registry_seal: str, links: Mapping[int, str], advance: Advance
) -> Iterator[BrokenSeal]:
    seals = _read_seals(connection, schema.seal, schema.seal.c.revision)
    facts = read_facts(connection, advance)
    previous: str | None = registry_seal
    for number, parts, seal in _join(facts, seals):
        if parts is None and seal is None:
            yield BrokenSeal(number, f"revision {number} is missing")
        elif seal is None:
            yield BrokenSeal(number, f"revision {number} has no seal")
        else:
            sealed = _parse_text(seal.text)
            exports = None if seal.export is None else (seal.export, links.get(seal.export, "unknown"))
            # After a gap only the text itself tells the seal before.
            text = SealText(number, previous or sealed.get("previous", ""), parts or {}, exports, seal.late)
            if str(text) != seal.text:
                yield from _describe_differences(number, sealed, _parse_text(str(text)))
            elif seal_text.seal_text(seal.text) != seal.digest:
                yield BrokenSeal(number, f"the seal of revision {number} is not that of its text")
        previous = None if seal is None else seal.digest


def _join(
    facts: Iterator[tuple[int, Any]], seals: Iterator[tuple[int, Any]]
) -> Iterator[tuple[int, Any, Any]]:
    """Yield every number from 1 to the last one of either, with what each has of it, else None."""
    number = 1
    fact, seal = next(facts, None), next(seals, None)
    while fact is not None or seal is not None:
        # Rows of revision 0, or of none before it, were put there behind the guards.
        number = min([number, *(item[0] for item in (fact, seal) if item is not None)])
        here = fact if fact is not None and fact[0] == number else None
        sealed = seal if seal is not None and seal[0] == number else None
        yield number, here and here[1], sealed and sealed[1]
        fact = fact if here is None else next(facts, None)
        seal = seal if sealed is None else next(seals, None)
        number += 1


def _read_seals(connection: sa.Connection, table: sa.Table, key: sa.Column[int]) -> Iterator[tuple[int, Any]]:
    rows = connection.execute(sa.select(table).order_by(key), execution_options={"yield_per": _READ_AT_ONCE})
    return ((row[0], row) for row in rows)


def _parse_text(text: str) -> dict[str, str]:
    """Return what the lines of a seal's text say, by what they are of."""
    lines = (line.split(" ") for line in text.splitlines()[1:])
    return {
        " ".join(words[:2] if words[0] == "withdrawn" else words[:1]): " ".join(words[-2:]) for words in lines
    }


def _describe_differences(
    number: int, sealed: Mapping[str, str], present: Mapping[str, str]
) -> Iterator[BrokenSeal]:
    """Yield the revision with the parts that differ; where the seal before is another one, the revision of that."""
    different = [name for name in dict.fromkeys([*sealed, *present]) if sealed.get(name) != present.get(name)]
    if "previous" in different:
        different.remove("previous")
        before = f"revision {number - 1} is not as it was sealed: revision {number} follows another seal"
        if number == 1:
            before = "the registry is not the one that revision 1 follows: its id or its creation is another"
        yield BrokenSeal(number - 1, before)
    if different:
        counts = [_describe_part(name, sealed.get(name), present.get(name)) for name in different]
        yield BrokenSeal(number, f"revision {number} is not as it was sealed: {', '.join(counts)}")


def _describe_part(name: str, sealed: str | None, present: str | None) -> str:
    before, now = (0 if part is None else int(part.split()[0]) for part in (sealed, present))
    if name == "exports":
        return "the exports until then"
    rows = f"{now} of {before} rows" if before != now else "changed"
    return f"{name} ({rows})"


def _check_exports(
    connection: sa.Connection, registry_seal: str, links: dict[int, str], advance: Advance
) -> Iterator[BrokenSeal]:
    """Yield the exports that are not as they were sealed; put the link of each into `links`."""
    snapshot = schema.closure.c.reason == "snapshot"
    partial = (
        connection.execute(sa.select(schema.closure.c.number).where(snapshot).limit(1)).first() is not None
    )
    previous: str | None = registry_seal
    seals = _read_seals(connection, schema.export_seal, schema.export_seal.c.export)
    for number, digest, seal in _join(read_exports(connection, advance), seals):
        problem = None
        if seal is None:
            problem = "is missing" if digest is None else "has no seal"
        elif digest != seal.digest and not (digest is None and partial):
            problem = "is not as it was sealed" if digest else "is missing"
        elif seal.link != seal_text.link_export(number, previous or "", seal.digest) and previous is not None:
            problem = "is not linked to the one before"
        if problem:
            yield BrokenSeal(_find_sealing_revision(connection, number), f"export {number} {problem}")
        previous = None if seal is None else seal.link
        if seal is not None:
            links[number] = seal.link


def _find_sealing_revision(connection: sa.Connection, export: int) -> int | None:
    """Return the first revision that was sealed after an export, None where there is none yet."""
    seal = schema.seal
    number: int | None = connection.execute(
        sa.select(sa.func.min(seal.c.revision)).where(seal.c.export >= export)
    ).scalar()
    return number
