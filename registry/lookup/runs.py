"""Runs, and the detector configurations that name the panels read out in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence, Set
from functools import cache
from itertools import groupby
from operator import attrgetter
from typing import Any

from registry import schema
from registry.database.kept_statements import keep_text
from registry.detectors import DETECTOR_TYPES, find_default_segments
from registry.errors import NotFoundError, Remedy, RequestError
from registry.identifiers import (
    Dataset,
    format_count,
    join_detector_id,
    quote,
    shorten,
    source_matches,
    suggestion,
)
from registry.instants import Instant
from registry.lookup.experiments import unknown_experiment_error
from registry.lookup.value_lists import is_listed
from registry.lookup.values_table import values_table_parameters, values_table_template
from registry.lookup.versions import is_live
from registry.records import Configuration, Detector, Run
from registry.sql import sa

_NEAR_RUNS = 5


def list_runs(
    connection: sa.Connection,
    revision: int,
    experiments: Set[str] | None = None,
    *,
    withdrawn: bool = False,
    part: tuple[int, int | None] = (0, None),
) -> list[Run]:
    """Return the runs of all experiments or of these, by experiment and number; with `withdrawn` those too.

    `part` is how many of them are skipped, and the most that are returned then.
    """
    query = _select_runs(withdrawn=withdrawn)
    skip, limit = part
    if limit is not None:
        query = query.limit(limit)
    if skip:
        query = query.offset(skip)
    if experiments is not None:
        query = query.where(is_listed(schema.run.c.experiment, experiments))
    return [_build_run(row, revision) for row in connection.execute(query, {"revision": revision})]


@cache
def _select_runs(*, withdrawn: bool = False) -> sa.Select[Any]:
    """Return the statement for all runs as of the parameter ``revision``."""
    run = schema.run
    recorded = _is_recorded(run, withdrawn)
    return sa.select(run).where(recorded).order_by(run.c.experiment, run.c.number, run.c.id)


def list_runs_after(
    connection: sa.Connection,
    revision: int,
    experiment: str | None,
    after: tuple[int, Run] | None,
    count: int,
    *,
    withdrawn: bool,
) -> list[tuple[int, Run]]:
    """Return the next `count` runs after one (the first ones for None), as `list_runs` does, each with its key."""
    parameters: dict[str, Any] = {"revision": revision, "count": count, "of_experiment": experiment}
    if after is not None:
        key, run = after
        parameters |= {"experiment": run.experiment, "number": run.run, "id": key}
    query = _select_runs_after(experiment is not None, after is not None, withdrawn)
    return [(row.id, _build_run(row, revision)) for row in connection.execute(query, parameters)]


@cache
def _select_runs_after(of_experiment: bool, has_place: bool, withdrawn: bool) -> sa.Select[Any]:
    run, query = schema.run, _select_runs(withdrawn=withdrawn)
    if of_experiment:
        query = query.where(run.c.experiment == sa.bindparam("of_experiment", type_=sa.Text))
    if has_place:
        order = run.c.experiment, run.c.number, run.c.id
        place = [sa.bindparam(column.name, type_=column.type) for column in order]
        query = query.where(sa.tuple_(*order) > sa.tuple_(*place))
    # SQLite would look for what was recorded by the revision, and sort.
    query = query.with_hint(run, "INDEXED BY ix_run_number", "sqlite")
    return query.limit(sa.bindparam("count", type_=sa.Integer))


def _is_recorded(table: sa.Table, withdrawn: bool) -> sa.ColumnElement[bool]:
    revision = sa.bindparam("revision", type_=sa.Integer)
    return table.c.recorded_in <= revision if withdrawn else schema.live_condition(table, revision)


def _build_run(row: Any, revision: int) -> Run:
    return Run(
        experiment=row.experiment,
        run=row.number,
        begin=None if row.begin_at is None else Instant(row.begin_at),
        end=None if row.end_at is None else Instant(row.end_at),
        recorded_in=row.recorded_in,
        withdrawn_in=None if is_live(row, revision) else row.withdrawn_in,
    )


def read_run(connection: sa.Connection, dataset: Dataset, revision: int) -> Run | None:
    """Return the run if it is registered: a configuration may cover runs that are not."""
    parameters = {"revision": revision, "experiment": dataset.experiment, "number": dataset.run}
    row = connection.execute(_select_run(), parameters).first()
    return None if row is None else _build_run(row, revision)


@keep_text({})
def _select_run() -> sa.Select[Any]:
    run = schema.run
    return _select_runs().where(
        run.c.experiment == sa.bindparam("experiment"), run.c.number == sa.bindparam("number")
    )


def find_run(connection: sa.Connection, dataset: Dataset, revision: int) -> Run:
    """Return the registered run; refuse one that is not registered, with the nearest ones."""
    run = read_run(connection, dataset, revision)
    if run is None:
        raise _unknown_run_error(connection, dataset, revision)
    return run


def _unknown_run_error(connection: sa.Connection, dataset: Dataset, revision: int) -> NotFoundError:
    experiment = dataset.experiment
    numbers = [run.run for run in list_runs(connection, revision, {experiment})]
    configurations = list_configurations(connection, revision, {experiment})
    configured = [f"{configuration.runs} of {configuration.source}" for configuration in configurations]
    if not numbers and not configured:
        return unknown_experiment_error(connection, experiment, revision, dataset=str(dataset))
    near = sorted(sorted(numbers, key=lambda number: (abs(number - dataset.run), number))[:_NEAR_RUNS])
    parts = []
    if near:
        parts.append(f"near: {', '.join(map(str, near))}")
    if configured:
        parts.append(f"configured: runs {shorten(configured)}")
    return NotFoundError(
        f"run {dataset.run} of {experiment} is not known; {'; '.join(parts)}",
        dataset=str(dataset),
        near=near,
        configured=configured,
    )


def list_configurations(
    connection: sa.Connection, revision: int, experiments: Set[str] | None = None, *, withdrawn: bool = False
) -> list[Configuration]:
    """Return the configurations of all experiments or of these, by experiment, source and first run."""
    keyed = list_keyed_configurations(connection, revision, experiments, withdrawn=withdrawn)
    return [configuration for _, configuration in keyed]


def list_keyed_configurations(
    connection: sa.Connection, revision: int, experiments: Set[str] | None = None, *, withdrawn: bool = False
) -> list[tuple[int, Configuration]]:
    """Return what `list_configurations` does, each with the database's key, which a withdrawal needs."""
    dialect = None if experiments is None else connection.dialect.name
    parameters: dict[str, Any] = {"revision": revision}
    if dialect is not None:
        values = [(name,) for name in sorted(experiments or ())]
        parameters |= values_table_parameters(dialect, values, "experiment")
    rows = connection.execute(_select_configurations(dialect, withdrawn=withdrawn), parameters).all()
    return [
        (key, _build_configuration(list(group), revision)) for key, group in groupby(rows, attrgetter("id"))
    ]


