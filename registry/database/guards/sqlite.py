"""The guards on SQLite: triggers alone.

SQLite keeps any value in any column, and its REPLACE removes the row that has a new one's key without asking a
DELETE trigger: the triggers check types and keys, too.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.guards.rules import (
    CLOSED,
    NEWEST,
    OPENING,
    SEALED,
    Guard,
    Rule,
    closes_with_registry,
    is_fact,
    list_insert_rules,
    list_keys,
    list_tables,
)

# IS DISTINCT FROM is IS NOT in the SQLite versions that we support.
_DIALECT = {"IS DISTINCT FROM": "IS NOT", "greatest(": "max(", "[": "", "]": ""}


@cache
def build_guards() -> tuple[Guard, ...]:
    """Return the triggers in the order in which they are made.

    The newest one fires first: that the registry is closed should be the message.
    """
    guards = [
        _build_trigger(table, event, rules)
        for table in list_tables()
        for event, rules in (
            ("insert", [*list_type_rules(table), *list_insert_rules(table), *_list_key_rules(table)]),
            ("update", _list_update_rules(table)),
            ("delete", [Rule("", "DELETE is refused")]),
        )
    ]
    guards += [
        _build_closed_trigger(table, event)
        for table in filter(closes_with_registry, list_tables())
        for event in ("insert", "update")
        if event == "insert" or is_fact(table)
    ]
    return tuple(guards)


def _build_trigger(table: sa.Table, event: str, rules: list[Rule]) -> Guard:
    if rules[0].condition:
        # One SELECT asks less of every row than one for each rule.
        cases = "".join(f"\n    WHEN {rule.condition}\n      THEN {_raise(table, rule)}" for rule in rules)
        body = f"SELECT CASE{cases}\n  END"
    else:
        body = f"SELECT {_raise(table, rules[0])}"
    return _guard(table, event, f"BEGIN\n  {body};\nEND")


def _build_closed_trigger(table: sa.Table, event: str) -> Guard:
    refusal = _raise(table, Rule(CLOSED, "the registry is closed to writes"))
    return _guard(table, event, f"WHEN {CLOSED} BEGIN\n  SELECT {refusal};\nEND", f"closed_{event}")


def _guard(table: sa.Table, event: str, body: str, suffix: str = "") -> Guard:
    name = f"{table.name}_{suffix or event}"
    text = f"CREATE TRIGGER {name} BEFORE {event.upper()} ON {table.name} {translate(body)}"
    return Guard(name, table.name, (text,))


def translate(text: str) -> str:
    """Return the text of rules as SQLite reads it."""
    for common, ours in _DIALECT.items():
        text = text.replace(common, ours)
    return text


def _raise(table: sa.Table, rule: Rule) -> str:
    return f"RAISE(ABORT, 'append-only: {table.name}: {rule.sentence}')"


def list_type_rules(table: sa.Table) -> list[Rule]:
    """Return the rules for the types of values: SQLite keeps any value in any column."""
    return [Rule(_build_type_condition(column), f"{column.name} is of another type") for column in table.c]


def _build_type_condition(column: sa.Column[Any]) -> str:
    storage_class = "text"
    if isinstance(column.type, sa.Integer | sa.Boolean):
        storage_class = "integer"
    elif isinstance(column.type, sa.Double):
        storage_class = "real"
    elif isinstance(column.type, sa.LargeBinary):
        storage_class = "blob"
    condition = f"typeof(NEW.{column.name}) NOT IN ('{storage_class}', 'null')"
    if isinstance(column.type, sa.Boolean):
        condition += f" OR NEW.{column.name} NOT IN (0, 1)"
    return condition


def _list_key_rules(table: sa.Table) -> list[Rule]:
    return [
        Rule(f"EXISTS (SELECT 1 FROM [{table.name}] WHERE {key})", "a row with this key is there")
        for key in list_keys(table)
    ]


def _list_update_rules(table: sa.Table) -> list[Rule]:
    if is_fact(table):
        allowed = f"OLD.withdrawn_in IS NULL AND NEW.withdrawn_in IS {NEWEST}"
        return [_build_update_rule(table, "withdrawn_in", allowed), SEALED]
    if table is schema.closure:
        return [_build_update_rule(table, "opened_at", f"{OPENING} AND typeof(NEW.opened_at) = 'integer'")]
    return [Rule("", "this UPDATE is refused")]


def _build_update_rule(table: sa.Table, changed: str, allowed: str) -> Rule:
    kept = " AND ".join(
        f"NEW.{column.name} IS OLD.{column.name}" for column in table.c if column.name != changed
    )
    return Rule(f"NOT ({kept} AND {allowed})", "this UPDATE is refused")
