"""Long lists of versions in pages: by panel, kind and start, or the newest first. An index has the order of each.

A panel is given by its key in the database. ``None`` for the revision means the newest, which is answered from the
indexes of live versions; as of an earlier one the pages walk over the versions that were withdrawn by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from heapq import nlargest
from itertools import chain
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.planner import hint_live_index, limit_one
from registry.errors import RequestError
from registry.lookup.versions import find_largest_number, list_versions_with_numbers
from registry.records import Version

_REVISION: sa.BindParameter[int] = sa.bindparam("revision", type_=sa.Integer)
_COUNT: sa.BindParameter[int] = sa.bindparam("count", type_=sa.Integer)
_PANEL: sa.BindParameter[int] = sa.bindparam("panel", type_=sa.Integer)


def list_newest_versions(
    connection: sa.Connection,
    panels: Sequence[int] | None,
    revision: int | None,
    below: int,
    count: int,
    *,
    withdrawn: bool,
) -> list[Version]:
    """Return the `count` versions with the greatest numbers below a number, the greatest first.

    Of these panels or, for None, of all; live ones, or with `withdrawn` those too.
    """
    parameters: dict[str, Any] = {"below": below, "count": count}
    if revision is not None:
        parameters["revision"] = revision
        parameters["below"] = min(below, find_largest_number(connection, revision) + 1)
    query = _select_newest(revision is not None, panels is not None, withdrawn)
    if panels is None:
        numbers = list(connection.execute(query, parameters).scalars())
    else:
        parameters["upto"] = _find_last_revision(connection, parameters["below"])
        by_panel = (connection.execute(query, {**parameters, "panel": panel}).scalars() for panel in panels)
        numbers = nlargest(count, chain.from_iterable(by_panel))
    return _read_in_order(connection, numbers, revision)


@cache
def _select_newest(as_of: bool, of_panel: bool, withdrawn: bool) -> sa.Select[Any]:
    version = schema.version
    query = sa.select(version.c.id).where(version.c.id < sa.bindparam("below", type_=sa.Integer))
    order: list[sa.ColumnElement[Any]] = [version.c.id.desc()]
    if not withdrawn:
        query = query.where(schema.live_condition(version, _REVISION if as_of else None))
    if of_panel:
        # Numbers and revisions have the same order, and the index has that of the revisions.
        upto = sa.bindparam("upto", type_=sa.Integer)
        query = query.where(version.c.panel_id == _PANEL, version.c.recorded_in <= upto)
        order.insert(0, version.c.recorded_in.desc())
    return query.order_by(*order).limit(_COUNT)


def _find_last_revision(connection: sa.Connection, below: int) -> int:
    """Return the revision that recorded the version with the greatest number below a number; 0 without any."""
    version = schema.version
    query = (
        sa.select(version.c.recorded_in)
        .where(version.c.id < below)
        .order_by(version.c.id.desc())
        .limit(limit_one())
    )
    return int(connection.execute(query).scalar() or 0)


def list_versions_after(
    connection: sa.Connection,
    panels: Sequence[int] | None,
    revision: int | None,
    after: int | None,
    count: int,
    *,
    withdrawn: bool,
) -> list[Version]:
    """Return the next `count` versions after one with this number (the first for None), by panel, kind and start.

    Of these panels, in this order, or of all in the order of their registration; with `withdrawn` those too.
    """
    numbers: list[int] = []
    place = {} if after is None else _read_place(connection, after)
    if panels is not None and place and place["panel"] not in panels:
        raise RequestError(f"version {after} is not of these panels: none of theirs follow it", version=after)
    first = panels.index(place["panel"]) if panels is not None and place else 0
    for panel in [None] if panels is None else panels[first:]:
        query = _select_after(revision is not None, panel is not None, withdrawn, bool(place))
        parameters = {"revision": revision, **place, "panel": panel or place.get("panel")}
        parameters["count"] = count - len(numbers)
        numbers += connection.execute(query, parameters).scalars()
        place = {}  # of the next panels all
        if len(numbers) == count:
            break
    return _read_in_order(connection, numbers, revision)


def _read_place(connection: sa.Connection, number: int) -> dict[str, Any]:
    version = schema.version
    query = sa.select(
        version.c.panel_id.label("panel"),
        version.c.kind,
        version.c.valid_from.label("start"),
        version.c.id.label("number"),
    )
    return dict(connection.execute(query.where(version.c.id == number)).mappings().one())


@cache
def _select_after(as_of: bool, of_panel: bool, withdrawn: bool, has_place: bool) -> sa.Select[Any]:
    version = schema.version
    order = {"panel": version.c.panel_id, "kind": version.c.kind, "start": version.c.valid_from}
    query = sa.select(version.c.id)
    if of_panel:
        query = query.where(order.pop("panel") == _PANEL)
    if withdrawn:  # several may have the same start
        order["number"] = version.c.id
    if has_place:
        place = [sa.bindparam(name, type_=column.type) for name, column in order.items()]
        query = query.where(sa.tuple_(*order.values()) > sa.tuple_(*place))
    if as_of:
        query = query.where(version.c.recorded_in <= _REVISION)
    if not withdrawn:
        query = query.where(schema.live_condition(version, _REVISION if as_of else None))
    if withdrawn or as_of:  # SQLite would take an index with fewer columns, and sort
        query = query.with_hint(version, "INDEXED BY ix_version_as_of", "sqlite")
    else:
        query = hint_live_index(query, version, None)
    return query.order_by(*order.values()).limit(_COUNT)


def _read_in_order(connection: sa.Connection, numbers: Sequence[int], revision: int | None) -> list[Version]:
    versions = list_versions_with_numbers(connection, numbers, revision)
    by_number = {version.version: version for version in versions}
    return [by_number[number] for number in numbers]
