"""The tables in SQLAlchemy Core. The migrations create them; a test compares the two.

*Facts* can be withdrawn: their rows have the revision that recorded them and, if so, the one that withdrew
them. The rows of panel, blob, constants and tag have only ``recorded_in``. Other rows belong to one of these.
Nothing is ever updated or deleted, except that ``withdrawn_in`` is set once; triggers in the database
guarantee it (`database.guards`). ``seal`` has the digest of each revision's facts and of the seal before it,
``export_seal`` that of each export (``docs/seals.md``).

``closure`` describes the database, not the registry: where it came from, and whether it takes writes.

Instants are microseconds since 1970 UTC, ``beginning`` the smallest BIGINT.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

REVISION = "0008"
"""The Alembic revision that this software reads and writes."""

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _id_column() -> sa.Column[int]:
    # Numbered by the writer, who holds the lock: the same on both databases, and without gaps.
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)


def _recording_column() -> sa.Column[int]:
    return sa.Column("recorded_in", sa.Integer, sa.ForeignKey("revision.number"), nullable=False)


def _fact_table(name: str, *items: Any) -> sa.Table:
    """Return a table of facts, which a later revision can withdraw once."""
    return sa.Table(
        name,
        metadata,
        _id_column(),
        _recording_column(),
        sa.Column("withdrawn_in", sa.Integer, sa.ForeignKey("revision.number")),
        *items,
        sa.CheckConstraint("withdrawn_in > recorded_in", name="withdrawn_later"),
        # The changes of a revision, by number.
        sa.Index(f"ix_{name}_recorded_in", "recorded_in", "id"),
        sa.Index(f"ix_{name}_withdrawn_in", "withdrawn_in", "id"),
        info={"fact": True},
    )


def _live_unique_index(name: str, *columns: str) -> sa.Index:
    """Return the index that lets at most one live fact have these values; `_set_index_conditions` adds its WHERE."""
    return sa.Index(name, *columns, unique=True, info={"where": "withdrawn_in IS NULL"})


@sa.event.listens_for(metadata, "before_create")
def _set_index_conditions(_: sa.MetaData, connection: sa.Connection, **_options: Any) -> None:
    # Set when tables are created: `postgresql_where` above would load PostgreSQL's dialect with the modules of all
    # its drivers, a tenth of the start-up of a command on SQLite.
    for table in metadata.tables.values():
        for index in table.indexes:
            if "where" in index.info:
                index.kwargs[f"{connection.dialect.name}_where"] = sa.text(index.info["where"])


def _history_indexes(table: str) -> tuple[sa.Index, sa.Index]:
    """Return the indexes of a panel's facts in the order of their revisions, the live ones last."""
    return (
        sa.Index(f"ix_{table}_panel_recorded_in", "panel_id", "recorded_in", "id"),
        sa.Index(f"ix_{table}_panel_withdrawn_in", "panel_id", "withdrawn_in", "id"),
    )


def _sha256_column(name: str, *items: Any, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.String(64), *items, **options)


def _digest_constraint(column: str) -> sa.CheckConstraint:
    return sa.CheckConstraint(
        f"length({column}) = 64 AND {column} = lower({column})", name=f"{column}_is_digest"
    )


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
)

panel = sa.Table(
    "panel",
    metadata,
    _id_column(),
    # SQLite keeps texts of any length; its column is that of the first schema.
    sa.Column(
        "identifier", sa.String(128).with_variant(sa.String(64), "sqlite"), nullable=False, unique=True
    ),
    sa.Column("detector_type", sa.String(32), nullable=False),
    # Hexadecimal texts: they are unsigned 64-bit numbers, and BIGINT is signed.
    sa.Column("module_version", sa.String(16), nullable=False),
    sa.Column("firmware_version", sa.String(16), nullable=False),
    sa.Column("serial_number", sa.String(16), nullable=False, index=True),
    _recording_column(),
    sa.Index("ix_panel_recorded_in", "recorded_in", "id"),
)

alias = _fact_table(
    "alias",
    sa.Column("m_number", sa.String(8), nullable=False, index=True),
    sa.Column("panel_id", sa.Integer, sa.ForeignKey("panel.id"), nullable=False),
    # A panel bears an M-number until the start time of its next one.
    sa.Column("valid_from", sa.BigInteger, nullable=False),
    # True where another serial number under the M-number is meant; NULL where nothing was said.
    sa.Column("same_module", sa.Boolean),
    _live_unique_index("uq_alias_live", "panel_id", "valid_from"),
    *_history_indexes("alias"),
)

# In which zone times without an offset are read; UTC where no row is live.
timezone = _fact_table("timezone", sa.Column("name", sa.String(64), nullable=False))

