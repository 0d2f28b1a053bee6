"""Files, what they hold, and the versions that they are."""

from __future__ import annotations

import sqlalchemy as sa

from registry.schema.columns import (
    digest_constraint,
    fact_table,
    history_indexes,
    id_column,
    live_unique_index,
    metadata,
    partial_index,
    recording_column,
    sha256_column,
)

blob = sa.Table(
    "blob",
    metadata,
    sha256_column("sha256", primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("dtype", sa.String(8), nullable=False),
    sa.Column("shape", sa.String(32), nullable=False),
    sa.Column("minimum", sa.Double),
    sa.Column("median", sa.Double),
    sa.Column("maximum", sa.Double),
    sa.Column("zeros", sa.BigInteger, nullable=False),
    sa.Column("nonfinite", sa.BigInteger, nullable=False),
    recording_column(),
    # Quicker to compute than SHA-256: see decision 25. Files of schemas before 0005 have none.
    sa.Column("blake3", sa.String(64), digest_constraint("blake3")),
    digest_constraint("sha256"),
    sqlite_with_rowid=False,
)

# Of the map in a file (`patterns`), by which its sensor is known again; without signs and samples where it has none.
blob_pattern = sa.Table(
    "blob_pattern",
    metadata,
    sha256_column("blob", sa.ForeignKey("blob.sha256"), primary_key=True),
    sa.Column("algorithm", sa.Integer, primary_key=True, autoincrement=False),
    # One bit a sample; before the samples, so that a search through all of them reads few pages.
    sa.Column("signs", sa.LargeBinary),
    sa.Column("samples", sa.LargeBinary),
    recording_column(),
    sa.Index("ix_blob_pattern_recorded_in", "recorded_in", "blob", "algorithm"),
    sa.CheckConstraint(
        "(signs IS NULL AND samples IS NULL)"
        " OR (signs IS NOT NULL AND samples IS NOT NULL AND length(samples) <= 4096)",
        name="signs_with_samples",
    ),
    digest_constraint("blob"),
    sqlite_with_rowid=False,
)

constants = sa.Table(
    "constants",
    metadata,
    id_column(),
    sha256_column("sha256", nullable=False, unique=True),
    sa.Column("detector_type", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    recording_column(),
    digest_constraint("sha256"),
)

constants_file = sa.Table(
    "constants_file",
    metadata,
    sa.Column("constants_id", sa.Integer, sa.ForeignKey("constants.id"), primary_key=True),
    sa.Column("gain_range", sa.Integer, primary_key=True, autoincrement=False),
    sha256_column("sha256", sa.ForeignKey("blob.sha256"), nullable=False, index=True),
    sqlite_with_rowid=False,
    info={"parent": ("constants", "constants_id")},
)

version = fact_table(
    "version",
    sa.Column("panel_id", sa.Integer, sa.ForeignKey("panel.id"), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("valid_from", sa.BigInteger, nullable=False),
    sa.Column("constants_id", sa.Integer, sa.ForeignKey("constants.id"), index=True),
    sa.Column("carried_from", sa.Integer, sa.ForeignKey("version.id")),
    sa.Column("source_path", sa.Text),
    sa.Column("comment", sa.Text),
    sa.Column("nonfinite_allowed", sa.Boolean, nullable=False),
    # JSON: the maker's file, and how the constants were converted from it.
    sa.Column("conversion", sa.Text),
    # The greatest start of the panel and kind up to and including this row; the triggers check it.
    sa.Column("latest_start", sa.BigInteger, info={"derived": True}),
    # True where values that cannot be are meant; NULL where nothing was said.
    sa.Column("odd_allowed", sa.Boolean),
    # The module whose files, the same bytes, are meant: its M-number or serial number; NULL where nothing was said.
    sa.Column("same_as", sa.String(16)),
    # True where a map that looks like another sensor's is meant; NULL where nothing was said.
    sa.Column("pattern_allowed", sa.Boolean),
    # Look-ups as of the newest revision use the first index, those as of an earlier one the next two.
    live_unique_index("uq_version_live", "panel_id", "kind", "valid_from"),
    sa.Index("ix_version_as_of", "panel_id", "kind", "valid_from", "recorded_in", "withdrawn_in", "id"),
    sa.Index("ix_version_latest_start", "panel_id", "kind", "recorded_in", "latest_start"),
    *history_indexes("version"),
    partial_index("ix_version_carried_from", "carried_from"),
    partial_index("ix_version_conversion", "id", present="conversion"),
)
