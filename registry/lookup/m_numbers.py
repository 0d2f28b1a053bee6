"""The M-number that a panel bears at an instant: the live one with the greatest start at or before it.

The same rule as that of versions; it stands here alone, and whatever shows an M-number asks it.
"""

from __future__ import annotations

from typing import Any

from registry import schema
from registry.database.planner import limit_one
from registry.instants import LATEST, Instant
from registry.sql import sa


def instant_parameter() -> sa.BindParameter[int]:
    """Return the parameter ``instant`` of a statement: when the panels are asked for. See `instant_or_latest`."""
    return sa.bindparam("instant", type_=sa.BigInteger)


def instant_or_latest(instant: Instant | None) -> Instant:
    """Return the instant to ask at, by default one after every start: it finds the M-number with the latest start."""
    return LATEST if instant is None else instant


def select_m_number(
    panel_id: sa.ColumnElement[int],
    instant: sa.ColumnElement[int],
    revision: int | sa.ColumnElement[int] | None,
) -> sa.Label[str | None]:
    """Return the column ``m_number``: what a panel bears at an instant. One probe, however many it has borne."""
    return select_borne_alias(panel_id, instant, revision).scalar_subquery().label("m_number")


def select_borne_alias(
    panel_id: sa.ColumnElement[int],
    instant: sa.ColumnElement[int],
    revision: int | sa.ColumnElement[int] | None,
) -> sa.Select[Any]:
    """Return the same as a statement of its own, with one row or none."""
    alias = schema.alias.alias("borne")
    return (
        sa.select(alias.c.m_number)
        .where(alias.c.panel_id == panel_id, alias.c.valid_from <= instant)
        .where(schema.live_condition(alias, revision))
        .order_by(alias.c.valid_from.desc())
        .limit(limit_one())
        .correlate_except(alias)
    )


def select_borne_aliases(panel_ids: sa.Select[Any], instant: sa.ColumnElement[int]) -> sa.Select[Any]:
    """Return the statement of what each of some panels bears at an instant, as of the newest revision; for PostgreSQL.

    It reads a small table once, where `select_borne_alias` would have it read the whole for each panel.
    """
    alias = schema.alias.alias("borne")
    is_asked = alias.c.panel_id == sa.func.any(sa.func.array(panel_ids.scalar_subquery()))
    return (
        sa.select(alias.c.panel_id, alias.c.m_number)
        .prefix_with("DISTINCT ON (borne.panel_id)")
        .where(is_asked, alias.c.valid_from <= instant, schema.live_condition(alias, None))
        .order_by(alias.c.panel_id, alias.c.valid_from.desc())
    )
