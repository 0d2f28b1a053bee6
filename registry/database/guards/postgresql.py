"""The guards on PostgreSQL: functions, and triggers that execute them in every session (ENABLE ALWAYS).

The functions name the schema of their tables, and look for nothing else there: neither a temporary table named
revision, nor an operator that somebody adds to the schema, speaks for the real one. ``@schema@`` in their text stands
for the schema's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import sqlalchemy as sa

from registry import schema
from registry.database.guards.rules import (
    CLOSED,
    NEWEST,
    OPENING,
    SEALED,
    Guard,
    closes_with_registry,
    is_fact,
    list_insert_rules,
    list_tables,
)

SCHEMA = "@schema@"
SETTINGS = "search_path=pg_catalog, pg_temp"
_ERROR = "USING ERRCODE = 'integrity_constraint_violation'"


@dataclass(frozen=True, slots=True)
class Function:
    """A function without arguments that triggers execute."""

    name: str
    body: str

    @property
    def statement(self) -> str:
        """The statement that creates it, or replaces one of the same name."""
        settings = SETTINGS.replace("=", " = ")
        head = f"CREATE OR REPLACE FUNCTION {SCHEMA}.{self.name}() RETURNS trigger LANGUAGE plpgsql"
        return f"{head} SET {settings} AS $${self.body}$$"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger on a table; a deferred one is asked when the transaction is committed."""

    table: str
    suffix: str
    event: str
    level: str
    function: str
    deferred: bool = False

    @property
    def name(self) -> str:
        """The name, which begins with that of the table."""
        return f"{self.table}_{self.suffix}"

    @property
    def statement(self) -> str:
        """The statement that creates it, as PostgreSQL itself writes it."""
        constraint, timing, when = ("", "BEFORE", "")
        if self.deferred:
            constraint, timing, when = "CONSTRAINT ", "AFTER", " DEFERRABLE INITIALLY DEFERRED"
        return (
            f"CREATE {constraint}TRIGGER {self.name} {timing} {self.event} ON {SCHEMA}.{self.table}{when}"
            f" FOR EACH {self.level} EXECUTE FUNCTION {SCHEMA}.{self.function}()"
        )


@cache
def build_guards() -> tuple[Guard, ...]:
    """Return the functions and the triggers in the order in which they are made."""
    functions = [Guard(function.name, None, (function.statement,)) for function in build_functions()]
    triggers = [
        Guard(
            trigger.name,
            trigger.table,
            # ALWAYS: session_replication_role does not switch it off.
            (
                trigger.statement,
                f"ALTER TABLE {SCHEMA}.{trigger.table} ENABLE ALWAYS TRIGGER {trigger.name}",
            ),
        )
        for trigger in build_triggers()
    ]
    return (*functions, *triggers)


@cache
def build_functions() -> tuple[Function, ...]:
    """Return the functions that the triggers execute."""
    functions = [
        Function(
            "calreg_refuse",
            _body(f"RAISE EXCEPTION 'append-only: %: % is refused', TG_TABLE_NAME, TG_OP {_ERROR};"),
        ),
        Function("calreg_withdraw", _WITHDRAW),
        Function("calreg_open", _OPEN),
        Function("calreg_closed", _CLOSED),
        *(_build_insert_function(table) for table in list_tables()),
        _build_sealed_function("revision", "number", "seal", "revision"),
        _build_sealed_function("export", "id", "export_seal", "export"),
    ]
    return tuple(functions)


@cache
def build_triggers() -> tuple[Trigger, ...]:
    """Return the triggers on all tables."""
    return tuple(trigger for table in list_tables() for trigger in _build_triggers_on(table))


