"""Edits with an aim, of several rows or places at once, by which somebody would change what a registry says."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial

import sqlalchemy as sa

from harnesses.edits import EditKind, Statements
from harnesses.facts import SEALED_TABLES, Facts, Row
from registry import schema
from registry.database.sealed_tables import RECORDED_TABLES
from registry.instants import BEGINNING

_MONTH = 30 * 86_400_000_000


def list_scenarios(*, is_sqlite: bool) -> Iterator[EditKind]:
    """Yield the kinds of edits with an aim."""
    scenarios = {**_SCENARIOS, **(_SQLITE_SCENARIOS if is_sqlite else {})}
    for name, build in scenarios.items():
        yield EditKind(name, name, build)


def _choose(
    facts: Facts, rng: random.Random, table: sa.Table, condition: Callable[[Row], bool] = lambda _: True
) -> Row:
    return rng.choice([row for _, row in sorted(facts[table.name].items(), key=repr) if condition(row)])


def _date_back(facts: Facts, rng: random.Random) -> Statements:
    row = _choose(facts, rng, schema.version, lambda row: row["valid_from"] != BEGINNING)
    start = row["valid_from"] - rng.randrange(1, _MONTH)
    return [sa.update(schema.version).where(schema.version.c.id == row["id"]).values(valid_from=start)]


def exchange(
    table: sa.Table, columns: tuple[str, ...], alike: tuple[str, ...], facts: Facts, rng: random.Random
) -> Statements:
    """Return the statements that exchange values of two rows, whose columns `alike` are the same."""

    def fits(one: Row, other: Row) -> bool:
        return all(one[name] == other[name] for name in alike) and [one[name] for name in columns] != [
            other[name] for name in columns
        ]

    rows = [row for _, row in sorted(facts[table.name].items(), key=repr)]
    one, other = rng.choice([(one, other) for one in rows for other in rows if fits(one, other)])
    statements: Statements = []
    for row, source in ((one, other), (other, one)):
        key = sa.and_(*(column == row[column.name] for column in table.primary_key))
        statements.append(sa.update(table).where(key).values({name: source[name] for name in columns}))
    return statements


def _remove_revision(facts: Facts, rng: random.Random, *, with_seal: bool) -> Statements:
    """Return the statements that remove a revision in the middle with all that it recorded and withdrew."""
    number = rng.randrange(1, len(facts["revision"]))
    return list(delete_revision(number, with_seal=with_seal))


def delete_revision(number: int, *, with_seal: bool) -> Iterator[sa.Executable]:
    """Yield the statements that remove a revision with all that it recorded and withdrew."""
    for table in RECORDED_TABLES.values():
        if "parent" in table.info:
            parent, key = table.info["parent"]
            owner = schema.metadata.tables[parent]
            yield sa.delete(table).where(
                table.c[key].in_(sa.select(owner.c.id).where(owner.c.recorded_in == number))
            )
    for table in RECORDED_TABLES.values():
        if "recorded_in" in table.c:
            yield sa.delete(table).where(table.c.recorded_in == number)
        if table.info.get("fact"):
            yield sa.update(table).where(table.c.withdrawn_in == number).values(withdrawn_in=None)
    yield sa.delete(schema.revision).where(schema.revision.c.number == number)
    if with_seal:
        yield sa.delete(schema.seal).where(schema.seal.c.revision == number)


def _remove_export(facts: Facts, rng: random.Random, *, with_seal: bool) -> Statements:
    sealed = max(row["export"] or 0 for row in facts["seal"].values())
    return list(_delete_export(rng.randrange(1, sealed + 1), with_seal=with_seal))


def _delete_export(number: int, *, with_seal: bool) -> Iterator[sa.Executable]:
    yield sa.delete(schema.export_input).where(schema.export_input.c.export_id == number)
    yield sa.delete(schema.export_output).where(schema.export_output.c.export_id == number)
    yield sa.delete(schema.export).where(schema.export.c.id == number)
    if with_seal:
        yield sa.delete(schema.export_seal).where(schema.export_seal.c.export == number)


def _remove_all_exports(facts: Facts, _: random.Random) -> Statements:
    return [
        statement
        for number in range(len(facts["export"]), 0, -1)
        for statement in _delete_export(number, with_seal=True)
    ]


def _empty_table(facts: Facts, rng: random.Random) -> Statements:
    return [sa.delete(rng.choice([table for table in SEALED_TABLES if facts[table.name]]))]


def _undo_correction(facts: Facts, rng: random.Random) -> Statements:
    """Return the statements by which a version that replaced another one was never recorded."""
    replaced = _choose(facts, rng, schema.version, lambda row: row["withdrawn_in"] is not None)
    version = schema.version
    same = sa.and_(*(version.c[name] == replaced[name] for name in ("panel_id", "kind", "valid_from")))
    return [
        sa.delete(version).where(same, version.c.recorded_in == replaced["withdrawn_in"]),
        sa.update(version).where(version.c.id == replaced["id"]).values(withdrawn_in=None),
    ]


def _move_tag(facts: Facts, rng: random.Random) -> Statements:
    tag = _choose(facts, rng, schema.tag)
    seal = _choose(facts, rng, schema.seal, lambda row: row["revision"] < tag["revision"])
    moved = {"revision": seal["revision"], "seal": seal["digest"]}
    return [sa.update(schema.tag).where(schema.tag.c.name == tag["name"]).values(moved)]


def _shift_time(facts: Facts, rng: random.Random) -> Statements:
    """Return the statements that move all starts of constants, or of runs, by the same time."""
    name = rng.choice(("version", "run"))
    column = "valid_from" if name == "version" else "begin_at"
    table = schema.metadata.tables[name]
    shift = rng.choice((1, -1)) * rng.randrange(1, _MONTH)
    moved = sa.update(table).where(table.c[column] != BEGINNING).values({column: table.c[column] + shift})
    return [moved] if facts[name] else []


def _replace_text(table: str, column: str, sql: str, facts: Facts, rng: random.Random) -> Statements:
    row = _choose(facts, rng, schema.metadata.tables[table])
    keys = [item.name for item in schema.metadata.tables[table].primary_key]
    condition = " AND ".join(f"{key} = {row[key]!r}" for key in keys)
    return [sa.text(f"UPDATE {table} SET {column} = {sql} WHERE {condition}")]


_SCENARIOS: dict[str, Callable[[Facts, random.Random], Statements]] = {
    "a start dated back": _date_back,
    "all starts moved": _shift_time,
    "constants exchanged": partial(exchange, schema.version, ("constants_id",), ("kind",)),
    "panels of versions exchanged": partial(exchange, schema.version, ("panel_id",), ("kind",)),
    "versions exchanged": partial(exchange, schema.version, ("panel_id", "constants_id"), ("kind",)),
    "M-numbers exchanged": partial(exchange, schema.alias, ("m_number",), ()),
    "files exchanged": partial(exchange, schema.constants_file, ("sha256",), ("gain_range",)),
    "starts of runs exchanged": partial(exchange, schema.run, ("begin_at", "end_at"), ("withdrawn_in",)),
    "comments exchanged": partial(exchange, schema.revision, ("comment",), ("author",)),
    "revisions exchanged": partial(exchange, schema.version, ("recorded_in",), ("withdrawn_in",)),
    "exports exchanged": partial(exchange, schema.export, ("provenance_sha256", "detector_id"), ()),
    "seals exchanged": partial(exchange, schema.seal, ("digest", "text"), ()),
    "links exchanged": partial(exchange, schema.export_seal, ("digest", "link"), ()),
    "a correction undone": _undo_correction,
    "a tag moved": _move_tag,
    "a revision removed, with its seal": partial(_remove_revision, with_seal=True),
    "a revision removed, without its seal": partial(_remove_revision, with_seal=False),
    "an export removed, with its seal": partial(_remove_export, with_seal=True),
    "an export removed, without its seal": partial(_remove_export, with_seal=False),
    "all exports removed, with their seals": _remove_all_exports,
    "a table emptied": _empty_table,
}
# SQLite keeps any value in any column.
_SQLITE_SCENARIOS: dict[str, Callable[[Facts, random.Random], Statements]] = {
    "a number that is a text": partial(_replace_text, "version", "valid_from", "'early'"),
    "a number that is not whole": partial(_replace_text, "run", "begin_at", "begin_at + 0.5"),
    "a text that is not UTF-8": partial(_replace_text, "revision", "author", "CAST(x'ff' AS TEXT)"),
    "a text that is bytes": partial(_replace_text, "revision", "author", "CAST(author AS BLOB)"),
    "a text with a NUL": partial(_replace_text, "revision", "host", "host || char(0) || 'x'"),
}
