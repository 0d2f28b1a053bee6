"""Runs, and which detector answered in them: configurations over ranges of runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.errors import NotFoundError, RequestError
from registry.identifiers import Dataset, join_detector_id, quote, source_matches
from registry.instants import Instant
from registry.lookup.suggestions import shorten, suggestion
from registry.lookup.values_table import prepared_values_table, values_table, values_table_parameters
from registry.lookup.versions import is_live
from registry.records import Configuration, Detector, Run


def _optional_instant(value: int | None) -> Instant | None:
    return None if value is None else Instant(value)


def list_runs(
    connection: sa.Connection,
    revision: int,
    experiments: Set[str] | None = None,
    *,
    withdrawn: bool = False,
) -> list[Run]:
    """Return the runs, of all experiments or of these, by experiment and number; with the withdrawn, if asked."""
    query = _select_runs(withdrawn=withdrawn)
    if experiments is not None:
        asked = values_table(connection, [(name,) for name in sorted(experiments)], schema.run.c.experiment)
        query = query.join(asked, asked.c.experiment == schema.run.c.experiment)
    return [_build_run(row, revision) for row in connection.execute(query, {"known": revision})]


@cache
def _select_runs(*, withdrawn: bool = False) -> sa.Select[Any]:
    """Return the statement for all runs as of the revision ``known``."""
    run = schema.run
    return (
        sa.select(run).where(_is_recorded(run, withdrawn)).order_by(run.c.experiment, run.c.number, run.c.id)
    )


def _is_recorded(table: sa.Table, withdrawn: bool) -> sa.ColumnElement[bool]:
    known = sa.bindparam("known", type_=sa.Integer)
    return table.c.recorded_in <= known if withdrawn else schema.live_condition(table, known)


def _build_run(row: Any, revision: int) -> Run:
    return Run(
        experiment=row.experiment,
        run=row.number,
        begin=_optional_instant(row.begin_at),
        end=_optional_instant(row.end_at),
        recorded_in=row.recorded_in,
        withdrawn_in=None if is_live(row, revision) else row.withdrawn_in,
    )


def read_run(connection: sa.Connection, dataset: Dataset, revision: int) -> Run | None:
    """Return the run if it is registered: a configuration may cover runs that are not."""
    parameters = {"known": revision, "named": dataset.experiment, "numbered": dataset.run}
    row = connection.execute(_select_run(), parameters).first()
    return None if row is None else _build_run(row, revision)


@cache
def _select_run() -> sa.Select[Any]:
    run = schema.run
    return _select_runs().where(
        run.c.experiment == sa.bindparam("named"), run.c.number == sa.bindparam("numbered")
    )


def find_run(connection: sa.Connection, dataset: Dataset, revision: int) -> Run:
    """Return the registered run.

    Raises
    ------
    NotFoundError
        It is not registered; near ones are named.
    """
    found = read_run(connection, dataset, revision)
    if found is None:
        raise unknown_run_error(connection, dataset, revision)
    return found


def unknown_run_error(connection: sa.Connection, dataset: Dataset, revision: int) -> NotFoundError:
    """Return the refusal for a run that is neither registered nor covered by a configuration."""
    numbers = [run.run for run in list_runs(connection, revision, {dataset.experiment})]
    covered = list_configurations(connection, revision, {dataset.experiment})
    ranges = [f"{each.runs} of {each.source}" for each in covered]
    if not numbers and not ranges:
        known_names = suggestion(dataset.experiment, list_experiments(connection, revision))
        return NotFoundError(
            f"experiment {dataset.experiment} is not known{known_names}", dataset=str(dataset)
        )
    nearest = sorted(sorted(numbers, key=lambda number: (abs(number - dataset.run), number))[:5])
    parts = []
    if nearest:
        parts.append(f"near: {', '.join(map(str, nearest))}")
    if ranges:
        parts.append(f"configured: runs {shorten(ranges)}")
    return NotFoundError(
        f"run {dataset.run} of {dataset.experiment} is not known; {'; '.join(parts)}", dataset=str(dataset)
    )


def list_experiments(connection: sa.Connection, revision: int) -> list[str]:
    """Return the experiments that have a run or a configuration, by name."""
    named = [
        sa.select(table.c.experiment).where(schema.live_condition(table, revision))
        for table in (schema.run, schema.configuration)
    ]
    return sorted(connection.execute(sa.union(*named)).scalars())


def list_configurations(
    connection: sa.Connection,
    revision: int,
    experiments: Set[str] | None = None,
    *,
    withdrawn: bool = False,
) -> list[Configuration]:
    """Return the configurations, of all experiments or of these, by experiment, source and first run."""
    keyed = list_keyed_configurations(connection, revision, experiments, withdrawn=withdrawn)
    return [found for _, found in keyed]


def list_keyed_configurations(
    connection: sa.Connection,
    revision: int,
    experiments: Set[str] | None = None,
    *,
    withdrawn: bool = False,
) -> list[tuple[int, Configuration]]:
    """Return the configurations with the database's keys, which a correction needs; the withdrawn too, if asked."""
    dialect = None if experiments is None else connection.dialect.name
    parameters: dict[str, Any] = {"known": revision}
    if dialect is not None:
        rows_asked = [(name,) for name in sorted(experiments or ())]
        parameters |= values_table_parameters(dialect, rows_asked, schema.configuration.c.experiment)
    rows = connection.execute(_select_configurations(dialect, withdrawn=withdrawn), parameters).all()
    return [
        (key, _build_configuration(list(each), revision)) for key, each in groupby(rows, attrgetter("id"))
    ]


