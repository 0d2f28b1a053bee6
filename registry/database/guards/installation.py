"""The guards in a database: disabled while rows are copied, and replaced where they are not those of this software."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from registry import schema
from registry.database.guards.postgresql import SCHEMA
from registry.database.guards.texts import build_guards

_GUARD_NAME = re.compile("[a-z_]+_(insert|update|delete|truncate|closed_insert|closed_update|sealed)")
_OURS = "relnamespace = quote_ident(current_schema()::text)::regnamespace"

# Whatever stands on the tables in place of the guards, or beside them.
_DROPS = (
    f"""SELECT format('DROP TRIGGER %I ON %I', tgname, relname) FROM pg_trigger
        JOIN pg_class ON pg_class.oid = tgrelid
        WHERE NOT tgisinternal AND {_OURS} AND relname = ANY(:tables)""",
    f"""SELECT format('DROP RULE %I ON %I', rulename, relname) FROM pg_rewrite
        JOIN pg_class ON pg_class.oid = ev_class
        WHERE {_OURS} AND relkind IN ('r', 'p') AND relname = ANY(:tables)""",
    f"""SELECT format('DROP POLICY %I ON %I', polname, relname) FROM pg_policy
        JOIN pg_class ON pg_class.oid = polrelid WHERE {_OURS} AND relname = ANY(:tables)""",
    f"""SELECT format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', relname) FROM pg_class
        WHERE {_OURS} AND (relrowsecurity OR relforcerowsecurity) AND relname = ANY(:tables)""",
    # One that a trigger elsewhere executes cannot be dropped: it is replaced.
    r"""SELECT format('DROP ROUTINE %s', pg_proc.oid::regprocedure) FROM pg_proc
        WHERE pronamespace = quote_ident(current_schema()::text)::regnamespace AND proname LIKE 'calreg\_%'
              AND NOT EXISTS (SELECT 1 FROM pg_trigger WHERE tgfoid = pg_proc.oid)""",
)


def replace_guards(connection: sa.Connection) -> None:
    """Drop all triggers on the tables, and what else changes their writes, and make the guards anew."""
    if connection.dialect.name == "sqlite":
        for name in (
            connection.execute(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
            .scalars()
            .all()
        ):
            connection.exec_driver_sql(f'DROP TRIGGER "{name}"')
    else:
        for query in _DROPS:
            statements = connection.execute(sa.text(query), {"tables": list(schema.metadata.tables)})
            for statement in statements.scalars().all():
                connection.exec_driver_sql(statement.replace("%", "%%"))
    _create_guards(connection)


def _create_guards(connection: sa.Connection) -> None:
    name = ""
    if connection.dialect.name == "postgresql":
        name = connection.execute(sa.text("SELECT quote_ident(current_schema()::text)")).scalar_one()
    for guard in build_guards(connection.dialect.name):
        for statement in guard.statements:
            connection.exec_driver_sql(
                statement.replace(SCHEMA, name).replace("%", "%%") if name else statement
            )


@contextmanager
def disable_guards(connection: sa.Connection, tables: Collection[str] | None = None) -> Iterator[None]:
    """Disable the guards of any schema of calreg, and enable them at the end, in the same transaction.

    With `tables` only those of these tables: the fewer they are, the quicker.
    """
    if connection.dialect.name == "sqlite":
        query = sa.text("SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid")
        rows = connection.execute(query).all()
        triggers = [row for row in rows if _is_guard_of(row.name, row.tbl_name, tables)]
        for trigger in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {trigger.name}")
        yield
        for trigger in triggers:
            connection.exec_driver_sql(trigger.sql)
        return
    query = sa.text(
        "SELECT relname, tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
        f" WHERE NOT tgisinternal AND {_OURS}"
    )
    rows = connection.execute(query).all()
    guards = [(table, name) for table, name in rows if _is_guard_of(name, table, tables)]
    for table, name in guards:
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER {name}")
    yield
    for table, name in guards:
        connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def _is_guard_of(name: str, table: str, tables: Collection[str] | None) -> bool:
    is_wanted = tables is None or table in tables
    return is_wanted and name.startswith(f"{table}_") and _GUARD_NAME.fullmatch(name) is not None
