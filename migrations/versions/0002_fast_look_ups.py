"""Look-ups from indexes alone; longer panel Ids; the conversion of a version from the maker's file.

Frozen once released: it describes the schema of its time, and imports nothing of the software.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# SQLite's triggers name every column: the text to add for the new one, and where.
GUARDED_ON_SQLITE = {
    "version_insert": (
        "BEFORE INSERT ON version BEGIN\n",
        (
            "  SELECT RAISE(ABORT, 'append-only: version: conversion is of another type')"
            " WHERE typeof(NEW.conversion) NOT IN ('text', 'null');\n"
        ),
    ),
    "version_update": ("WHEN NOT (", "NEW.conversion IS OLD.conversion AND "),
}


def upgrade() -> None:
    op.add_column("version", sa.Column("conversion", sa.Text(), nullable=True))
    op.create_index("ix_alias_panel_id", "alias", ["panel_id"], unique=False)
    op.drop_index("ix_version_start", "version")
    op.create_index(
        "ix_version_as_of",
        "version",
        ["panel_id", "kind", "valid_from", "recorded_in", "withdrawn_in", "id"],
        unique=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("panel", "identifier", type_=sa.String(length=128))
    else:  # SQLite keeps texts of any length
        for trigger, (start, guard) in GUARDED_ON_SQLITE.items():
            _rewrite_on_sqlite(trigger, start, start + guard)


def downgrade() -> None:
    _refuse_loss()
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("panel", "identifier", type_=sa.String(length=64))
    else:
        for trigger, (_, guard) in GUARDED_ON_SQLITE.items():
            _rewrite_on_sqlite(trigger, guard, "")
    op.drop_index("ix_alias_panel_id", "alias")
    op.drop_index("ix_version_as_of", "version")
    op.create_index(
        "ix_version_start", "version", ["panel_id", "kind", "valid_from", "recorded_in"], unique=False
    )
    op.drop_column("version", "conversion")


def _refuse_loss() -> None:
    lost = {
        "versions that say from what they were converted": "version WHERE conversion IS NOT NULL",
        "panels with Ids of more than 64 characters": "panel WHERE length(identifier) > 64",
    }
    for what, rows in lost.items():
        count = op.get_bind().execute(sa.text(f"SELECT count(*) FROM {rows}")).scalar_one()
        if count:
            raise RuntimeError(f"this registry has {count} {what}; going below schema 0002 would lose them")


def _rewrite_on_sqlite(trigger: str, old: str, new: str) -> None:
    """Replace a part of a trigger's text."""
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = :name")
    text = op.get_bind().execute(query, {"name": trigger}).scalar_one()
    if text.count(old) != 1:
        raise RuntimeError(f"the trigger {trigger} is not the one that schema 0001 made; nothing was changed")
    op.execute(f"DROP TRIGGER {trigger}")
    op.get_bind().exec_driver_sql(text.replace(old, new))
