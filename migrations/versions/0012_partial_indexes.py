"""Indexes of what few rows have: withdrawals, origins, conversions; and the revisions by their times.

Frozen once released: it describes the schema of its time, and imports nothing of the software.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

FACTS = ("alias", "timezone", "run", "configuration", "detector_name", "version")
FACTS_OF_PANELS = ("alias", "version")
WITHDRAWALS = {f"ix_{table}_withdrawn_in": (table, ["withdrawn_in", "id"]) for table in FACTS} | {
    f"ix_{table}_panel_withdrawn_in": (table, ["panel_id", "withdrawn_in", "id"]) for table in FACTS_OF_PANELS
}


def upgrade() -> None:
    for name, (table, columns) in WITHDRAWALS.items():
        op.drop_index(name, table)
        _create_partial_index(name, table, columns, "withdrawn_in")
    _create_partial_index("ix_version_carried_from", "version", ["carried_from"], "carried_from")
    _create_partial_index("ix_version_conversion", "version", ["id"], "conversion")
    op.create_index("ix_revision_recorded_at", "revision", ["recorded_at", "number"])


def downgrade() -> None:
    op.drop_index("ix_revision_recorded_at", "revision")
    op.drop_index("ix_version_conversion", "version")
    op.drop_index("ix_version_carried_from", "version")
    for name, (table, columns) in WITHDRAWALS.items():
        op.drop_index(name, table)
        op.create_index(name, table, columns)


def _create_partial_index(name: str, table: str, columns: list[str], present: str) -> None:
    """Create an index of the rows in which a column is not NULL."""
    where = sa.text(f"{present} IS NOT NULL")
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
