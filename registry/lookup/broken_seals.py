"""Compare every seal with the rows: which revisions and exports are not as they were sealed, and what of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from registry import schema
from registry.database import seal_text
from registry.database.refusals import is_decoding_error
from registry.database.sealed_tables import EXPORT_TABLES, RECORDED_TABLES
from registry.database.seals import read_registry_seal
from registry.identifiers import format_count
from registry.lookup.lineage import (
    has_gaps_between_exports,
    read_end_of_kept_exports,
    read_end_of_left_out_exports,
)
from registry.lookup.sealed_parts import describe_differences, parse_text
from registry.lookup.sealed_rows import SealedRows, read_undecodable_texts
from registry.parallel import Advance, Progress

Numbered = Iterator[tuple[int, Any]]
"""Revisions, or exports, by number with what is known of them."""


class BrokenSeal(Struct, frozen=True):
    """A revision that is not as it was sealed, or an export; its ``revision`` is the first one sealed after it."""

    revision: int | None
    problem: str


def find_broken_seals(connection: sa.Connection, progress: Progress) -> list[BrokenSeal]:
    """Return what differs from its seal: revisions in their order, exports before the revision sealed after them."""
    try:
        return _compare_all(connection, progress)
    except sa.exc.OperationalError as error:
        if not is_decoding_error(error.orig):
            raise
    with read_undecodable_texts(connection):
        return _compare_all(connection, progress)


def _compare_all(connection: sa.Connection, progress: Progress) -> list[BrokenSeal]:
    with progress("checking seals", _estimate_rows(connection)) as advance:
        return list(_Comparison(connection, advance).find_broken())


def _estimate_rows(connection: sa.Connection) -> int:
    """Return about how many rows there are: Ids are numbered without gaps."""
    tables = [table for table in (*RECORDED_TABLES.values(), *EXPORT_TABLES.values()) if "id" in table.c]
    largest = [sa.select(sa.func.max(table.c.id)).scalar_subquery() for table in tables]
    numbers = connection.execute(sa.select(*largest)).one()
    return sum(number for number in numbers if isinstance(number, int) and number > 0)


class _Comparison:
    """The chains of a registry, compared with its rows: that of revisions, and in step with it that of exports."""

    def __init__(self, connection: sa.Connection, advance: Advance) -> None:
        self._rows = SealedRows(connection, advance)
        self._registries = connection.execute(sa.select(schema.registry).limit(2)).all()
        self._registry_seal = read_registry_seal(connection) if self._registries else ""
        self._kept_until = read_end_of_kept_exports(connection)
        self._left_out_until = read_end_of_left_out_exports(connection)
        exports = _join(self._rows.read_exports(), self._rows.read_seals(schema.export_seal))
        gaps = has_gaps_between_exports(connection)
        self._exports = (one for one in exports if not (gaps and isinstance(one[0], range)))
        self._next_export = next(self._exports, None)
        # Of the last export; None where it is not as it was sealed.
        self._link: str | None = self._registry_seal
        # The newest export so far, and its link as it is recorded.
        self._sealed_links: tuple[int, Any] = (0, None)

    def find_broken(self) -> Iterator[BrokenSeal]:
        """Yield what is broken."""
        if len(self._registries) != 1:
            rows = "no row" if not self._registries else "more than one row"
            yield BrokenSeal(0, f"the registry is not the one that revision 1 follows: registry has {rows}")
        seals = self._rows.read_seals(schema.seal)
        previous: str | None = self._registry_seal
        for number, parts, seal in _join(self._rows.read_facts(), seals):
            if isinstance(number, range):
                yield BrokenSeal(number[0], _describe_missing("revision", number))
                previous = None
            elif seal is None or number < 1:
                yield BrokenSeal(number, _describe_unsealed(number, parts or {}))
                previous = None if number > 0 else self._registry_seal
            else:
                if self._next_export is not None:
                    yield from self._check_exports(seal.export, number)
                broken = self._check_revision(number, previous, parts or {}, seal)
                yield from broken
                # Where this one is broken, or missing, only the text of the next one tells its seal.
                is_sound = not broken or all(one.revision != number for one in broken)
                previous = seal.digest if is_sound else None
        yield from self._check_exports(None, None)
        for table, count in sorted(self._rows.strays.items()):
            yield BrokenSeal(None, f"{table}: {format_count(count, 'row')} of nothing that is recorded")

    def _check_revision(
        self, number: int, previous: str | None, parts: dict[str, str], seal: Any
    ) -> Sequence[BrokenSeal]:
        exports = None if seal.export is None else (seal.export, self._find_link(seal.export))
        before = parse_text(seal.text).get("previous", "") if previous is None else previous
        text = seal_text.write_text(number, before, parts, exports, seal.late)
        is_own = isinstance(seal.text, str) and seal_text.seal_text(seal.text) == seal.digest
        if is_own and text == seal.text and "revision" in parts:
            return ()
        return list(_describe_broken(number, seal.text, text, is_own=is_own))

    def _find_link(self, export: Any) -> Any:
        return self._sealed_links[1] if export == self._sealed_links[0] else "unknown"

    def _check_exports(self, newest: Any, revision: int | None) -> Iterator[BrokenSeal]:
        """Yield the broken ones of the next exports, to the newest that a revision seals, by default all others."""
        if revision is not None and not isinstance(newest, int):
            return
        while self._next_export is not None:
            number, digest, seal = self._next_export
            first = number[0] if isinstance(number, range) else number
            if revision is not None and first > newest:
                return
            problem = (
                _describe_missing("export", number)
                if isinstance(number, range)
                else self._check_export(number, digest, seal)
            )
            if problem is not None:
                yield BrokenSeal(revision, problem)
            if first > 0:
                self._link = None if seal is None or problem else seal.link
            self._sealed_links = (first, seal and seal.link)
            self._next_export = next(self._exports, None)

    def _check_export(self, number: int, digest: str | None, seal: Any) -> str | None:
        """Return the problem of an export, None where it is as it was sealed."""
        if number < 1:
            return f"there is no export {number}, but rows of it"
        if seal is None:
            return f"export {number} has no seal"
        if digest is None and not self._kept_until < number <= self._left_out_until:
            return f"export {number} is missing"
        if digest is not None and digest != seal.digest:
            return f"export {number} is not as it was sealed"
        if self._link is not None and seal.link != seal_text.link_export(number, self._link, seal.digest):
            before = f"export {number - 1}" if number > 1 else "the registry"
            return f"export {number} does not follow {before}"
        return None


def _join(facts: Numbered, seals: Numbered) -> Iterator[tuple[int | range, Any, Any]]:
    """Yield every number of either, in their order, with what each has of it, else None; and what neither has."""
    expected = 1
    fact, seal = next(facts, None), next(seals, None)
    while fact is not None or seal is not None:
        if fact is not None and seal is not None and fact[0] == seal[0] == expected:
            yield expected, fact[1], seal[1]
            expected += 1
            fact, seal = next(facts, None), next(seals, None)
            continue
        number = min(one[0] for one in (fact, seal) if one is not None)
        if number > expected:
            yield range(expected, number), None, None
        expected = max(expected, number + 1)
        here = fact if fact is not None and fact[0] == number else None
        sealed = seal if seal is not None and seal[0] == number else None
        yield number, here and here[1], sealed and sealed[1]
        fact = fact if here is None else next(facts, None)
        seal = seal if sealed is None else next(seals, None)


def _describe_broken(number: int, sealed: object, text: str, *, is_own: bool) -> Iterator[BrokenSeal]:
    """Yield what differs between the text of a seal and that of the rows, and whether the seal is of its own text."""
    different = describe_differences(parse_text(sealed), parse_text(text)) or {"": "its text"}
    if "previous" in different and is_own and "number" not in different:  # the text is of this revision
        yield BrokenSeal(number - 1, _describe_other_previous(number))
    different.pop("previous", None)
    what = list(dict.fromkeys(different.values()))
    if not is_own:
        what.append("the seal is not that of its text")
    if what:
        yield BrokenSeal(number, f"revision {number} is not as it was sealed: {', '.join(what)}")


def _describe_missing(what: str, numbers: range) -> str:
    if len(numbers) == 1:
        return f"{what} {numbers[0]} is missing"
    return f"{what}s {numbers[0]} to {numbers[-1]} are missing"


def _describe_unsealed(number: int, parts: dict[str, str]) -> str:
    if "revision" in parts and number > 0:
        return f"revision {number} has no seal"
    return f"there is no revision {number}, but rows of it: {', '.join(parts or ['seal'])}"


def _describe_other_previous(number: int) -> str:
    if number == 1:
        return "the registry is not the one that revision 1 follows: its id or its creation is another"
    return f"revision {number - 1} is not as it was sealed: revision {number} follows another seal"
