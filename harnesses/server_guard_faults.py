"""Faults of guards on PostgreSQL: triggers, functions, indexes, constraints and tables, and what goes around them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from harnesses.guard_faults import GuardFault
from registry import schema

_RULE = re.compile(r"\n        WHEN .+? THEN '[^']*'", re.DOTALL)
_OTHER = "CREATE SCHEMA other"
_COLUMNS = {name: next(iter(table.c)).name for name, table in schema.metadata.tables.items()}
_EMPTY = "RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$"


def list_server_faults(connection: sa.Connection, rng: random.Random) -> Iterator[GuardFault]:
    """Yield the faults of every trigger, function, index, constraint and table."""
    yield from _list_trigger_faults(connection)
    yield from _list_function_faults(connection, rng)
    yield from _list_index_faults(connection)
    yield from _list_constraint_faults(connection)
    yield from _list_table_faults(connection)


def _list_trigger_faults(connection: sa.Connection) -> Iterator[GuardFault]:
    query = """SELECT tgname, relname, pg_get_triggerdef(pg_trigger.oid) FROM pg_trigger
               JOIN pg_class ON pg_class.oid = tgrelid
               WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace ORDER BY tgname"""
    for name, table, sql in connection.exec_driver_sql(query).all():
        drop, alter = f"DROP TRIGGER {name} ON {table}", f"ALTER TABLE {table}"
        always = f"{alter} ENABLE ALWAYS TRIGGER {name}"
        yield GuardFault("trigger dropped", name, [drop])
        yield GuardFault("trigger disabled", name, [f"{alter} DISABLE TRIGGER {name}"])
        yield GuardFault("trigger not in a replica", name, [f"{alter} ENABLE TRIGGER {name}"])
        yield GuardFault("trigger only in a replica", name, [f"{alter} ENABLE REPLICA TRIGGER {name}"])
        yield GuardFault("trigger renamed", name, [f"ALTER TRIGGER {name} ON {table} RENAME TO {name}_"])
        emptied = [
            _OTHER,
            f"CREATE FUNCTION other.calreg_refuse() {_EMPTY}",
            drop,
            re.sub(r"EXECUTE FUNCTION \S+", "EXECUTE FUNCTION other.calreg_refuse()", sql),
            always,
        ]
        yield GuardFault("trigger of another schema's function", name, emptied)
        never = re.sub(r" EXECUTE FUNCTION", " WHEN (false) EXECUTE FUNCTION", sql)
        yield GuardFault("trigger that never fires", name, [drop, never, always])
        if "CONSTRAINT" in sql:
            at_once = sql.replace(" DEFERRABLE INITIALLY DEFERRED", "")
            yield GuardFault("trigger that is not deferred", name, [drop, at_once, always])
        elif " BEFORE UPDATE ON" in sql:
            once = sql.replace("BEFORE UPDATE", f"BEFORE UPDATE OF {_COLUMNS[table]}")
            yield GuardFault("trigger of one column", name, [drop, once, always])


def _list_function_faults(connection: sa.Connection, rng: random.Random) -> Iterator[GuardFault]:
    query = """SELECT proname, prosrc, pg_get_functiondef(oid) FROM pg_proc
               WHERE pronamespace = current_schema()::regnamespace AND proname LIKE 'calreg%%' ORDER BY proname"""
    for name, body, sql in connection.exec_driver_sql(query).all():
        alter = f"ALTER FUNCTION {name}()"
        yield GuardFault("function emptied", name, [f"CREATE OR REPLACE FUNCTION {name}() {_EMPTY}"])
        late = sql.replace(body, body.replace("BEGIN", "BEGIN RETURN NEW;", 1))
        yield GuardFault("function that returns at once", name, [late])
        yield GuardFault("function renamed", name, [f"{alter} RENAME TO {name}_"])
        yield GuardFault("function in another schema", name, [_OTHER, f"{alter} SET SCHEMA other"])
        yield GuardFault(
            "function with another search path", name, [f"{alter} SET search_path = other, public"]
        )
        yield GuardFault("function without settings", name, [f"{alter} RESET ALL"])
        yield GuardFault("function with one more setting", name, [f"{alter} SET row_security = off"])
        yield GuardFault("function of its owner's rights", name, [f"{alter} SECURITY DEFINER"])
        yield GuardFault("function that sees older rows", name, [f"{alter} STABLE"])
        yield GuardFault("function not called for NULL", name, [f"{alter} STRICT"])
        rules = _RULE.findall(body)
        if len(rules) > 1:
            yield GuardFault("function without a rule", name, [sql.replace(rng.choice(rules), "", 1)])
            rule = rng.choice(rules)
            weaker = rule.replace(" THEN", " AND false THEN", 1)
            yield GuardFault("function with a weaker rule", name, [sql.replace(rule, weaker, 1)])


def _list_index_faults(connection: sa.Connection) -> Iterator[GuardFault]:
    query = """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
               JOIN pg_class ON pg_class.oid = indrelid WHERE relnamespace = current_schema()::regnamespace
               AND relname <> 'alembic_version'
               AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid) ORDER BY 1"""
    for name, sql in connection.exec_driver_sql(query).all():
        drop = f"DROP INDEX {name}"
        yield GuardFault("index dropped", name, [drop])
        yield GuardFault("index renamed", name, [f"ALTER INDEX {name} RENAME TO {name}_"])
        yield GuardFault("index descending", name, [drop, re.sub(r"\(([^,)]+)", r"(\1 DESC", sql, count=1)])
        if "UNIQUE" in sql:
            yield GuardFault("index not unique", name, [drop, sql.replace("UNIQUE ", "")])
            condition = " AND panel_id > 0" if " WHERE " in sql and "panel" in sql else ""
            fewer = f"{sql}{condition}" if " WHERE " in sql else f"{sql} WHERE segment > 0"
            if fewer != sql:
                yield GuardFault("index of fewer rows", name, [drop, fewer])


def _list_constraint_faults(connection: sa.Connection) -> Iterator[GuardFault]:
    query = """SELECT conrelid::regclass::text, conname, contype::text, pg_get_constraintdef(pg_constraint.oid)
               FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
               WHERE relnamespace = current_schema()::regnamespace AND relname <> 'alembic_version'
               AND contype IN ('c', 'f', 'p', 'u') ORDER BY 1, 2"""
    for table, name, sort, sql in connection.exec_driver_sql(query).all():
        alter = f"ALTER TABLE {table}"
        drop = f"{alter} DROP CONSTRAINT {name} CASCADE"
        yield GuardFault(f"{_SORTS[sort]} dropped", name, [drop])
        yield GuardFault(f"{_SORTS[sort]} renamed", name, [f"{alter} RENAME CONSTRAINT {name} TO {name}_"])
        if sort in "cf":
            yield GuardFault(
                f"{_SORTS[sort]} not validated",
                name,
                [drop, f"{alter} ADD CONSTRAINT {name} {sql} NOT VALID"],
            )
        if sort == "c":
            weaker = f"{alter} ADD CONSTRAINT {name} CHECK (true OR {sql.removeprefix('CHECK ')})"
            yield GuardFault("check that holds always", name, [drop, weaker])
        if sort == "f":
            deferred = f"{alter} ADD CONSTRAINT {name} {sql} ON DELETE CASCADE DEFERRABLE"
            yield GuardFault("foreign key that cascades", name, [drop, deferred])


_SORTS = {"c": "check", "f": "foreign key", "p": "primary key", "u": "unique key"}


def _list_table_faults(connection: sa.Connection) -> Iterator[GuardFault]:
    query = """SELECT table_name, min(column_name) FROM information_schema.columns
               WHERE table_schema = current_schema() AND table_name <> 'alembic_version' GROUP BY 1 ORDER BY 1"""
    for table, column in connection.exec_driver_sql(query).all():
        alter = f"ALTER TABLE {table}"
        for kind, statements in _build_table_faults(table, alter, column).items():
            yield GuardFault(kind, table, statements)


def _build_table_faults(table: str, alter: str, column: str) -> dict[str, Any]:
    return {
        "column added": [f"{alter} ADD COLUMN more text"],
        "column with a default": [f"{alter} ALTER COLUMN {column} SET DEFAULT NULL::text::bigint"]
        if column in {"number", "id", "configuration_id", "export_id", "export"}
        else [f"{alter} ADD COLUMN more bigint DEFAULT 1"],
        "NULL allowed": [f"{alter} DROP CONSTRAINT pk_{table} CASCADE"],
        "rule that drops a statement": [f"CREATE RULE more AS ON DELETE TO {table} DO INSTEAD NOTHING"],
        "rule that drops rows": [f"CREATE RULE more AS ON INSERT TO {table} DO INSTEAD NOTHING"],
        "rows hidden by a policy": [
            f"{alter} ENABLE ROW LEVEL SECURITY",
            f"{alter} FORCE ROW LEVEL SECURITY",
        ],
        "table that inherits": [f"CREATE TABLE more () INHERITS ({table})"],
        "table in another schema": [_OTHER, f"{alter} SET SCHEMA other"],
        "view in the place of a table": [
            f"{alter} RENAME TO former",
            f"CREATE VIEW {table} AS SELECT * FROM former",
        ],
        "trigger added": [
            f"CREATE FUNCTION more() {_EMPTY.replace('RETURN NEW', 'RETURN NULL')}",
            f"CREATE TRIGGER a_first BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION more()",
        ],
        "foreign keys disabled": [f"{alter} DISABLE TRIGGER ALL"],
    }