blob = sa.Table(
    "blob",
    metadata,
    _sha256_column("sha256", primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("dtype", sa.String(8), nullable=False),
    sa.Column("shape", sa.String(32), nullable=False),
    sa.Column("minimum", sa.Double),
    sa.Column("median", sa.Double),
    sa.Column("maximum", sa.Double),
    sa.Column("zeros", sa.BigInteger, nullable=False),
    sa.Column("nonfinite", sa.BigInteger, nullable=False),
    _recording_column(),
    # Quicker to compute than SHA-256: see decision 25. Files of schemas before 0005 have none.
    sa.Column("blake3", sa.String(64), _digest_constraint("blake3")),
    _digest_constraint("sha256"),
    sqlite_with_rowid=False,
)

constants = sa.Table(
    "constants",
    metadata,
    _id_column(),
    _sha256_column("sha256", nullable=False, unique=True),
    sa.Column("detector_type", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    _recording_column(),
    _digest_constraint("sha256"),
)

constants_file = sa.Table(
    "constants_file",
    metadata,
    sa.Column("constants_id", sa.Integer, sa.ForeignKey("constants.id"), primary_key=True),
    sa.Column("gain_range", sa.Integer, primary_key=True, autoincrement=False),
    _sha256_column("sha256", sa.ForeignKey("blob.sha256"), nullable=False, index=True),
    sqlite_with_rowid=False,
    info={"parent": ("constants", "constants_id")},
)

version = _fact_table(
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
    # Look-ups as of the newest revision use the first index, those as of an earlier one the next two.
    _live_unique_index("uq_version_live", "panel_id", "kind", "valid_from"),
    sa.Index("ix_version_as_of", "panel_id", "kind", "valid_from", "recorded_in", "withdrawn_in", "id"),
    sa.Index("ix_version_latest_start", "panel_id", "kind", "recorded_in", "latest_start"),
    *_history_indexes("version"),
)

run = _fact_table(
    "run",
    sa.Column("experiment", sa.String(32), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("begin_at", sa.BigInteger),
    sa.Column("end_at", sa.BigInteger),
    _live_unique_index("uq_run_live", "experiment", "number"),
    # For look-ups as of an earlier revision, and for SQLite's trigger that looks for the same row.
    sa.Index("ix_run_number", "experiment", "number"),
    # Which runs started within an interval.
    sa.Index("ix_run_begin", "experiment", "begin_at"),
    sa.CheckConstraint("end_at >= begin_at", name="ends_after_begin"),
)

configuration = _fact_table(
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

tag = sa.Table(
    "tag",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("revision", sa.Integer, sa.ForeignKey("revision.number"), nullable=False),
    _recording_column(),
    # That of the revision; NULL for tags that were recorded before there were seals.
    _sha256_column("seal", _digest_constraint("seal")),
    sa.Index("ix_tag_recorded_in", "recorded_in", "name"),
    # A letter has two cases: a name that begins with one is neither a number nor a time.
    sa.CheckConstraint("upper(substr(name, 1, 1)) <> lower(substr(name, 1, 1))", name="begins_with_letter"),
    sqlite_with_rowid=False,
)

export = sa.Table(
    "export",
    metadata,
    _id_column(),
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
    _sha256_column("provenance_sha256", nullable=False, index=True),
    # For which runs the files are deployed. No first run: they are not, or nothing was recorded; no last one: no end.
    sa.Column("first_run", sa.Integer),
    sa.Column(
        "last_run",
        sa.Integer,
        sa.CheckConstraint(
            "last_run IS NULL OR (first_run IS NOT NULL AND last_run >= first_run)", name="deployed_runs"
        ),
    ),
    _digest_constraint("provenance_sha256"),
    sa.Index("ix_export_run", "experiment", "run", "source"),
)

export_output = sa.Table(
    "export_output",
    metadata,
    sa.Column("export_id", sa.Integer, sa.ForeignKey("export.id"), primary_key=True),
    sa.Column("type", sa.String(32), primary_key=True),
    sa.Column("path", sa.Text, nullable=False),
    _sha256_column("sha256", nullable=False, index=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    _digest_constraint("sha256"),
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
    _sha256_column("digest", nullable=False),
    _sha256_column("link", nullable=False),
    _digest_constraint("digest"),
    _digest_constraint("link"),
)

# The last row of each writer's transaction: no row comes into a sealed revision.
seal = sa.Table(
    "seal",
    metadata,
    sa.Column(
        "revision", sa.Integer, sa.ForeignKey("revision.number"), primary_key=True, autoincrement=False
    ),
    # The SHA-256 of the text.
    _sha256_column("digest", nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    # The newest export at that time, whose link is part of the text.
    sa.Column("export", sa.Integer, sa.ForeignKey("export_seal.export")),
    # JSON: who sealed the revision later than its writer, and why; NULL where the writer did.
    sa.Column("late", sa.Text),
    _digest_constraint("digest"),
)

# Where a registry has another past than its database alone tells: a *fork* continues another registry's history under
# an Id of its own, a *loss* names the head of its own history that was lost.
lineage = sa.Table(
    "lineage",
    metadata,
    _id_column(),
    _recording_column(),
    sa.Column("reason", sa.String(16), nullable=False),
    # The Id of the registry from this revision on; NULL where it stays.
    sa.Column("registry", sa.String(36)),
    # The registry whose head it is.
    sa.Column("ancestor", sa.String(36), nullable=False),
    sa.Column("head_revision", sa.Integer, nullable=False),
    _sha256_column("head_seal", nullable=False),
    _digest_constraint("head_seal"),
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


def live_condition(table: sa.FromClause, as_of: int | sa.ColumnElement[int] | None) -> sa.ColumnElement[bool]:
    """Return the condition that a fact was recorded and not withdrawn as of a revision; None is the newest.

    For the newest the condition is that of the indexes of live facts.
    """
    if as_of is None:
        return table.c.withdrawn_in.is_(None)
    return sa.and_(
        table.c.recorded_in <= as_of, sa.or_(table.c.withdrawn_in.is_(None), table.c.withdrawn_in > as_of)
    )