def _build_triggers_on(table: sa.Table) -> Iterator[Trigger]:
    name = table.name
    update = "calreg_open" if table is schema.closure else "calreg_refuse"
    update = "calreg_withdraw" if is_fact(table) else update
    yield Trigger(name, "insert", "INSERT", "ROW", f"calreg_insert_{name}")
    yield Trigger(name, "update", "UPDATE", "ROW", update)
    yield Trigger(name, "delete", "DELETE", "ROW", "calreg_refuse")
    yield Trigger(name, "truncate", "TRUNCATE", "STATEMENT", "calreg_refuse")
    if closes_with_registry(table):
        # Once a statement, not once a row: a bulk import runs this check a few times, not a million times.
        yield Trigger(name, "closed_insert", "INSERT", "STATEMENT", "calreg_closed")
    if closes_with_registry(table) and is_fact(table):
        yield Trigger(name, "closed_update", "UPDATE", "STATEMENT", "calreg_closed")
    if table is schema.revision or table is schema.export:
        yield Trigger(name, "sealed", "INSERT", "ROW", f"calreg_{name}_sealed", deferred=True)


def _body(*lines: str, declare: str = "") -> str:
    """Return a function's body, in which ``[name]`` becomes a table of the schema."""
    return translate("\n".join([declare, "BEGIN", *(f"    {line}" for line in lines), "END "]))


def translate(text: str) -> str:
    """Return the text of rules with the schema of each table."""
    return re.sub(r"\[(\w+)\]", rf"{SCHEMA}.\1", text)


_REFUSE_UPDATE = f"RAISE EXCEPTION 'append-only: %: this UPDATE is refused', TG_TABLE_NAME {_ERROR};"
_WITHDRAW = _body(
    f"IF OLD.withdrawn_in IS NOT NULL OR NEW.withdrawn_in IS DISTINCT FROM {NEWEST} THEN",
    f"    {_REFUSE_UPDATE}",
    "END IF;",
    "OLD.withdrawn_in := NEW.withdrawn_in;",
    "IF NEW *<> OLD THEN",
    f"    {_REFUSE_UPDATE}",
    "END IF;",
    f"IF {SEALED.condition} THEN",
    f"    RAISE EXCEPTION 'append-only: %: {SEALED.sentence}', TG_TABLE_NAME {_ERROR};",
    "END IF;",
    "RETURN NEW;",
)
_OPEN = _body(
    f"IF NOT ({OPENING}) THEN",
    f"    {_REFUSE_UPDATE}",
    "END IF;",
    "OLD.opened_at := NEW.opened_at;",
    "IF NEW *<> OLD THEN",
    f"    {_REFUSE_UPDATE}",
    "END IF;",
    "RETURN NEW;",
)
_CLOSED = _body(
    f"IF {CLOSED} THEN",
    f"    RAISE EXCEPTION 'append-only: %: the registry is closed to writes', TG_TABLE_NAME {_ERROR};",
    "END IF;",
    "RETURN NULL;",
)


def _build_insert_function(table: sa.Table) -> Function:
    # One expression: PostgreSQL begins and ends a query for every one that reads tables.
    cases = "\n".join(
        f"        WHEN {rule.condition} THEN '{rule.sentence}'" for rule in list_insert_rules(table)
    )
    body = _body(
        "IF problem IS NOT NULL THEN",
        f"    RAISE EXCEPTION 'append-only: {table.name}: %', problem {_ERROR};",
        "END IF;",
        "RETURN NEW;",
        declare=f"\nDECLARE\n    problem text := CASE\n{cases}\n    END;",
    )
    return Function(f"calreg_insert_{table.name}", body)


def _build_sealed_function(table: str, key: str, seal: str, reference: str) -> Function:
    body = _body(
        f"IF NOT EXISTS (SELECT 1 FROM [{seal}] WHERE {reference} = NEW.{key}) THEN",
        f"    RAISE EXCEPTION 'append-only: {table}: {table} % is not sealed', NEW.{key} {_ERROR};",
        "END IF;",
        "RETURN NULL;",
    )
    return Function(f"calreg_{table}_sealed", body)
