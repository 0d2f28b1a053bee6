"""An index that finds a run by its name, a withdrawn one too.

Frozen once released: it describes the schema of its time, and imports nothing of the software.
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
