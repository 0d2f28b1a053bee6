"""Short names of detectors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any

from registry import schema
from registry.detectors.newer_names import is_short_name
from registry.errors import NotFoundError
from registry.identifiers import find_near, join_detector_id, quote, suggestion
from registry.lookup.versions import is_live
from registry.records import DetectorName
from registry.sql import sa


def list_detector_names(
    connection: sa.Connection, revision: int, *, withdrawn: bool = False
) -> list[DetectorName]:
    """Return the names in their order, with `withdrawn` those too."""
    table = schema.detector_name
    known = table.c.recorded_in <= revision if withdrawn else schema.live_condition(table, revision)
    keyed = _read_names(connection, select_detector_names().where(known), revision)
    return sorted(keyed.values(), key=lambda named: (named.name, named.recorded_in))


def list_short_names(
    connection: sa.Connection, detector_type: str, panels: Sequence[str], revision: int
) -> dict[str, bool]:
    """Return the recorded short names of the newer data system; by name whether it is that of these panels."""
    return {
        known.name: known.panels == tuple(panels)
        for known in list_detector_names(connection, revision)
        if is_short_name(known.name, detector_type)
    }


def find_keyed_names(connection: sa.Connection, name: str, revision: int) -> dict[int, DetectorName]:
    """Return by the database's key what ever had this name, the withdrawn ones too."""
    table = schema.detector_name
    query = select_detector_names().where(table.c.name == name, table.c.recorded_in <= revision)
    return _read_names(connection, query, revision)


def find_named_detector(connection: sa.Connection, name: str, revision: int) -> DetectorName:
    """Return the detector with this name; if there is none, the `NotFoundError` names similar ones."""
    named = find_keyed_names(connection, name, revision).values()
    live = [known for known in named if known.withdrawn_in is None]
    if live:
        return live[0]
    known = [other.name for other in list_detector_names(connection, revision)]
    gone = [other.withdrawn_in for other in named]
    what = f"no detector has the name {quote(name)}"
    raise NotFoundError(
        f"{what} since revision {gone[-1]}" if gone else f"{what}{suggestion(name, known)}",
        name=name,
        near=find_near(name, known),
    )


@cache
def select_detector_names() -> sa.Select[Any]:
    """Return the statement for the names, a row for each panel."""
    table, member, panel = schema.detector_name, schema.detector_name_panel, schema.panel
    return (
        sa.select(table, panel.c.identifier)
        .join(member, member.c.detector_name_id == table.c.id)
        .join(panel, panel.c.id == member.c.panel_id)
        .order_by(table.c.id, member.c.position)
    )


def _read_names(connection: sa.Connection, query: sa.Select[Any], revision: int) -> dict[int, DetectorName]:
    rows = connection.execute(query).all()
    return {key: _build_name(list(group), revision) for key, group in groupby(rows, attrgetter("id"))}


def _build_name(rows: Sequence[Any], revision: int) -> DetectorName:
    first = rows[0]
    panels = tuple(row.identifier for row in rows)
    return DetectorName(
        name=first.name,
        detector_id=join_detector_id(panels),
        panels=panels,
        recorded_in=first.recorded_in,
        withdrawn_in=None if is_live(first, revision) else first.withdrawn_in,
    )
