"""Replace the guards of a schema by those of another one; for migrations, which import nothing of the software.

Frozen: the migrations from 0009 on run it.
"""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa
from alembic import op

GUARDS = Path(__file__).parent
# The names of guards, in every schema; other triggers are not calreg's.
GUARD_NAME = re.compile("[a-z_]+_(insert|update|delete|truncate|closed_insert|closed_update|sealed)")


def drop_guards() -> None:
    """Drop every trigger and function of calreg in this schema, in whatever state it is."""
    if op.get_bind().dialect.name == "postgresql":
        _drop_on_postgresql()
        return
    query = sa.text("SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'")
    for name, table in op.get_bind().execute(query).all():
        if _is_guard(name, table):
            op.get_bind().exec_driver_sql(f'DROP TRIGGER "{name}"')


def _drop_on_postgresql() -> None:
    triggers = sa.text("""
        SELECT tgname, quote_ident(tgname), relname, quote_ident(relname), proname
        FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid JOIN pg_proc ON pg_proc.oid = tgfoid
        WHERE NOT tgisinternal AND relnamespace = quote_ident(current_schema())::regnamespace""")
    for name, quoted, table, quoted_table, function in op.get_bind().execute(triggers).all():
        if _is_guard(name, table) or function.startswith("calreg_"):
            op.get_bind().exec_driver_sql(f"DROP TRIGGER {quoted} ON {quoted_table}")
    # One that a trigger elsewhere executes cannot be dropped: it is replaced.
    functions = sa.text(r"""
        SELECT oid::regprocedure FROM pg_proc
        WHERE pronamespace = quote_ident(current_schema())::regnamespace AND proname LIKE 'calreg\_%'
              AND NOT EXISTS (SELECT 1 FROM pg_trigger WHERE tgfoid = pg_proc.oid)""")
    for function in op.get_bind().execute(functions).scalars().all():
        op.get_bind().exec_driver_sql(f"DROP ROUTINE {function}")


def _is_guard(name: str, table: str) -> bool:
    return name.startswith(f"{table}_") and GUARD_NAME.fullmatch(name) is not None


def create_guards(schema: str) -> None:
    """Create the guards of a schema from their frozen text."""
    dialect = op.get_bind().dialect.name
    text = (GUARDS / f"{schema}_{dialect}.sql").read_text(encoding="utf-8")
    if dialect == "postgresql":
        ours = op.get_bind().execute(sa.text("SELECT quote_ident(current_schema())")).scalar_one()
        text = text.replace("@schema@", ours).replace("%", "%%")
    for statement in re.split("^-- .*\n", text, flags=re.MULTILINE):
        if statement.strip():
            op.get_bind().exec_driver_sql(statement)
