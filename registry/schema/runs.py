"""Runs, the panels that are read out in them, and short names of detectors."""

from __future__ import annotations

import sqlalchemy as sa

from registry.schema.columns import fact_table, live_unique_index, metadata

run = fact_table(
    "run",
    sa.Column("experiment", sa.String(32), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("begin_at", sa.BigInteger),
    sa.Column("end_at", sa.BigInteger),
    live_unique_index("uq_run_live", "experiment", "number"),
    # For look-ups as of an earlier revision, and for SQLite's trigger that looks for the same row.
    sa.Index("ix_run_number", "experiment", "number"),
    # Which runs started within an interval.
    sa.Index("ix_run_begin", "experiment", "begin_at"),
    sa.CheckConstraint("end_at >= begin_at", name="ends_after_begin"),
)

configuration = fact_table(
    "configuration",
    sa.Column("experiment", sa.String(32), nullable=False),
    sa.Column("source", sa.String(160), nullable=False),
    sa.Column("first_run", sa.Integer, nullable=False),
    sa.Column("last_run", sa.Integer),
    sa.Column("object_name", sa.String(64)),
    sa.CheckConstraint("last_run >= first_run", name="runs_in_order"),
    sa.Index("ix_configuration_source", "experiment", "source", "first_run"),
)

configuration_panel = sa.Table(
    "configuration_panel",
    metadata,
    sa.Column("configuration_id", sa.Integer, sa.ForeignKey("configuration.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("panel_id", sa.Integer, sa.ForeignKey("panel.id"), nullable=False, index=True),
    # The place in the detector as the data system counts it; NULL where nobody stated it.
    sa.Column("segment", sa.Integer, sa.CheckConstraint("segment >= 0", name="segment_is_index")),
    sa.UniqueConstraint("configuration_id", "panel_id"),
    sa.Index("uq_configuration_panel_segment", "configuration_id", "segment", unique=True),
    sqlite_with_rowid=False,
    info={"parent": ("configuration", "configuration_id")},
)

# A short name of a detector Id.
detector_name = fact_table(
    "detector_name",
    sa.Column("name", sa.String(64), nullable=False),
    live_unique_index("uq_detector_name_live", "name"),
    # For look-ups as of an earlier revision.
    sa.Index("ix_detector_name_name", "name"),
)

detector_name_panel = sa.Table(
    "detector_name_panel",
    metadata,
    sa.Column("detector_name_id", sa.Integer, sa.ForeignKey("detector_name.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("panel_id", sa.Integer, sa.ForeignKey("panel.id"), nullable=False, index=True),
    sa.UniqueConstraint("detector_name_id", "panel_id"),
    sqlite_with_rowid=False,
    info={"parent": ("detector_name", "detector_name_id")},
)
