"""Readouts: which configurations of a module there are, and the times of their runs, for `lookup.simultaneous`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct

from registry import schema
from registry.database.kept_statements import keep_text
from registry.identifiers import MAX_RUN
from registry.lookup.overlaps import Interval, Range
from registry.lookup.value_lists import is_listed, list_parameter
from registry.lookup.values_table import values_table_parameters, values_table_template
from registry.sql import sa

UNKNOWN_SERIAL_NUMBER = "0"
"""The data systems write it where they know none: two such panels need not be one module."""

_RANGE_COLUMNS = ("experiment", "first_run", "last_run")


def _revision_parameter() -> sa.BindParameter[int]:
    return sa.bindparam("revision", type_=sa.Integer)


class Readout(Struct, frozen=True):
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
    rows = connection.execute(_select_fellow_readouts(), {"panels": panels, "revision": revision})
    return [build_readout(row) for row in rows]


# Asked at every export and change: to build these statements takes longer than to execute them.
@keep_text({})
def _select_fellow_readouts() -> sa.Select[Any]:
    configuration, member = schema.configuration, schema.configuration_panel
    fellows = _select_fellows().subquery("fellows")
    return (
        sa.select(configuration)
        .join(member, member.c.configuration_id == configuration.c.id)
        .join(fellows, fellows.c.id == member.c.panel_id)
        .where(schema.live_condition(configuration, _revision_parameter()))
        .distinct()
    )


def build_readout(row: Any) -> Readout:
    """Return the readout of all runs of a row of `configuration`."""
    last = MAX_RUN if row.last_run is None else row.last_run
    return Readout(row.id, (row.experiment, row.source), ((row.first_run, last),))


def _select_fellows() -> sa.CompoundSelect[Any]:
    """Return the statement for the keys of the panels, and of those that have a serial or M-number of theirs."""
    panel, fellow = schema.panel, schema.panel.alias("fellow")
    alias, same = schema.alias, schema.alias.alias("same")
    named = (
        sa.select(panel.c.id, panel.c.detector_type, panel.c.serial_number)
        .where(is_listed(panel.c.identifier, list_parameter("panels", panel.c.identifier.type)))
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
        .where(
            schema.live_condition(alias, _revision_parameter()),
            schema.live_condition(same, _revision_parameter()),
        )
    )
    return sa.union(sa.select(named.c.id), by_serial_number, by_m_number)


def list_members(connection: sa.Connection, configurations: Iterable[int]) -> list[tuple[int, str, str]]:
    """Return (configuration, panel Id, module) for every panel of these configurations.

    The module is known by the serial number, and where there is none by the panel Id.
    """
    return [
        (key, identifier, identifier if serial == UNKNOWN_SERIAL_NUMBER else f"{detector_type} {serial}")
        for key, identifier, detector_type, serial in connection.execute(
            _select_members(), {"configurations": configurations}
        )
    ]


@keep_text({})
def _select_members() -> sa.Select[Any]:
    member, panel = schema.configuration_panel, schema.panel
    configurations = list_parameter("configurations", member.c.configuration_id.type)
    return (
        sa.select(member.c.configuration_id, panel.c.identifier, panel.c.detector_type, panel.c.serial_number)
        .join(panel, panel.c.id == member.c.panel_id)
        .where(is_listed(member.c.configuration_id, configurations))
        .order_by(member.c.configuration_id, member.c.position)
    )


def list_intervals(
    connection: sa.Connection,
    readouts: Sequence[Readout],
    revision: int,
    during: tuple[int, int] | None = None,
) -> dict[str, list[Interval]]:
    """Return by experiment, in the order of their numbers, the registered runs of these readouts with a start time.

    With `during` those alone that may go on between these two instants.
    """
    rows = {(readout.experiment, *limits) for readout in readouts for limits in readout.ranges}
    dialect = connection.dialect.name
    parameters = {
        **values_table_parameters(dialect, sorted(rows), *_RANGE_COLUMNS),
        "revision": revision,
    }
    if during is not None:
        parameters |= {"begin": during[0], "end": during[1]}
    intervals: dict[str, list[Interval]] = {}
    query = _select_intervals(dialect, is_bounded=during is not None)
    for experiment, *interval in connection.execute(query, parameters):
        intervals.setdefault(experiment, []).append((interval[0], interval[1], interval[2]))
    return intervals


@keep_text(
    {"dialect": "sqlite", "is_bounded": False},
    {"dialect": "sqlite", "is_bounded": True},
)
def _select_intervals(dialect: str, *, is_bounded: bool) -> sa.Select[Any]:
    run, columns = schema.run, (schema.configuration.c[name] for name in _RANGE_COLUMNS)
    wanted = values_table_template(dialect, *columns)
    end = sa.func.coalesce(run.c.end_at, run.c.begin_at)
    query = (
        sa.select(run.c.experiment, run.c.begin_at, end, run.c.number)
        .join(wanted, run.c.experiment == wanted.c.experiment)
        .where(
            run.c.number.between(wanted.c.first_run, wanted.c.last_run),
            run.c.begin_at.is_not(None),
            schema.live_condition(run, _revision_parameter()),
        )
        .distinct()
        .order_by(run.c.number)
    )
    if not is_bounded:
        return query
    first, last = (sa.bindparam(name, type_=run.c.begin_at.type) for name in ("begin", "end"))
    return query.where(run.c.begin_at <= last, end >= first)
