"""Random edits of rows, of every table and column that a seal is of: derived from the schema, as are later columns."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import sqlalchemy as sa

from harnesses.facts import SEALED_TABLES, Facts, Row, list_sealed_columns
from harnesses.tampering import match_key
from registry.instants import BEGINNING

Statements = list[sa.Executable]
_DAY = 86_400_000_000
_MAX_INTEGER = 2**31 - 1


@dataclass(frozen=True, slots=True)
class EditKind:
    """A kind of edits; ``group`` is the row of the report in which it is counted."""

    name: str
    group: str
    build: Callable[[Facts, random.Random], Statements]
    """Returns the statements of one edit; no statements where there is no row for it."""


def list_edit_kinds() -> Iterator[EditKind]:
    """Yield a kind for each sealed column of each table, for its rows, and for what was withdrawn."""
    for table in SEALED_TABLES:
        name = table.name
        for column in list_sealed_columns(table):
            yield EditKind(f"{name}.{column.name}", f"{name}: a value", partial(_edit_value, table, column))
        yield EditKind(f"{name} removed", "a row removed", partial(_remove_row, table))
        yield EditKind(f"{name} added", "a row added", partial(_add_row, table))
        if table.info.get("fact"):
            for what, build in _WITHDRAWALS.items():
                yield EditKind(f"{name}: withdrawal {what}", f"a withdrawal {what}", partial(build, table))


def _edit_value(table: sa.Table, column: sa.Column[Any], facts: Facts, rng: random.Random) -> Statements:
    rows = facts[table.name]
    if not rows:
        return []
    key = rng.choice(sorted(rows, key=repr))
    values = [row[column.name] for row in rows.values()]
    value = _choose_other(column, rows[key][column.name], values, rng)
    return [sa.update(table).where(match_key(table, key)).values({column.name: value})]


def _choose_other(column: sa.Column[Any], value: Any, present: list[Any], rng: random.Random) -> Any:
    """Return another value: near to it, from another row, none at all, or a random one."""
    others = [other for other in present if other is not None and other != value]
    choices: list[Callable[[], Any]] = [lambda: _vary(column, value, rng)] * 3
    choices += [lambda: rng.choice(others)] if others else []
    choices += [lambda: None] if column.nullable and value is not None else []
    while (other := rng.choice(choices)()) == value:
        pass
    return other


def _vary(column: sa.Column[Any], value: Any, rng: random.Random) -> Any:
    if isinstance(column.type, sa.Boolean):
        return rng.random() < 0.5 if value is None else not value
    if isinstance(column.type, sa.BigInteger):
        varied = (value or 0) + rng.choice((1, -1, 1_000_000, _DAY, -_DAY, -365 * _DAY))
        return max(varied, BEGINNING)
    if isinstance(column.type, sa.Integer):
        return min(abs((value or 0) + rng.choice((1, 1, 2, -1, 100))), _MAX_INTEGER)
    if isinstance(column.type, sa.Double):
        return (value or 0.0) + rng.choice((1.0, -1e-9, 1e300))
    if isinstance(column.type, sa.LargeBinary):
        return _vary_bytes(value or b"", rng)
    return _vary_text(value or "", column, rng)


def _vary_bytes(value: bytes, rng: random.Random) -> bytes:
    place = rng.randrange(len(value) + 1)
    changed = bytes([(value[place] if place < len(value) else 0) ^ 1 << rng.randrange(8)])
    return value[:place] + changed + value[place + 1 :]


def _vary_text(text: str, column: sa.Column[Any], rng: random.Random) -> str:
    if getattr(column.type, "length", None) == 64 and len(text) == 64:  # a digest
        place = rng.randrange(64)
        return text[:place] + f"{int(text[place], 16) ^ 1 << rng.randrange(4):x}" + text[place + 1 :]
    place = rng.randrange(len(text) + 1)
    letter = rng.choice(string.ascii_letters + " .0é")
    edited = rng.choice((
        text[:place] + letter + text[place + 1 :],
        text[: max(place - 1, 0)] + text[place:],
        text[:place] + letter + text[place:],
        text.swapcase(),
        text + " ",
        "",
    ))  # fmt: skip
    return edited[: getattr(column.type, "length", None)]


def _remove_row(table: sa.Table, facts: Facts, rng: random.Random) -> Statements:
    rows = facts[table.name]
    return [sa.delete(table).where(match_key(table, rng.choice(sorted(rows, key=repr))))] if rows else []


def _add_row(table: sa.Table, facts: Facts, rng: random.Random) -> Statements:
    """Return the statement that adds a copy of a row, under a key of its own, recorded at any time."""
    rows = facts[table.name]
    if not rows:
        return []
    row = dict(rows[rng.choice(sorted(rows, key=repr))])
    for column in table.c:
        if column.primary_key or column.unique or column.name in _UNIQUE.get(table.name, ()):
            row[column.name] = _choose_new(column, [other[column.name] for other in rows.values()], rng)
    if "recorded_in" in row:
        row |= {"recorded_in": rng.choice(sorted(facts["revision"]))[0]}
        row |= {"withdrawn_in": None} if "withdrawn_in" in row else {}
    return [table.insert().values(row)]


# Of which another value lets a copy of a row be there beside it.
_UNIQUE: Mapping[str, tuple[str, ...]] = {
    "alias": ("valid_from",),
    "version": ("valid_from",),
    "run": ("number",),
    "configuration_panel": ("segment",),
    "detector_name": ("name",),
}


def _choose_new(column: sa.Column[Any], present: list[Any], rng: random.Random) -> Any:
    if isinstance(column.type, sa.Integer):
        numbers = [number for number in present if number is not None]
        if column.foreign_keys and len(column.table.primary_key) > 1:
            return rng.choice(numbers)
        # Mostly the next number, as the registry would give it.
        return max(numbers, default=0) + rng.choice((1, 1, 7))
    if column.foreign_keys:
        return rng.choice(present)
    return _vary(column, rng.choice(present), rng)


def _clear_withdrawal(table: sa.Table, facts: Facts, rng: random.Random) -> Statements:
    return _set_withdrawal(table, facts, rng, lambda row: None if row["withdrawn_in"] else ())


def _move_withdrawal(table: sa.Table, facts: Facts, rng: random.Random) -> Statements:
    def choose(row: Row) -> Any:
        others = set(range(row["recorded_in"] + 1, len(facts["revision"]) + 1)) - {row["withdrawn_in"]}
        return rng.choice(sorted(others)) if row["withdrawn_in"] and others else ()

    return _set_withdrawal(table, facts, rng, choose)


def _add_withdrawal(table: sa.Table, facts: Facts, rng: random.Random) -> Statements:
    def choose(row: Row) -> Any:
        later = range(row["recorded_in"] + 1, len(facts["revision"]) + 1)
        return rng.choice(later) if row["withdrawn_in"] is None and later else ()

    return _set_withdrawal(table, facts, rng, choose)


def _set_withdrawal(
    table: sa.Table, facts: Facts, rng: random.Random, choose: Callable[[Row], Any]
) -> Statements:
    """Return the statement that sets another withdrawal, where `choose` returns one, which is not ()."""
    rows = facts[table.name]
    for key in rng.sample(sorted(rows), len(rows)):
        withdrawn_in = choose(rows[key])
        if withdrawn_in != ():
            return [sa.update(table).where(match_key(table, key)).values(withdrawn_in=withdrawn_in)]
    return []


_WITHDRAWALS = {"cleared": _clear_withdrawal, "moved": _move_withdrawal, "added": _add_withdrawal}
