"""Panels, their M-numbers, and the panels that a name refers to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import sqlalchemy as sa

from registry import detectors, schema
from registry.errors import IdentifierError, NotFoundError, NotValidError
from registry.identifiers import find_near, is_m_number, join_detector_id, parse_m_number, quote, suggestion
from registry.instants import LATEST, Instant, format_range
from registry.lookup.aliases import list_aliases, list_aliases_with_m_number
from registry.lookup.m_numbers import INSTANT, instant_or_latest, select_m_number
from registry.lookup.values_table import read_keys
from registry.records import Panel

TargetCategory = Literal["panel", "alias", "detector"]


@dataclass(frozen=True, slots=True)
class Target:
    """The panels that a name refers to: one panel, all with an M-number, or a detector's in segment order."""

    name: str
    category: TargetCategory
    panels: tuple[Panel, ...]

    @property
    def detector_id(self) -> str:
        """The panel Ids, joined."""
        return join_detector_id([panel.panel for panel in self.panels])


def _select_panels(revision: int | sa.ColumnElement[int] | None) -> sa.Select[Any]:
    panel = schema.panel
    query = sa.select(
        panel.c.identifier,
        panel.c.detector_type,
        panel.c.recorded_in,
        select_m_number(panel.c.id, INSTANT, revision),
    ).order_by(panel.c.id)
    return query if revision is None else query.where(panel.c.recorded_in <= revision)


@cache
def _select_panels_by_id(*, newest: bool) -> sa.Select[Any]:
    """Return the statement for the panels with the Ids ``names``, as of the parameter ``revision`` or the newest."""
    revision = None if newest else sa.bindparam("revision", type_=sa.Integer)
    names: sa.BindParameter[Any] = sa.bindparam("names", expanding=True)
    return _select_panels(revision).where(schema.panel.c.identifier.in_(names))


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
    parameters: dict[str, Any] = {"names": list(identifiers), "instant": instant_or_latest(at)}
    if revision is not None:
        parameters["revision"] = revision
    read = _read_panels(connection, _select_panels_by_id(newest=revision is None), parameters)
    panels = {panel.panel: panel for panel in read}
    unknown = [identifier for identifier in identifiers if identifier not in panels]
    if unknown:
        known = [panel.panel for panel in list_panels(connection, revision)]
        sentences = [f"panel {name} is not known{suggestion(name, known)}" for name in unknown]
        near = sorted({panel for name in unknown for panel in find_near(name, known)})
        raise NotFoundError.combine("panels are not known", sentences, panels=unknown, near=near)
    return tuple(panels[identifier] for identifier in identifiers)


@lru_cache
def parse_target(name: str) -> tuple[TargetCategory, tuple[str, ...]]:
    """Return the category of a canonical name, and the panel Ids in it: none in an M-number."""
    if is_m_number(name):
        return "alias", ()
    if "_" in name:
        return "detector", tuple(detectors.parse_detector_id(name))
    if "-" not in name:
        raise IdentifierError(
            f"{quote(name)} is neither a panel Id (170505-149520170815-3d00b0), nor an M-number (M068),"
            " nor a detector Id (panel Ids joined by '_')"
        )
    return "panel", (detectors.parse_panel_id(name).text,)


def find_target(
    connection: sa.Connection, name: str, revision: int | None, at: Instant | None = None
) -> Target:
    """Return the panels of a panel Id, an M-number or a detector Id; ``None`` means the newest revision.

    An M-number stands for the panels that bear it at the instant `at`, by default for all that bear it at any time.
    A `NotValidError` if none bears it at the instant, but some at another.
    """
    category, identifiers = parse_target(name)
    if category == "alias":
        panels = _find_panels_of_alias(connection, parse_m_number(name), revision, at)
        return Target(name, category, panels)
    return Target(name, category, find_panels(connection, identifiers, revision, at))


def _find_panels_of_alias(
    connection: sa.Connection, m_number: str, revision: int | None, at: Instant | None
) -> tuple[Panel, ...]:
    alias = schema.alias
    bearing = sa.select(alias.c.panel_id).where(
        alias.c.m_number == m_number, schema.live_condition(alias, revision)
    )
    query = _select_panels(revision).where(schema.panel.c.id.in_(bearing))
    panels = _read_panels(connection, query, {"instant": instant_or_latest(at)})
    if not panels:
        known = {alias.alias for alias in list_aliases(connection, revision)}
        raise NotFoundError(
            f"no panel has the M-number {m_number}{suggestion(m_number, known)}",
            alias=m_number,
            near=find_near(m_number, known),
        )
    if at is None:
        return tuple(panels)
    borne = tuple(panel for panel in panels if panel.alias == m_number)
    if not borne:
        raise _not_borne_error(connection, m_number, revision, at)
    return borne


def _not_borne_error(
    connection: sa.Connection, m_number: str, revision: int | None, at: Instant
) -> NotValidError:
    aliases = list_aliases_with_m_number(connection, m_number, revision)
    times = [alias for alias in aliases if alias.alias == m_number]
    known = "; ".join(
        f"{alias.panel} bears it{format_range(alias.valid_from, alias.valid_to)}" for alias in times
    )
    return NotValidError(
        f"no panel bears {m_number} at {at}; {known}",
        alias=m_number,
        panels=list(dict.fromkeys(alias.panel for alias in times)),
    )


def read_panel_keys(connection: sa.Connection, identifiers: Iterable[str]) -> dict[str, int]:
    """Return the database's keys of those of these panels that are recorded."""
    return read_keys(connection, schema.panel.c.identifier, schema.panel.c.id, identifiers)
