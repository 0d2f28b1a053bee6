"""A run is found by its name, also one that was withdrawn: in an index.

Frozen once released: it describes the schema as it was, and imports nothing of the software as it is.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_run_number", "run", ["experiment", "number"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_run_number", "run")
