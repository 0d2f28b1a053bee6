"""Exports, and their chain."""

from __future__ import annotations

import sqlalchemy as sa

from registry.schema.columns import digest_constraint, id_column, metadata, sha256_column

export = sa.Table(
    "export",
    metadata,
    id_column(),
    sa.Column("revision", sa.Integer, sa.ForeignKey("revision.number"), nullable=False),
    sa.Column("recorded_at", sa.BigInteger, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("database_role", sa.Text),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("software", sa.Text, nullable=False),
    sa.Column("detector_id", sa.Text, nullable=False),
    sa.Column("experiment", sa.String(32)),
    sa.Column("run", sa.Integer),
    sa.Column("source", sa.String(160)),
    sa.Column("instant", sa.BigInteger, nullable=False),
    sa.Column("provenance_path", sa.Text, nullable=False),
    sha256_column("provenance_sha256", nullable=False, index=True),
    # For which runs the files are deployed. No first run: they are not, or nothing was recorded; no last one: no end.
    sa.Column("first_run", sa.Integer),
    sa.Column(
        "last_run",
        sa.Integer,
        sa.CheckConstraint(
            "last_run IS NULL OR (first_run IS NOT NULL AND last_run >= first_run)", name="deployed_runs"
        ),
    ),
    digest_constraint("provenance_sha256"),
    sa.Index("ix_export_run", "experiment", "run", "source"),
)

export_output = sa.Table(
    "export_output",
    metadata,
    sa.Column("export_id", sa.Integer, sa.ForeignKey("export.id"), primary_key=True),
    sa.Column("type", sa.String(32), primary_key=True),
    sa.Column("path", sa.Text, nullable=False),
    sha256_column("sha256", nullable=False, index=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    digest_constraint("sha256"),
    sqlite_with_rowid=False,
)

export_input = sa.Table(
    "export_input",
    metadata,
    sa.Column("export_id", sa.Integer, sa.ForeignKey("export.id"), primary_key=True),
    sa.Column("version_id", sa.Integer, sa.ForeignKey("version.id"), primary_key=True, index=True),
    sqlite_with_rowid=False,
)

# Each export's digest, and its link in the chain of exports. A snapshot has all links, but not all exports: ``export``
# refers to no table.
export_seal = sa.Table(
    "export_seal",
    metadata,
    sa.Column("export", sa.Integer, primary_key=True, autoincrement=False),
    sha256_column("digest", nullable=False),
    sha256_column("link", nullable=False),
    digest_constraint("digest"),
    digest_constraint("link"),
)
