"""Drop and create the views of a schema; for migrations, which import nothing of the software.

A migration that changes a table drops the views first, as it does the guards, and creates them afterwards: neither
database changes a column that a view reads.

Frozen: the migrations from 0011 on run it.
"""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy as sa
from alembic import op

VIEWS = Path(__file__).parent
NAMES = ("v_validity", "v_runs", "v_log")


def drop_views() -> None:
    """Drop the views of calreg in this schema; somebody's own, which may read them, are not dropped with them."""
    for name in NAMES:
        if name in sa.inspect(op.get_bind()).get_view_names():
            op.get_bind().exec_driver_sql(f"DROP VIEW {name}")


def create_views(schema: str) -> None:
    """Create the views of a schema from their frozen text; raise FileExistsError where a name is somebody's."""
    dialect = op.get_bind().dialect.name
    for name in NAMES:
        if name in _list_names():
            raise FileExistsError(
                f"the database has a table or view {name} that is not calreg's, and the schema {schema} has a view of"
                " that name: give it another one"
            )
    text = (VIEWS / f"{schema}_{dialect}.sql").read_text(encoding="utf-8")
    for statement in re.split("^-- .*\n", text, flags=re.MULTILINE):
        if statement.strip():
            op.get_bind().exec_driver_sql(
                statement.replace("%", "%%") if dialect == "postgresql" else statement
            )


def _list_names() -> set[str]:
    inspector = sa.inspect(op.get_bind())
    return {*inspector.get_table_names(), *inspector.get_view_names()}
