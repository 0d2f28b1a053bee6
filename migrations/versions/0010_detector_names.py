"""Short names of detectors.

Frozen once released: it describes the schema of its time, and imports nothing of the software.

Back to schema 0009 it goes only where no name was recorded: the seals of revisions contain them.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

GUARDS = runpy.run_path(str(Path(__file__).parent.parent / "guards" / "replacement.py"))


def upgrade() -> None:
    GUARDS["drop_guards"]()
    op.create_table(
        "detector_name",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.Column("withdrawn_in", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.CheckConstraint("withdrawn_in > recorded_in", name=op.f("ck_detector_name_withdrawn_later")),
        sa.ForeignKeyConstraint(
            ["recorded_in"], ["revision.number"], name=op.f("fk_detector_name_recorded_in")
        ),
        sa.ForeignKeyConstraint(
            ["withdrawn_in"], ["revision.number"], name=op.f("fk_detector_name_withdrawn_in")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_detector_name")),
    )
    op.create_index("ix_detector_name_recorded_in", "detector_name", ["recorded_in", "id"])
    op.create_index("ix_detector_name_withdrawn_in", "detector_name", ["withdrawn_in", "id"])
    live = sa.text("withdrawn_in IS NULL")
    op.create_index(
        "uq_detector_name_live",
        "detector_name",
        ["name"],
        unique=True,
        sqlite_where=live,
        postgresql_where=live,
    )
    op.create_index("ix_detector_name_name", "detector_name", ["name"])
    op.create_table(
        "detector_name_panel",
        sa.Column("detector_name_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("panel_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["detector_name_id"], ["detector_name.id"], name=op.f("fk_detector_name_panel_detector_name_id")
        ),
        sa.ForeignKeyConstraint(["panel_id"], ["panel.id"], name=op.f("fk_detector_name_panel_panel_id")),
        sa.PrimaryKeyConstraint("detector_name_id", "position", name=op.f("pk_detector_name_panel")),
        sa.UniqueConstraint(
            "detector_name_id", "panel_id", name=op.f("uq_detector_name_panel_detector_name_id_panel_id")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_detector_name_panel_panel_id", "detector_name_panel", ["panel_id"])
    GUARDS["create_guards"]("0010")


def downgrade() -> None:
    count = op.get_bind().execute(sa.text("SELECT count(*) FROM detector_name")).scalar_one()
    if count:
        raise RuntimeError(
            f"this registry has {count} names of detectors; going below schema 0010 would lose them, and break the"
            " seals that contain them"
        )
    GUARDS["drop_guards"]()
    op.drop_table("detector_name_panel")
    op.drop_table("detector_name")
    GUARDS["create_guards"]("0009")
