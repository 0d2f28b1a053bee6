"""Aliases, live and withdrawn, with the times for which they hold: until the next start of the same panel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from registry import schema
from registry.database.kept_statements import keep_text
from registry.instants import Instant
from registry.lookup.timelines import build_timelines
from registry.lookup.value_lists import is_listed, list_parameter
from registry.lookup.versions import is_live
from registry.records import Alias, Panel
from registry.sql import sa


def list_aliases(connection: sa.Connection, revision: int | None, *, withdrawn: bool = False) -> list[Alias]:
    """Return the aliases by M-number and start, with `withdrawn` those too; ``None`` means the newest revision."""
    aliases = _read_aliases(connection, sa.true(), revision, withdrawn=withdrawn)
    return sorted(aliases, key=lambda alias: (alias.alias, alias.valid_from))


def list_aliases_of_panels(
    connection: sa.Connection, panels: Iterable[str], revision: int | None, *, withdrawn: bool = False
) -> list[Alias]:
    """Return the aliases of these panels by M-number, with `withdrawn` those too."""
    parameters: dict[str, Any] = {"panels": list(panels)}
    if revision is not None:
        parameters["revision"] = revision
    query = _select_aliases_of_panels(is_newest=revision is None, withdrawn=withdrawn)
    return _build_aliases(connection.execute(query, parameters).all(), revision)


@keep_text({"is_newest": False, "withdrawn": False})
def _select_aliases_of_panels(*, is_newest: bool, withdrawn: bool) -> sa.Select[Any]:
    panel = schema.panel.c.identifier
    revision = None if is_newest else sa.bindparam("revision", type_=sa.Integer)
    return _select_aliases(
        is_listed(panel, list_parameter("panels", panel.type)), revision, withdrawn=withdrawn
    )


def list_aliases_with_m_number(
    connection: sa.Connection, m_number: str, revision: int | None, *, withdrawn: bool = False
) -> list[Alias]:
    """Return every alias of the panels that ever bear an M-number, so that the ends of its ranges are known."""
    alias = schema.alias.alias("bearing")
    known = alias.c.recorded_in <= revision if revision is not None else sa.true()
    bearing = sa.select(alias.c.panel_id).where(
        alias.c.m_number == m_number, known if withdrawn else schema.live_condition(alias, revision)
    )
    return _read_aliases(connection, schema.panel.c.id.in_(bearing), revision, withdrawn=withdrawn)


def list_related_aliases(
    connection: sa.Connection,
    panels: Iterable[str],
    m_numbers: Iterable[str],
    serial_numbers: Iterable[str],
    revision: int,
) -> list[Alias]:
    """Return the live aliases of these panels, of those with the serial numbers, and of those with the M-numbers."""
    alias, panel = schema.alias.alias("bearing"), schema.panel
    bearing = sa.select(alias.c.panel_id).where(
        is_listed(alias.c.m_number, m_numbers), schema.live_condition(alias, revision)
    )
    condition = sa.or_(
        is_listed(panel.c.identifier, panels),
        is_listed(panel.c.serial_number, serial_numbers),
        panel.c.id.in_(bearing),
    )
    return _read_aliases(connection, condition, revision, withdrawn=False)


def _read_aliases(
    connection: sa.Connection, condition: sa.ColumnElement[bool], revision: int | None, *, withdrawn: bool
) -> list[Alias]:
    query = _select_aliases(condition, revision, withdrawn=withdrawn)
    return _build_aliases(connection.execute(query).all(), revision)


def _select_aliases(
    condition: sa.ColumnElement[bool], revision: int | sa.ColumnElement[int] | None, *, withdrawn: bool
) -> sa.Select[Any]:
    alias, panel = schema.alias, schema.panel
    known = schema.live_condition(alias, revision)
    if withdrawn:
        known = sa.true() if revision is None else alias.c.recorded_in <= revision
    query = sa.select(alias, panel.c.identifier).join(panel, panel.c.id == alias.c.panel_id)
    return query.where(condition, known).order_by(alias.c.m_number, alias.c.id)


def _build_aliases(rows: Sequence[Any], revision: int | None) -> list[Alias]:
    live = sorted((row for row in rows if is_live(row, revision)), key=lambda row: row.valid_from)
    timelines = build_timelines((row.panel_id, row.valid_from, row.id) for row in live)
    ends = dict(pair for timeline in timelines.values() for pair in timeline.ranges())
    return [_build_alias(row, ends.get(row.id), is_live=is_live(row, revision)) for row in rows]


def _build_alias(row: Any, end: int | None, *, is_live: bool) -> Alias:
    return Alias(
        alias=row.m_number,
        panel=row.identifier,
        valid_from=Instant(row.valid_from),
        valid_to=None if end is None else Instant(end),
        same_module=bool(row.same_module),
        recorded_in=row.recorded_in,
        withdrawn_in=None if is_live else row.withdrawn_in,
    )


def name_all_m_numbers(
    connection: sa.Connection, panels: Sequence[Panel], revision: int | None
) -> tuple[Panel, ...]:
    """Return the panels with all M-numbers that they ever bear as their alias, in the order of the starts."""
    aliases = list_aliases_of_panels(connection, [panel.panel for panel in panels], revision)
    borne: dict[str, dict[str, None]] = defaultdict(dict)
    for alias in sorted(aliases, key=lambda known: known.valid_from):
        borne[alias.panel][alias.alias] = None
    return tuple(replace(panel, alias=", ".join(borne[panel.panel]) or None) for panel in panels)


def describe_other_times(connection: sa.Connection, m_number: str, at: Instant, revision: int) -> list[str]:
    """Return a sentence on each panel that bears the M-number at the instant and another one later, or not then."""
    aliases = list_aliases_with_m_number(connection, m_number, revision)
    borne = [alias for alias in aliases if alias.alias == m_number]
    then = {alias.panel: alias for alias in borne if _holds_at(alias, at)}
    ending = [
        f"{alias.panel} bears {m_number} until {alias.valid_to} only; what is recorded for it stays valid after that"
        for alias in then.values()
        if alias.valid_to is not None
        and not any(known.panel == alias.panel and known.valid_from == alias.valid_to for known in borne)
    ]
    absent = dict.fromkeys(alias.panel for alias in borne if alias.panel not in then)
    return ending + [
        f"{panel} does not bear {m_number} at {at}: nothing is recorded for it" for panel in absent
    ]


def _holds_at(alias: Alias, at: Instant) -> bool:
    return alias.valid_from <= at and (alias.valid_to is None or at < alias.valid_to)
