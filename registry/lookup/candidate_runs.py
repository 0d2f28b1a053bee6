"""The runs that may get something else as of one revision than as of another, found by indexes.

They start in a range of time in which a panel of their detector has other constants, or their own times, their
configuration or the M-numbers of their panels changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.identifiers import MAX_RUN
from registry.instants import BEGINNING, NEVER
from registry.lookup.answers import Source
from registry.lookup.changed_ranges import ChangedRange
from registry.lookup.values_table import values_table_parameters, values_table_template

_SINCE = sa.bindparam("since", type_=sa.Integer)
_UPTO = sa.bindparam("upto", type_=sa.Integer)
_SPANS = (
    schema.configuration.c.experiment,
    schema.configuration.c.source,
    schema.configuration.c.first_run,
    schema.configuration.c.last_run,
    schema.run.c.begin_at,
    schema.run.c.end_at,
)

_Span = tuple[str, str, int, int, int, int]
"""Experiment, source, first and last run, and a range of start times, its end exclusive."""


class RunTimes(NamedTuple):
    """The start time of a run before and after, None where it is not known; and whether it is recorded at all."""

    before: int | None
    after: int | None
    was_recorded: bool = True
    is_recorded: bool = True


@dataclass(slots=True)
class Candidates:
    """The runs that may get something else, by source.

    `all_kinds` tells that not only constants changed, so that all kinds may be concerned; `same_detectors` that
    every run has the panels and M-numbers that it had.
    """

    by_source: defaultdict[Source, dict[int, RunTimes]] = field(default_factory=lambda: defaultdict(dict))
    moved: defaultdict[str, dict[int, RunTimes]] = field(default_factory=lambda: defaultdict(dict))
    all_kinds: bool = False
    same_detectors: bool = True

    @property
    def experiments(self) -> Set[str]:
        """The experiments of the runs."""
        return {source[0] for source in self.by_source} | self.moved.keys()


def find_candidates(
    connection: sa.Connection,
    ranges: Sequence[ChangedRange],
    since: int,
    upto: int,
    experiment: str | None = None,
    *,
    tables: Container[str],
    new_runs: bool,
) -> Candidates:
    """Return the candidates of one experiment or of all; with `new_runs` also those that were not recorded before.

    Only in these `tables` something was recorded or withdrawn.
    """
    limits = {"since": since, "upto": upto}
    candidates = Candidates()
    by_panel: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    for changed in ranges:
        by_panel[changed.panel].append((changed.start, changed.end))
    for row in connection.execute(_select_regrouped_panels(), limits) if "alias" in tables else ():
        by_panel[row.identifier].append((row.valid_from, NEVER))
        candidates.same_detectors = False
    by_time = list(_list_spans(connection, by_panel, limits)) if by_panel else []
    configured = list_changed_spans(connection, since, upto) if "configuration" in tables else []
    by_number = [
        (*span[:3], MAX_RUN if span[3] is None else span[3], BEGINNING, NEVER) for span in configured
    ]
    for spans, query in ((by_time, _select_runs_by_time), (by_number, _select_runs_by_number)):
        wanted = [span for span in spans if experiment in (None, span[0])]
        for row in _read_runs(connection, query, wanted, limits):
            times = RunTimes(row.begin_at, row.begin_at)
            candidates.by_source[row.experiment, row.source][row.number] = times
    for row in _read_changed_runs(connection, limits, new_runs=new_runs) if "run" in tables else ():
        if experiment in (None, row.experiment):
            candidates.moved[row.experiment][row.number] = RunTimes(*row[2:])
    candidates.same_detectors = candidates.same_detectors and not by_number
    candidates.all_kinds = bool(candidates.moved) or not candidates.same_detectors
    return candidates


def list_changed_spans(
    connection: sa.Connection, since: int, upto: int
) -> list[tuple[str, str, int, int | None]]:
    """Return (experiment, source, first run, last run) of the configurations live as of one of the revisions only."""
    rows = connection.execute(_select_changed_configurations(), {"since": since, "upto": upto})
    return [(row.experiment, row.source, row.first_run, row.last_run) for row in rows]


def _list_spans(
    connection: sa.Connection, by_panel: dict[str, list[tuple[int, int]]], limits: dict[str, int]
) -> Iterator[_Span]:
    """Yield for each configuration of the panels the ranges of time in which something changed for one of them."""
    dialect = connection.dialect.name
    names = values_table_parameters(dialect, [(panel,) for panel in by_panel], schema.panel.c.identifier)
    times: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    configurations: dict[int, Any] = {}
    for row in connection.execute(_select_configurations(dialect), {**limits, **names}):
        configurations[row.id] = row
        times[row.id] += by_panel[row.identifier]
    for key, row in configurations.items():
        for start, end in _merge(times[key]):
            last = MAX_RUN if row.last_run is None else row.last_run
            yield row.experiment, row.source, row.first_run, last, start, end


def _merge(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


@cache
def _select_configurations(dialect: str) -> sa.Select[Any]:
    """Return the statement for the configurations of panels, as of either revision."""
    configuration, member, panel = schema.configuration, schema.configuration_panel, schema.panel
    wanted = values_table_template(dialect, panel.c.identifier)
    return (
        sa.select(
            configuration.c.id,
            configuration.c.experiment,
            configuration.c.source,
            configuration.c.first_run,
            configuration.c.last_run,
            panel.c.identifier,
        )
        .select_from(wanted)
        .join(panel, panel.c.identifier == wanted.c.identifier)
        .join(member, member.c.panel_id == panel.c.id)
        .join(configuration, configuration.c.id == member.c.configuration_id)
        .where(_is_live_in_either(configuration))
    )


def _is_live_in_either(table: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.or_(schema.live_condition(table, _SINCE), schema.live_condition(table, _UPTO))


def _is_changed(table: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a fact is live as of one revision only."""
    recorded = sa.and_(
        table.c.recorded_in > _SINCE, table.c.recorded_in <= _UPTO, schema.live_condition(table, _UPTO)
    )
    withdrawn = sa.and_(
        table.c.withdrawn_in > _SINCE, table.c.withdrawn_in <= _UPTO, schema.live_condition(table, _SINCE)
    )
    return sa.or_(recorded, withdrawn)


