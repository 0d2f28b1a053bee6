"""Seals of revisions and of exports; guards with one text; the lineage of a registry; names of snapshots.

Frozen once released: it describes the schema of its time, and imports nothing of the software.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    raise NotImplementedError


def downgrade() -> None:
    raise NotImplementedError
