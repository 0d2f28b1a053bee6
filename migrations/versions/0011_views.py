"""Views with names and times in texts, and what a SQLite file says that it is.

Frozen once released: it describes the schema of its time, and imports nothing of the software.
"""

from __future__ import annotations

import runpy
from pathlib import Path

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

VIEWS = runpy.run_path(str(Path(__file__).parent.parent / "views" / "replacement.py"))
APPLICATION_ID = 1667329138  # "calr"


def upgrade() -> None:
    VIEWS["create_views"]("0011")
    _set_application_id(APPLICATION_ID)


def downgrade() -> None:
    VIEWS["drop_views"]()
    _set_application_id(0)


def _set_application_id(number: int) -> None:
    # Part of the transaction: it is in the first page of the file.
    if op.get_bind().dialect.name == "sqlite":
        op.get_bind().exec_driver_sql(f"PRAGMA application_id = {number}")
