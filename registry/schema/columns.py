"""Metadata, and the columns, indexes and rules that tables have in common."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def id_column() -> sa.Column[int]:
    """Return the column of a row's number."""
    # Numbered by the writer, who holds the lock: the same on both databases, and without gaps.
    return sa.Column("id", sa.Integer, primary_key=True, autoincrement=False)


def recording_column() -> sa.Column[int]:
    """Return the column of the revision that recorded a row."""
    return sa.Column("recorded_in", sa.Integer, sa.ForeignKey("revision.number"), nullable=False)


def fact_table(name: str, *items: Any) -> sa.Table:
    """Return a table of facts, which a later revision can withdraw once."""
    return sa.Table(
        name,
        metadata,
        id_column(),
        recording_column(),
        sa.Column("withdrawn_in", sa.Integer, sa.ForeignKey("revision.number")),
        *items,
        sa.CheckConstraint("withdrawn_in > recorded_in", name="withdrawn_later"),
        # The changes of a revision, by number.
        sa.Index(f"ix_{name}_recorded_in", "recorded_in", "id"),
        partial_index(f"ix_{name}_withdrawn_in", "withdrawn_in", "id"),
        info={"fact": True},
    )


def partial_index(name: str, *columns: str, present: str | None = None) -> sa.Index:
    """Return the index of the rows in which a column is not NULL: `present`, by default the first of the index.

    Without the others it costs no time where most rows are among those, and SQLite, which knows nothing of the
    values, does not take it to look for NULL.
    """
    return sa.Index(name, *columns, info={"where": f"{present or columns[0]} IS NOT NULL"})


def live_unique_index(name: str, *columns: str) -> sa.Index:
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


def history_indexes(table: str) -> tuple[sa.Index, sa.Index]:
    """Return the indexes of a panel's facts in the order of the revisions that recorded and that withdrew them."""
    withdrawals = ("panel_id", "withdrawn_in", "id")
    return (
        sa.Index(f"ix_{table}_panel_recorded_in", "panel_id", "recorded_in", "id"),
        partial_index(f"ix_{table}_panel_withdrawn_in", *withdrawals, present="withdrawn_in"),
    )


def sha256_column(name: str, *items: Any, **options: Any) -> sa.Column[str]:
    """Return a column of checksums."""
    return sa.Column(name, sa.String(64), *items, **options)


def digest_constraint(column: str) -> sa.CheckConstraint:
    """Return the rule that a column holds checksums as they are written here."""
    return sa.CheckConstraint(
        f"length({column}) = 64 AND {column} = lower({column})", name=f"{column}_is_digest"
    )
