"""Patterns, by which sensors are known again; versions of which it was said that another module's files are meant.

Frozen once released: it describes the schema of its time, and imports nothing of the software.

Back to schema 0008 it goes only where nothing of this was recorded: the seals of revisions contain it.
"""

from __future__ import annotations

import runpy
from pathlib import Path

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

GUARDS = runpy.run_path(str(Path(__file__).parent.parent / "guards" / "replacement.py"))


def upgrade() -> None:
    GUARDS["drop_guards"]()
    op.create_table(
        "blob_pattern",
        sa.Column("blob", sa.String(length=64), nullable=False),
        sa.Column("algorithm", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("signs", sa.LargeBinary(), nullable=True),
        sa.Column("samples", sa.LargeBinary(), nullable=True),
        sa.Column("recorded_in", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(signs IS NULL AND samples IS NULL)"
            " OR (signs IS NOT NULL AND samples IS NOT NULL AND length(samples) <= 4096)",
            name=op.f("ck_blob_pattern_signs_with_samples"),
        ),
        sa.CheckConstraint(
            "length(blob) = 64 AND blob = lower(blob)", name=op.f("ck_blob_pattern_blob_is_digest")
        ),
        sa.ForeignKeyConstraint(["blob"], ["blob.sha256"], name=op.f("fk_blob_pattern_blob")),
        sa.ForeignKeyConstraint(
            ["recorded_in"], ["revision.number"], name=op.f("fk_blob_pattern_recorded_in")
        ),
        sa.PrimaryKeyConstraint("blob", "algorithm", name=op.f("pk_blob_pattern")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_blob_pattern_recorded_in", "blob_pattern", ["recorded_in", "blob", "algorithm"])
    op.add_column("version", sa.Column("same_as", sa.String(length=16), nullable=True))
    op.add_column("version", sa.Column("pattern_allowed", sa.Boolean(), nullable=True))
    GUARDS["create_guards"]("0009")


def downgrade() -> None:
    _refuse_loss()
    GUARDS["drop_guards"]()
    op.drop_table("blob_pattern")
    op.drop_column("version", "same_as")
    op.drop_column("version", "pattern_allowed")
    GUARDS["create_guards"]("0008")


def _refuse_loss() -> None:
    lost = {
        "patterns": "blob_pattern",
        "versions with another module's files, as stated": "version WHERE same_as IS NOT NULL",
        "versions that look like another sensor's, as allowed": "version WHERE pattern_allowed IS NOT NULL",
    }
    for rows_name, rows in lost.items():
        count = op.get_bind().execute(sa.text(f"SELECT count(*) FROM {rows}")).scalar_one()
        if count:
            raise RuntimeError(
                f"this registry has {count} {rows_name}; going below schema 0009 would lose them, and break the seals"
                " that contain them"
            )
