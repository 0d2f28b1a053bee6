"""The revisions that changed a panel: found by probes of indexes, however long its history and those of others are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.planner import limit_one
from registry.lookup.fact_lines import SIGNS, has_panel
from registry.lookup.value_lists import is_listed, list_parameter

_FEW_CONFIGURATIONS = 1000  # of a panel; above, the last ones are found sooner among those of all panels

_BELOW: sa.BindParameter[int] = sa.bindparam("below", type_=sa.Integer)
_AFTER: sa.BindParameter[int] = sa.bindparam("after", type_=sa.Integer)
_COUNT: sa.BindParameter[int] = sa.bindparam("count", type_=sa.Integer)
_PANELS = list_parameter("panels", sa.Integer())
_STEP: sa.ColumnElement[int] = sa.literal_column("1", sa.Integer)


def list_revisions_of_panels(
    connection: sa.Connection, panels: Sequence[int], below: int, count: int, after: int = 0
) -> Sequence[int]:
    """Return the last `count` revisions after and below numbers that changed one of the panels, the newest first.

    Or its aliases, versions, configurations, or names of its detectors. A list of these facts would be as long as the
    history, or as an import that recorded many of them in one revision: only the last ones are looked at.
    """
    query = _select_revisions(_have_few_configurations(connection, panels))
    parameters = {"below": below, "after": after, "count": count, "panels": panels}
    return connection.execute(query, parameters).scalars().all()


def _have_few_configurations(connection: sa.Connection, panels: Sequence[int]) -> bool:
    limit = _FEW_CONFIGURATIONS * len(panels) + 1
    return len(connection.execute(_select_memberships(), {"panels": panels, "count": limit}).all()) < limit


@cache
def _select_memberships() -> sa.Select[Any]:
    member = schema.configuration_panel
    return sa.select(_STEP).select_from(member).where(is_listed(member.c.panel_id, _PANELS)).limit(_COUNT)


@cache
def _select_revisions(few_configurations: bool) -> sa.Select[Any]:
    panel = schema.panel
    list_configured = _select_all_configured if few_configurations else _walk_down_configurations
    numbers = sa.union(
        sa.select(panel.c.recorded_in.label("number")).where(is_listed(panel.c.id, _PANELS)),
        *(list_configured(column) for column in SIGNS),
        *(_select_names(column) for column in SIGNS),
        *(_walk_down_facts(table, column) for table in (schema.alias, schema.version) for column in SIGNS),
    ).subquery("numbers")
    query = sa.select(numbers.c.number).where(numbers.c.number < _BELOW, numbers.c.number > _AFTER)
    return query.order_by(numbers.c.number.desc()).limit(_COUNT)


def _select_all_configured(column: str) -> sa.Select[Any]:
    """Return the values of a column in all configurations of the panels."""
    configuration, member = schema.configuration, schema.configuration_panel
    ids = sa.select(member.c.configuration_id).where(is_listed(member.c.panel_id, _PANELS))
    return sa.select(configuration.c[column]).where(configuration.c.id.in_(ids))


def _select_names(column: str) -> sa.Select[Any]:
    """Return the values of a column in all names of detectors that have one of the panels: a detector has few."""
    name, member = schema.detector_name, schema.detector_name_panel
    ids = sa.select(member.c.detector_name_id).where(is_listed(member.c.panel_id, _PANELS))
    return sa.select(name.c[column]).where(name.c.id.in_(ids))


def _walk_down_configurations(column: str) -> sa.Select[Any]:
    """Return the last `count` values of a column in configurations that have one of the panels."""
    configuration = schema.configuration.alias("fact")

    def probe(_: Any, below: sa.ColumnElement[int]) -> sa.ScalarSelect[int]:
        query = sa.select(configuration.c[column]).where(configuration.c[column] < below)
        return _find_last(query.where(has_panel(_PANELS, configuration)), configuration, column)

    return _walk_down(f"configuration_{column}", sa.select(_STEP.label("key")).subquery("first"), probe)


def _walk_down_facts(table: sa.Table, column: str) -> sa.Select[Any]:
    """Return the last `count` values of a column in the facts about each panel."""
    fact, panel = table.alias("fact"), schema.panel

    def probe(key: sa.ColumnElement[int], below: sa.ColumnElement[int]) -> sa.ScalarSelect[int]:
        query = sa.select(fact.c[column]).where(fact.c.panel_id == key, fact.c[column] < below)
        return _find_last(query, fact, column)

    keys = sa.select(panel.c.id.label("key")).where(is_listed(panel.c.id, _PANELS)).subquery("first")
    return _walk_down(f"{table.name}_{column}", keys, probe)


def _find_last(query: sa.Select[Any], fact: sa.FromClause, column: str) -> sa.ScalarSelect[int]:
    return query.order_by(fact.c[column].desc()).limit(limit_one()).correlate_except(fact).scalar_subquery()


def _walk_down(
    name: str,
    keys: sa.FromClause,
    probe: Callable[[sa.ColumnElement[int], sa.ColumnElement[int]], sa.ScalarSelect[int]],
) -> sa.Select[Any]:
    """Return what `count` probes find for each key, each below what the one before has found."""
    first = sa.select(keys.c.key, probe(keys.c.key, _BELOW).label("number"), _STEP.label("steps"))
    walk = first.cte(name, recursive=True)
    step = sa.select(walk.c.key, probe(walk.c.key, walk.c.number), walk.c.steps + _STEP)
    walk = walk.union_all(step.where(walk.c.number > _AFTER, walk.c.steps < _COUNT))
    return sa.select(walk.c.number)