@cache
def _select_changed_configurations() -> sa.Select[Any]:
    configuration = schema.configuration
    columns = configuration.c.experiment, configuration.c.source, configuration.c.first_run
    return sa.select(*columns, configuration.c.last_run).where(_is_changed(configuration))


@cache
def _select_regrouped_panels() -> sa.Select[Any]:
    """Return the statement for panels whose M-number changed, and is one that another panel bears."""
    alias, other, panel = schema.alias, schema.alias.alias("other"), schema.panel
    shared = sa.exists().where(
        other.c.m_number == alias.c.m_number, other.c.panel_id != alias.c.panel_id, _is_live_in_either(other)
    )
    query = sa.select(panel.c.identifier, alias.c.valid_from).join(panel, panel.c.id == alias.c.panel_id)
    return query.where(_is_changed(alias), shared)


def _read_runs(
    connection: sa.Connection, select: Any, spans: Sequence[_Span], limits: dict[str, int]
) -> Iterable[Any]:
    if not spans:
        return ()
    dialect = connection.dialect.name
    parameters = {**limits, **values_table_parameters(dialect, spans, *_SPANS)}
    return connection.execute(select(dialect), parameters)


@cache
def _select_runs_by_time(dialect: str) -> sa.Select[Any]:
    """Return the statement for the runs of spans, by their start times; those whose times did not change."""
    run, span = schema.run, values_table_template(dialect, *_SPANS)
    # Not by the index of the numbers: a configuration may cover a hundred thousand runs.
    number = run.c.number + 0
    return _select_unchanged_runs(span).where(
        run.c.begin_at >= span.c.begin_at,
        run.c.begin_at < span.c.end_at,
        number >= span.c.first_run,
        number <= span.c.last_run,
    )


@cache
def _select_runs_by_number(dialect: str) -> sa.Select[Any]:
    run, span = schema.run, values_table_template(dialect, *_SPANS)
    return _select_unchanged_runs(span).where(
        run.c.number >= span.c.first_run, run.c.number <= span.c.last_run, run.c.begin_at.is_not(None)
    )


def _select_unchanged_runs(span: sa.Subquery) -> sa.Select[Any]:
    run = schema.run
    return (
        sa.select(span.c.source, run.c.experiment, run.c.number, run.c.begin_at)
        .select_from(span)
        .join(run, run.c.experiment == span.c.experiment)
        .where(schema.live_condition(run, _SINCE), schema.live_condition(run, _UPTO))
    )


def _read_changed_runs(connection: sa.Connection, limits: dict[str, int], *, new_runs: bool) -> Iterator[Any]:
    """Yield (experiment, number, start time before and after, whether recorded before and after)."""
    yield from connection.execute(_select_withdrawn_runs(), limits)
    if new_runs:
        yield from connection.execute(_select_new_runs(), limits)


@cache
def _select_withdrawn_runs() -> sa.Select[Any]:
    run, newer = schema.run, schema.run.alias("newer")
    same = sa.and_(newer.c.experiment == run.c.experiment, newer.c.number == run.c.number)
    return (
        sa.select(run.c.experiment, run.c.number, run.c.begin_at, newer.c.begin_at)
        .add_columns(sa.true(), newer.c.id.is_not(None))
        .outerjoin(newer, sa.and_(same, schema.live_condition(newer, _UPTO)))
        .where(run.c.withdrawn_in > _SINCE, run.c.withdrawn_in <= _UPTO, schema.live_condition(run, _SINCE))
    )


@cache
def _select_new_runs() -> sa.Select[Any]:
    run, older = schema.run, schema.run.alias("older")
    same = sa.and_(older.c.experiment == run.c.experiment, older.c.number == run.c.number)
    return (
        sa.select(run.c.experiment, run.c.number, sa.null(), run.c.begin_at)
        .add_columns(sa.false(), sa.true())
        .outerjoin(older, sa.and_(same, schema.live_condition(older, _SINCE)))
        .where(run.c.recorded_in > _SINCE, run.c.recorded_in <= _UPTO, schema.live_condition(run, _UPTO))
        .where(older.c.id.is_(None))
    )
