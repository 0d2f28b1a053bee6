"""Hints for the query planners of the databases: see docs/decisions/0008-look-ups-by-one-probe.md."""

from __future__ import annotations

from typing import Any

from registry.sql import sa


def limit_one() -> sa.ColumnElement[int]:
    """Return the LIMIT of a probe. As a parameter PostgreSQL would expect it to be large, and plan for every query."""
    return sa.literal_column("1", sa.Integer)


def hint_live_index(
    query: sa.Select[Any], versions: sa.FromClause, as_of: int | sa.ColumnElement[int] | None
) -> sa.Select[Any]:
    """Let the database find live versions in the index of these alone.

    By itself it would take the index that also answers as of earlier revisions, and walk over all withdrawn versions:
    SQLite unless the index is named, PostgreSQL as long as that index holds every column that is asked for.
    """
    if as_of is not None:
        return query
    not_in_index = versions.c.nonfinite_allowed.in_((sa.true(), sa.false()))
    return query.with_hint(versions, "INDEXED BY uq_version_live", "sqlite").where(not_in_index)