def list_newest_configurations(
    connection: sa.Connection, panel: str, count: int, revision: int
) -> list[Configuration]:
    """Return the last recorded configurations with a panel, the newest first."""
    configuration, member = schema.configuration, schema.configuration_panel
    query = (
        sa.select(configuration.c.id)
        .join(member, member.c.configuration_id == configuration.c.id)
        .join(schema.panel, schema.panel.c.id == member.c.panel_id)
        .where(schema.panel.c.identifier == panel, schema.live_condition(configuration, revision))
        .order_by(configuration.c.id.desc())
        .limit(count)
    )
    keys = connection.execute(query).scalars().all()
    with_panels = _select_configurations(None, withdrawn=False).where(is_listed(configuration.c.id, keys))
    rows = connection.execute(with_panels, {"revision": revision})
    by_key = {
        key: _build_configuration(list(group), revision) for key, group in groupby(rows, attrgetter("id"))
    }
    return [by_key[key] for key in keys]


@keep_text({"dialect": "sqlite", "withdrawn": False})
def _select_configurations(dialect: str | None, *, withdrawn: bool) -> sa.Select[Any]:
    """Return the statement for the configurations, a row per panel; with a dialect, for a list of experiments."""
    configuration, member, panel = schema.configuration, schema.configuration_panel, schema.panel
    condition = _is_recorded(configuration, withdrawn)
    if dialect is not None:
        wanted = values_table_template(dialect, configuration.c.experiment)
        condition &= configuration.c.experiment.in_(sa.select(wanted.c.experiment))
    order = configuration.c.experiment, configuration.c.source, configuration.c.first_run, configuration.c.id
    return (
        sa.select(configuration, panel.c.identifier, panel.c.detector_type, member.c.segment)
        .outerjoin(member, member.c.configuration_id == configuration.c.id)
        .outerjoin(panel, panel.c.id == member.c.panel_id)
        .where(condition)
        .order_by(*order, member.c.position)
    )


def _build_configuration(rows: Sequence[Any], revision: int) -> Configuration:
    """Return the configuration of its rows, a row per panel; without panel Ids it has one row."""
    first = rows[0]
    return Configuration(
        experiment=first.experiment,
        source=first.source,
        first_run=first.first_run,
        last_run=first.last_run,
        panels=tuple(row.identifier for row in rows if row.identifier is not None),
        object_name=first.object_name,
        recorded_in=first.recorded_in,
        withdrawn_in=None if is_live(first, revision) else first.withdrawn_in,
        segments=_read_segments(rows),
    )


