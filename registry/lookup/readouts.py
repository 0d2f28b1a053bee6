"""Readouts: which configurations of a module there are, and the times of their runs, for `lookup.simultaneous`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.identifiers import MAX_RUN
from registry.lookup.overlaps import Interval, Range
from registry.lookup.value_lists import is_listed
from registry.lookup.values_table import values_table

UNKNOWN_SERIAL_NUMBER = "0"
"""The data systems write it where they know none: two such panels need not be one module."""


@dataclass(frozen=True, slots=True)
class Readout:
    """Runs in which a source of an experiment reads out panels: those of one configuration, or some of them."""

    configuration: int
    place: tuple[str, str]
    ranges: tuple[Range, ...]

    @property
    def experiment(self) -> str:
        """The experiment of the place."""
        return self.place[0]


def list_fellow_readouts(connection: sa.Connection, panels: Iterable[str], revision: int) -> list[Readout]:
    """Return the configurations, as of a revision, with one of these panels or another panel Id of its module."""
    configuration, member = schema.configuration, schema.configuration_panel
    fellows = _select_fellows(panels, revision).subquery("fellows")
    query = (
        sa.select(configuration)
        .join(member, member.c.configuration_id == configuration.c.id)
        .join(fellows, fellows.c.id == member.c.panel_id)
        .where(schema.live_condition(configuration, revision))
        .distinct()
    )
    return [build_readout(row) for row in connection.execute(query)]


def build_readout(row: Any) -> Readout:
    """Return the readout of all runs of a row of `configuration`."""
    last = MAX_RUN if row.last_run is None else row.last_run
    return Readout(row.id, (row.experiment, row.source), ((row.first_run, last),))


def _select_fellows(panels: Iterable[str], revision: int) -> sa.CompoundSelect[Any]:
    """Return the statement for the keys of the panels, and of those that have a serial or M-number of theirs."""
    panel, fellow = schema.panel, schema.panel.alias("fellow")
    alias, same = schema.alias, schema.alias.alias("same")
    named = (
        sa.select(panel.c.id, panel.c.detector_type, panel.c.serial_number)
        .where(is_listed(panel.c.identifier, panels))
        .cte("named")
    )
    by_serial_number = (
        sa.select(fellow.c.id)
        .join(named, fellow.c.serial_number == named.c.serial_number)
        .where(
            fellow.c.detector_type == named.c.detector_type,
            fellow.c.serial_number != UNKNOWN_SERIAL_NUMBER,
        )
    )
    by_m_number = (
        sa.select(same.c.panel_id)
        .join(alias, alias.c.m_number == same.c.m_number)
        .join(named, named.c.id == alias.c.panel_id)
        .where(schema.live_condition(alias, revision), schema.live_condition(same, revision))
    )
    return sa.union(sa.select(named.c.id), by_serial_number, by_m_number)


def list_members(connection: sa.Connection, configurations: Iterable[int]) -> list[tuple[int, str, str]]:
    """Return (configuration, panel Id, module) for every panel of these configurations.

    The module is known by the serial number, and where there is none by the panel Id.
    """
    member, panel = schema.configuration_panel, schema.panel
    query = (
        sa.select(member.c.configuration_id, panel.c.identifier, panel.c.detector_type, panel.c.serial_number)
        .join(panel, panel.c.id == member.c.panel_id)
        .where(is_listed(member.c.configuration_id, configurations))
        .order_by(member.c.configuration_id, member.c.position)
    )
    return [
        (key, identifier, identifier if serial == UNKNOWN_SERIAL_NUMBER else f"{detector_type} {serial}")
        for key, identifier, detector_type, serial in connection.execute(query)
    ]


def list_intervals(
    connection: sa.Connection,
    readouts: Sequence[Readout],
    revision: int,
    during: tuple[int, int] | None = None,
) -> dict[str, list[Interval]]:
    """Return by experiment, in the order of their numbers, the registered runs of these readouts with a start time.

    With `during` those alone that may go on between these two instants.
    """
    run, configuration = schema.run, schema.configuration
    rows = {(readout.experiment, *limits) for readout in readouts for limits in readout.ranges}
    columns = configuration.c.experiment, configuration.c.first_run, configuration.c.last_run
    wanted = values_table(connection, sorted(rows), *columns)
    end = sa.func.coalesce(run.c.end_at, run.c.begin_at)
    query = (
        sa.select(run.c.experiment, run.c.begin_at, end, run.c.number)
        .join(wanted, run.c.experiment == wanted.c.experiment)
        .where(
            run.c.number.between(wanted.c.first_run, wanted.c.last_run),
            run.c.begin_at.is_not(None),
            schema.live_condition(run, revision),
        )
        .distinct()
        .order_by(run.c.number)
    )
    if during is not None:
        query = query.where(run.c.begin_at <= during[1], end >= during[0])
    intervals: dict[str, list[Interval]] = {}
    for experiment, *interval in connection.execute(query):
        intervals.setdefault(experiment, []).append((interval[0], interval[1], interval[2]))
    return intervals
