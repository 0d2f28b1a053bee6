"""Panels, the M-numbers that they bear, and the time zone of stamps."""

from __future__ import annotations

import sqlalchemy as sa

from registry.schema.columns import (
    fact_table,
    history_indexes,
    id_column,
    live_unique_index,
    metadata,
    recording_column,
)

panel = sa.Table(
    "panel",
    metadata,
    id_column(),
    # SQLite keeps texts of any length; its column is that of the first schema.
    sa.Column(
        "identifier", sa.String(128).with_variant(sa.String(64), "sqlite"), nullable=False, unique=True
    ),
    sa.Column("detector_type", sa.String(32), nullable=False),
    # Hexadecimal texts: they are unsigned 64-bit numbers, and BIGINT is signed.
    sa.Column("module_version", sa.String(16), nullable=False),
    sa.Column("firmware_version", sa.String(16), nullable=False),
    sa.Column("serial_number", sa.String(16), nullable=False, index=True),
    recording_column(),
    sa.Index("ix_panel_recorded_in", "recorded_in", "id"),
)

alias = fact_table(
    "alias",
    sa.Column("m_number", sa.String(8), nullable=False, index=True),
    sa.Column("panel_id", sa.Integer, sa.ForeignKey("panel.id"), nullable=False),
    # A panel bears an M-number until the start time of its next one.
    sa.Column("valid_from", sa.BigInteger, nullable=False),
    # True where another serial number under the M-number is meant; NULL where nothing was said.
    sa.Column("same_module", sa.Boolean),
    live_unique_index("uq_alias_live", "panel_id", "valid_from"),
    *history_indexes("alias"),
)

# In which zone times without an offset are read; UTC where no row is live.
timezone = fact_table("timezone", sa.Column("name", sa.String(64), nullable=False))