def _read_segments(rows: Sequence[Any]) -> tuple[int, ...] | None:
    """Return the segment numbers of the panels of a configuration, a row per panel; None if nobody knows them.

    Of configurations recorded before there were any, those of whole detectors are known.
    """
    stated = [row.segment for row in rows if row.segment is not None]
    if stated:
        return tuple(stated) if len(stated) == len(rows) else None
    first = rows[0]
    detector_type = DETECTOR_TYPES.get(first.detector_type)
    if detector_type is None or not detector_type.has_source(first.source):
        return None
    return find_default_segments(detector_type, len(rows), first.source)


def find_configuration(
    connection: sa.Connection, dataset: Dataset, source: str | None, revision: int
) -> Configuration:
    """Return the configuration that applies to a run, see `choose_configurations`.

    `source` is a source of the run or a part that fits only one; ``None`` where the run has one only.
    """
    experiment = dataset.experiment
    by_source = choose_configurations(list_configurations(connection, revision, {experiment}), dataset.run)
    if by_source:
        return by_source[_find_source(sorted(by_source), source, dataset)]
    if read_run(connection, dataset, revision) is None:
        raise _unknown_run_error(connection, dataset, revision)
    raise NotFoundError(
        f"no detector is configured for {dataset}",
        dataset=str(dataset),
        experiment=experiment,
        first_run=dataset.run,
        remedy=Remedy.CONFIGURE_DETECTOR,
    )


def choose_configurations(configurations: Iterable[Configuration], run: int) -> dict[str, Configuration]:
    """Return by source the configuration that applies to a run of the experiment.

    Where several cover the run, one with panel Ids goes before those without.
    """
    by_source: dict[str, Configuration] = {}
    for configuration in configurations:
        covers = configuration.first_run <= run and (
            configuration.last_run is None or run <= configuration.last_run
        )
        source = configuration.source
        if covers and (source not in by_source or not by_source[source].panels):
            by_source[source] = configuration
    return by_source


def list_run_configurations(
    connection: sa.Connection, revision: int, experiments: Set[str] | None = None
) -> Iterator[tuple[Run, Configuration]]:
    """Yield each registered run with each configuration that names the panels read out in it.

    By experiment, number and source. Configurations without panel Ids are left out.
    """
    by_experiment = defaultdict(list)
    for configuration in list_configurations(connection, revision, experiments):
        by_experiment[configuration.experiment].append(configuration)
    for run in list_runs(connection, revision, experiments):
        by_source = choose_configurations(by_experiment[run.experiment], run.run)
        for source in sorted(by_source):
            if by_source[source].panels:
                yield run, by_source[source]


def group_runs_by_panels(
    connection: sa.Connection, panels: Iterable[str], revision: int
) -> dict[frozenset[str], list[Run]]:
    """Return the registered runs by those of the panels that were read out in them, by experiment and number."""
    wanted = frozenset(panels)
    used: dict[Run, frozenset[str]] = {}
    for run, configuration in list_run_configurations(connection, revision):
        own = wanted.intersection(configuration.panels)
        if own:
            used[run] = used.get(run, frozenset()) | own  # a run has the panels of all its sources
    grouped: dict[frozenset[str], list[Run]] = {}
    for run, own in used.items():
        grouped.setdefault(own, []).append(run)
    return grouped


def select_sources(sources: Sequence[str], part: str | None, owner: Dataset | str) -> list[str]:
    """Return the sources of a run or an experiment with this name, else those that it fits; all for None.

    None at all is a `NotFoundError`, which names near ones.
    """
    matches = [source for source in sources if part in (None, source)]
    if not matches and part is not None:
        matches = [source for source in sources if source_matches(part, source)]
    if not matches:
        raise NotFoundError(
            f"{owner} has no source {quote(part or '')}{suggestion(part or '', sources)}",
            sources=list(sources),
        )
    return matches


def _find_source(sources: Sequence[str], part: str | None, dataset: Dataset) -> str:
    matches = select_sources(sources, part, dataset)
    if len(matches) > 1:
        subject = f"{dataset} has" if part is None else f"{quote(part)} fits"
        raise RequestError(
            f"{subject} {format_count(len(matches), 'source')}: {', '.join(matches)}; say which one",
            sources=matches,
        )
    return matches[0]


def find_detector(connection: sa.Connection, dataset: Dataset, source: str | None, revision: int) -> Detector:
    """Return the detector read out in a run, see `find_configuration`, and the start time of the run."""
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
        segments=configuration.segments,
    )
