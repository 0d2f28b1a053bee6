"""Panels, their M-numbers, and the panels that a name refers to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal

import sqlalchemy as sa

from registry import detectors, schema
from registry.errors import IdentifierError, NotFoundError
from registry.identifiers import find_near, is_m_number, join_detector_id, parse_m_number, quote, suggestion
from registry.lookup.values_table import read_keys
from registry.lookup.versions import is_live
from registry.records import Alias, Panel

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
    panel, alias = schema.panel, schema.alias
    query = (
        sa.select(panel.c.identifier, panel.c.detector_type, panel.c.recorded_in, alias.c.m_number)
        .select_from(panel)
        .outerjoin(alias, sa.and_(alias.c.panel_id == panel.c.id, schema.live_condition(alias, revision)))
        .order_by(panel.c.id)
    )
    return query if revision is None else query.where(panel.c.recorded_in <= revision)


@cache
def _select_panels_by_id(*, newest: bool) -> sa.Select[Any]:
    """Return the statement for the panels with the Ids ``names``, as of the parameter ``revision`` or the newest."""
    revision = None if newest else sa.bindparam("revision", type_=sa.Integer)
    names: sa.BindParameter[Any] = sa.bindparam("names", expanding=True)
    return _select_panels(revision).where(schema.panel.c.identifier.in_(names))


def _build_panel(row: Any) -> Panel:
    return Panel(row.identifier, row.m_number, row.detector_type, row.recorded_in)


def list_panels(connection: sa.Connection, revision: int | None) -> list[Panel]:
    """Return all panels, in the order of their registration; ``None`` means the newest revision."""
    return [_build_panel(row) for row in connection.execute(_select_panels(revision))]


def find_panels(
    connection: sa.Connection, identifiers: Sequence[str], revision: int | None
) -> tuple[Panel, ...]:
    """Return the panels with these Ids, in this order; ``None`` means the newest revision.

    All that are not known are refused at once, with near ones.
    """
    parameters: dict[str, Any] = {"names": list(identifiers)}
    if revision is not None:
        parameters["revision"] = revision
    rows = connection.execute(_select_panels_by_id(newest=revision is None), parameters)
    panels = {row.identifier: _build_panel(row) for row in rows}
    unknown = [identifier for identifier in identifiers if identifier not in panels]
    if unknown:
        known = [panel.panel for panel in list_panels(connection, revision)]
        sentences = [f"panel {name} is not known{suggestion(name, known)}" for name in unknown]
        near = sorted({panel for name in unknown for panel in find_near(name, known)})
        raise NotFoundError.combine("panels are not known", sentences, panels=unknown, near=near)
    return tuple(panels[identifier] for identifier in identifiers)


def list_aliases(connection: sa.Connection, revision: int | None, *, withdrawn: bool = False) -> list[Alias]:
    """Return the aliases by M-number, with `withdrawn` those too; ``None`` means the newest revision."""
    alias = schema.alias
    condition = schema.live_condition(alias, revision)
    if withdrawn:
        condition = sa.true() if revision is None else alias.c.recorded_in <= revision
    query = (
        sa.select(alias.c.m_number, schema.panel.c.identifier, alias.c.recorded_in, alias.c.withdrawn_in)
        .join(schema.panel, schema.panel.c.id == alias.c.panel_id)
        .where(condition)
        .order_by(alias.c.m_number, alias.c.id)
    )
    return [
        Alias(
            alias=row.m_number,
            panel=row.identifier,
            recorded_in=row.recorded_in,
            withdrawn_in=None if is_live(row, revision) else row.withdrawn_in,
        )
        for row in connection.execute(query)
    ]


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


def find_target(connection: sa.Connection, name: str, revision: int | None) -> Target:
    """Return the panels of a panel Id, an M-number or a detector Id; ``None`` means the newest revision."""
    category, identifiers = parse_target(name)
    if category == "alias":
        return Target(name, category, _find_panels_of_alias(connection, parse_m_number(name), revision))
    return Target(name, category, find_panels(connection, identifiers, revision))


def _find_panels_of_alias(
    connection: sa.Connection, m_number: str, revision: int | None
) -> tuple[Panel, ...]:
    rows = connection.execute(_select_panels(revision).where(schema.alias.c.m_number == m_number)).all()
    if not rows:
        known = {alias.alias for alias in list_aliases(connection, revision)}
        raise NotFoundError(
            f"no panel has the M-number {m_number}{suggestion(m_number, known)}",
            alias=m_number,
            near=find_near(m_number, known),
        )
    return tuple(_build_panel(row) for row in rows)


def read_panel_keys(connection: sa.Connection, identifiers: Iterable[str]) -> dict[str, int]:
    """Return the database's keys of those of these panels that are recorded."""
    return read_keys(connection, schema.panel.c.identifier, schema.panel.c.id, identifiers)
