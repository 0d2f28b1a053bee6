"""Faults of guards on SQLite: triggers, indexes and tables that are dropped, emptied, renamed, replaced or hidden."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

_RULE = re.compile(r"\n    WHEN .+\n      THEN .+")


@dataclass(frozen=True, slots=True)
class GuardFault:
    """The statements that weaken a guard, and the name that must be named for it."""

    kind: str
    name: str
    statements: Sequence[str]


def list_sqlite_faults(connection: sa.Connection, rng: random.Random) -> Iterator[GuardFault]:
    """Yield the faults of every trigger, index and table."""
    query = (
        "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = '{}' AND sql IS NOT NULL ORDER BY name"
    )
    for name, table, sql in connection.exec_driver_sql(query.format("trigger")).all():
        yield from _list_trigger_faults(name, table, sql, rng)
    for name, table, sql in connection.exec_driver_sql(query.format("index")).all():
        drop = f"DROP INDEX {name}"
        yield GuardFault("index dropped", name, [drop])
        yield GuardFault("index renamed", name, [drop, sql.replace(name, f"{name}_", 1)])
        if "UNIQUE" in sql:
            yield GuardFault("index not unique", name, [drop, sql.replace("UNIQUE ", "")])
            yield GuardFault("index of fewer rows", name, [drop, _add_condition(sql)])
        yield GuardFault("index of another column", name, [drop, f"CREATE INDEX {name} ON {table} (1)"])
    for name, _, sql in connection.exec_driver_sql(query.format("table")).all():
        if name != "alembic_version":
            yield from _list_table_faults(name, sql)


def _list_trigger_faults(name: str, table: str, sql: str, rng: random.Random) -> Iterator[GuardFault]:
    drop = f"DROP TRIGGER {name}"
    head = sql.partition(" ON ")[0]

    def replace(kind: str, text: str) -> GuardFault:
        return GuardFault(f"trigger {kind}", name, [drop, text])

    yield GuardFault("trigger dropped", name, [drop])
    yield replace("emptied", f"{head} ON {table} BEGIN SELECT 1; END")
    yield replace("renamed", sql.replace(name, f"{name}_", 1))
    yield replace("that never fires", f"{head} ON {table} WHEN 0 {sql[sql.index('BEGIN') :]}")
    yield replace("that fires late", sql.replace(" BEFORE ", " AFTER ", 1))
    yield replace("that warns only", sql.replace("RAISE(ABORT, 'append-only: ", "('append-only: "))
    yield replace("that ignores", re.sub(r"RAISE\(ABORT, '.*?'\)", "RAISE(IGNORE)", sql))
    rules = _RULE.findall(sql)
    if len(rules) > 1:
        yield replace("without a rule", sql.replace(rng.choice(rules), "", 1))
        yield replace("with a weaker rule", _weaken(sql, rules, rng))
    # The text alone: SQLite reads it when the file is opened.
    text = f"{head} ON {table} BEGIN SELECT 1; END"
    yield GuardFault(
        "trigger emptied in the file",
        name,
        [
            "PRAGMA writable_schema = ON",
            f"UPDATE sqlite_master SET sql = '{text}' WHERE name = '{name}'",
            "PRAGMA writable_schema = RESET",
        ],
    )


def _weaken(sql: str, rules: Sequence[str], rng: random.Random) -> str:
    rule = rng.choice(rules)
    condition, _, refusal = rule.partition("\n      THEN ")
    return sql.replace(rule, f"{condition} AND NEW.rowid = 0\n      THEN {refusal}", 1)


def _add_condition(sql: str) -> str:
    column = sql.partition("(")[2].partition(",")[0]
    return f"{sql} {'AND' if ' WHERE ' in sql else 'WHERE'} {column} IS NOT NULL"


def _list_table_faults(name: str, sql: str) -> Iterator[GuardFault]:
    """Yield the faults of a table, whose text is written into the file, or which is hidden by another one."""
    yield GuardFault("column added", name, [f"ALTER TABLE {name} ADD COLUMN more TEXT"])
    yield GuardFault(
        "view in the place of a table",
        name,
        [
            "PRAGMA legacy_alter_table = ON",
            f"ALTER TABLE {name} RENAME TO former",
            f"CREATE VIEW {name} AS SELECT * FROM former",
        ],
    )
    yield GuardFault("table dropped", name, ["PRAGMA foreign_keys = OFF", f"DROP TABLE {name}"])
    for kind, edit in _TABLE_EDITS.items():
        edited = edit(sql)
        if edited != sql:
            escaped = edited.replace("'", "''")
            yield GuardFault(
                kind,
                name,
                [
                    "PRAGMA writable_schema = ON",
                    f"UPDATE sqlite_master SET sql = '{escaped}' WHERE type = 'table' AND name = '{name}'",
                    "PRAGMA writable_schema = RESET",
                ],
            )
    triggered = f"CREATE TRIGGER more AFTER INSERT ON {name} BEGIN DELETE FROM {name}; END"
    yield GuardFault("trigger added", "more", [triggered])


_TABLE_EDITS: dict[str, Callable[[str], str]] = {
    "check that holds always": lambda sql: re.sub(r"CHECK \((?!1\))", "CHECK (1 OR ", sql, count=1),
    "reference to another table": lambda sql: re.sub(r"REFERENCES \w+", "REFERENCES registry", sql, count=1),
    "NULL allowed": lambda sql: sql.replace(" NOT NULL", "", 1),
    "another type": lambda sql: sql.replace(" INTEGER", " TEXT", 1),
}
