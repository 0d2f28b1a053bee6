"""The registry, its revisions and their seals, tags, forks and losses, and whether it takes writes."""

from __future__ import annotations

import sqlalchemy as sa

from registry.schema.columns import digest_constraint, id_column, metadata, recording_column, sha256_column

registry = sa.Table(
    "registry",
    metadata,
    sa.Column("id", sa.String(36), primary_key=True),
    sa.Column("created_at", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

revision = sa.Table(
    "revision",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("recorded_at", sa.BigInteger, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("database_role", sa.Text),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("comment", sa.Text),
    sa.Column("software", sa.Text, nullable=False),
    sa.CheckConstraint("number >= 1", name="counts_from_one"),
    # The newest one at an instant; the guards hold the instants to the order of the numbers.
    sa.Index("ix_revision_recorded_at", "recorded_at", "number"),
)

# The last row of each writer's transaction: no row comes into a sealed revision.
seal = sa.Table(
    "seal",
    metadata,
    sa.Column(
        "revision", sa.Integer, sa.ForeignKey("revision.number"), primary_key=True, autoincrement=False
    ),
    # The SHA-256 of the text.
    sha256_column("digest", nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    # The newest export at that time, whose link is part of the text.
    sa.Column("export", sa.Integer, sa.ForeignKey("export_seal.export")),
    # JSON: who sealed the revision later than its writer, and why; NULL where the writer did.
    sa.Column("late", sa.Text),
    digest_constraint("digest"),
)

tag = sa.Table(
    "tag",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("revision", sa.Integer, sa.ForeignKey("revision.number"), nullable=False),
    recording_column(),
    # That of the revision; NULL for tags that were recorded before there were seals.
    sha256_column("seal", digest_constraint("seal")),
    sa.Index("ix_tag_recorded_in", "recorded_in", "name"),
    # A letter has two cases: a name that begins with one is neither a number nor a time.
    sa.CheckConstraint("upper(substr(name, 1, 1)) <> lower(substr(name, 1, 1))", name="begins_with_letter"),
    sqlite_with_rowid=False,
)

# Where a registry has another past than its database alone tells: a *fork* continues another registry's history under
# an Id of its own, a *loss* names the head of its own history that was lost.
lineage = sa.Table(
    "lineage",
    metadata,
    id_column(),
    recording_column(),
    sa.Column("reason", sa.String(16), nullable=False),
    # The Id of the registry from this revision on; NULL where it stays.
    sa.Column("registry", sa.String(36)),
    # The registry whose head it is.
    sa.Column("ancestor", sa.String(36), nullable=False),
    sa.Column("head_revision", sa.Integer, nullable=False),
    sha256_column("head_seal", nullable=False),
    digest_constraint("head_seal"),
    sa.CheckConstraint(
        "(reason = 'fork' AND registry IS NOT NULL) OR (reason = 'loss' AND registry IS NULL)",
        name="reason_is_known",
    ),
)

# While the newest closure is not opened, the database takes no writes: see `database.closing`.
closure = sa.Table(
    "closure",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("reason", sa.String(16), nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("closed_at", sa.BigInteger, nullable=False),
    sa.Column("opened_at", sa.BigInteger),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("database_role", sa.Text),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("command", sa.Text, nullable=False),
    sa.Column("software", sa.Text, nullable=False),
    # Of a snapshot: the tag by which it was requested, and the registry's time zone when it was made. Both may have
    # been recorded later than the rows that it holds.
    sa.Column("tag", sa.String(64)),
    sa.Column("timezone", sa.String(64)),
    sa.CheckConstraint("reason IN ('arrival', 'departure', 'snapshot')", name="reason_is_known"),
    sa.CheckConstraint(
        "opened_at IS NULL OR (reason = 'arrival' AND opened_at >= closed_at)", name="only_arrivals_open"
    ),
)
