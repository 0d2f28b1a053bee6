"""Panels, with the M-numbers that they bear."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from registry import schema
from registry.database.kept_statements import keep_text
from registry.errors import NotFoundError
from registry.identifiers import find_near, suggestion
from registry.instants import LATEST, Instant
from registry.lookup.m_numbers import instant_or_latest, instant_parameter, select_m_number
from registry.lookup.value_lists import is_listed, list_parameter
from registry.lookup.values_table import read_keys
from registry.records import Panel
from registry.sql import sa


def _select_panels(revision: int | sa.ColumnElement[int] | None) -> sa.Select[Any]:
    panel = schema.panel
    query = sa.select(
        panel.c.identifier,
        panel.c.detector_type,
        panel.c.recorded_in,
        select_m_number(panel.c.id, instant_parameter(), revision),
    ).order_by(panel.c.id)
    return query if revision is None else query.where(panel.c.recorded_in <= revision)


@keep_text({"newest": False}, {"newest": True})
def _select_panels_by_id(*, newest: bool) -> sa.Select[Any]:
    """Return the statement for the panels with the Ids ``names``, as of the parameter ``revision`` or the newest."""
    revision = None if newest else sa.bindparam("revision", type_=sa.Integer)
    identifier = schema.panel.c.identifier
    return _select_panels(revision).where(is_listed(identifier, list_parameter("names", identifier.type)))


def _read_panels(connection: sa.Connection, query: sa.Select[Any], parameters: dict[str, Any]) -> list[Panel]:
    rows = connection.execute(query, parameters)
    return [Panel(row.identifier, row.m_number, row.detector_type, row.recorded_in) for row in rows]


def list_panels(connection: sa.Connection, revision: int | None) -> list[Panel]:
    """Return all panels, in the order of their registration; ``None`` means the newest revision."""
    return _read_panels(connection, _select_panels(revision), {"instant": LATEST})


def find_panels(
    connection: sa.Connection, identifiers: Sequence[str], revision: int | None, at: Instant | None = None
) -> tuple[Panel, ...]:
    """Return the panels with these Ids, in this order; ``None`` means the newest revision.

    They bear the M-numbers of the instant `at`, by default the latest ones. All that are not known are refused at
    once, with near ones.
    """
    panels = find_known_panels(connection, identifiers, revision, at)
    unknown = [identifier for identifier in identifiers if identifier not in panels]
    if unknown:
        known = [panel.panel for panel in list_panels(connection, revision)]
        sentences = [f"panel {name} is not known{suggestion(name, known)}" for name in unknown]
        near = sorted({panel for name in unknown for panel in find_near(name, known)})
        raise NotFoundError.combine("panels are not known", sentences, panels=unknown, near=near)
    return tuple(panels[identifier] for identifier in identifiers)


def find_known_panels(
    connection: sa.Connection, identifiers: Sequence[str], revision: int | None, at: Instant | None = None
) -> dict[str, Panel]:
    """Return those of the panels with these Ids that are recorded, by Id; see `find_panels`."""
    parameters: dict[str, Any] = {"names": list(identifiers), "instant": instant_or_latest(at)}
    if revision is not None:
        parameters["revision"] = revision
    read = _read_panels(connection, _select_panels_by_id(newest=revision is None), parameters)
    return {panel.panel: panel for panel in read}


def list_panels_with_m_number(
    connection: sa.Connection, m_number: str, revision: int | None, at: Instant | None
) -> list[Panel]:
    """Return the panels that bear an M-number at any time, with the one that they bear at an instant or last."""
    parameters = {"m_number": m_number, "instant": instant_or_latest(at)}
    if revision is not None:
        parameters["revision"] = revision
    return _read_panels(connection, _select_bearing_panels(newest=revision is None), parameters)


@keep_text({"newest": False}, {"newest": True})
def _select_bearing_panels(*, newest: bool) -> sa.Select[Any]:
    """Return the statement for the panels that bear the M-number ``m_number`` at any time, as of the same."""
    alias = schema.alias
    revision = None if newest else sa.bindparam("revision", type_=sa.Integer)
    bearing = sa.select(alias.c.panel_id).where(
        alias.c.m_number == sa.bindparam("m_number"), schema.live_condition(alias, revision)
    )
    return _select_panels(revision).where(schema.panel.c.id.in_(bearing))


def read_panel_keys(connection: sa.Connection, identifiers: Iterable[str]) -> dict[str, int]:
    """Return the database's keys of those of these panels that are recorded."""
    return read_keys(connection, schema.panel.c.identifier, schema.panel.c.id, identifiers)