@cache
def _select_configurations(dialect: str | None, *, withdrawn: bool) -> sa.Select[Any]:
    """Return the statement for all configurations, a row a panel; with a dialect, for a list of experiments."""
    configuration, member, panel = schema.configuration, schema.configuration_panel, schema.panel
    condition = _is_recorded(configuration, withdrawn)
    if dialect is not None:
        asked = prepared_values_table(dialect, configuration.c.experiment)
        condition &= configuration.c.experiment.in_(sa.select(asked.c.experiment))
    order = configuration.c.experiment, configuration.c.source, configuration.c.first_run, configuration.c.id
    return (
        sa.select(configuration, panel.c.identifier)
        .outerjoin(member, member.c.configuration_id == configuration.c.id)
        .outerjoin(panel, panel.c.id == member.c.panel_id)
        .where(condition)
        .order_by(*order, member.c.position)
    )


def _build_configuration(rows: Sequence[Any], revision: int) -> Configuration:
    """Return the configuration of rows that differ in the panel alone: one without Ids has one row, without a panel."""
    row = rows[0]
    return Configuration(
        experiment=row.experiment,
        source=row.source,
        first_run=row.first_run,
        last_run=row.last_run,
        panels=tuple(each.identifier for each in rows if each.identifier is not None),
        object_name=row.object_name,
        recorded_in=row.recorded_in,
        withdrawn_in=None if is_live(row, revision) else row.withdrawn_in,
    )


def find_configuration(
    connection: sa.Connection, dataset: Dataset, source: str | None, revision: int
) -> Configuration:
    """Return the configuration that answers for a run; one with panel Ids goes before one without.

    Parameters
    ----------
    source
        The source or a part that fits one of the run's; None where the run has only one.

    Raises
    ------
    NotFoundError
        The run has no configuration, or none of such a source; what it has is named.
    RequestError
        Several sources fit.
    """
    found = choose_configurations(
        list_configurations(connection, revision, {dataset.experiment}), dataset.run
    )
    if not found:
        if read_run(connection, dataset, revision) is None:
            raise unknown_run_error(connection, dataset, revision)
        raise NotFoundError(
            f"no detector is configured for {dataset}; calreg detector configure {dataset.experiment} SOURCE"
            f" --first-run {dataset.run} DETECTOR_ID says which one answered",
            dataset=str(dataset),
        )
    return found[_find_source(sorted(found), source, dataset)]


def choose_configurations(configurations: Iterable[Configuration], run: int) -> dict[str, Configuration]:
    """Return by source the configuration that answers for a run of the experiment.

    Where several cover the run, one with panel Ids goes before those without.
    """
    found: dict[str, Configuration] = {}
    for each in configurations:
        covers = each.first_run <= run and (each.last_run is None or run <= each.last_run)
        if covers and (each.source not in found or not found[each.source].panels):
            found[each.source] = each
    return found


def list_runs_of_panels(
    connection: sa.Connection, panels: Iterable[str], revision: int
) -> dict[str, list[Run]]:
    """Return by panel Id the registered runs in which the panel answered, by experiment and number."""
    found: dict[str, list[Run]] = {panel: [] for panel in panels}
    by_experiment = defaultdict(list)
    for configuration in list_configurations(connection, revision):
        by_experiment[configuration.experiment].append(configuration)
    for run in list_runs(connection, revision):
        answered = choose_configurations(by_experiment[run.experiment], run.run).values()
        for panel in {name for each in answered for name in each.panels} & found.keys():
            found[panel].append(run)
    return found


def _find_source(sources: Sequence[str], part: str | None, dataset: Dataset) -> str:
    fitting = list(sources)
    if part is not None:
        fitting = (
            [part] if part in sources else [source for source in sources if source_matches(part, source)]
        )
    if not fitting:
        raise NotFoundError(
            f"{dataset} has no source {quote(part or '')}{suggestion(part or '', sources)}",
            sources=list(sources),
        )
    if len(fitting) > 1:
        given = f"{quote(part)} fits" if part is not None else f"{dataset} has"
        raise RequestError(
            f"{given} {len(fitting)} sources: {', '.join(fitting)}; say which one", sources=fitting
        )
    return fitting[0]


def find_detector(connection: sa.Connection, dataset: Dataset, source: str | None, revision: int) -> Detector:
    """Return the detector that answered in a run, and when the run began.

    Raises
    ------
    NotFoundError, RequestError
        As `find_configuration`.
    """
    configuration = find_configuration(connection, dataset, source, revision)
    run = read_run(connection, dataset, revision)
    return Detector(
        experiment=dataset.experiment,
        run=dataset.run,
        source=configuration.source,
        detector_id=join_detector_id(configuration.panels) if configuration.panels else None,
        panels=configuration.panels,
        begin=run.begin if run else None,
        object_name=configuration.object_name,
    )
