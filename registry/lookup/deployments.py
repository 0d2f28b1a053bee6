"""Deployments: warnings where exported constants do not fit all the runs that will read them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import sqlalchemy as sa

from registry import schema
from registry.identifiers import shorten
from registry.instants import Instant, parse_instant
from registry.lookup.configured_ranges import find_range_of_panels
from registry.provenance.document import Deployment, InputConfiguration, Resolution

_PanelsByBoundary = dict[tuple[str, Instant], list[str]]


def deployment_warnings(
    connection: sa.Connection, resolution: Resolution, deployment: Deployment, revision: int
) -> list[str]:
    """Return a warning for each change inside the range of runs, or that may be inside it.

    The range may exceed the configuration that named the panels, and the validity of the versions, which is
    compared with the start times of the registered runs.
    """
    experiment = None if resolution.run is None else resolution.run.experiment
    runs = _RecordedRuns(connection, experiment, revision)
    starts, ends = _find_boundaries(resolution)
    return [
        *_warn_beyond_configuration(connection, resolution.configuration, deployment, revision),
        *_warn_before_starts(starts, deployment, runs),
        *_warn_after_ends(ends, deployment, runs),
    ]


class _RecordedRuns:
    """The recorded runs of an experiment with a start time; none without an experiment."""

    def __init__(self, connection: sa.Connection, experiment: str | None, revision: int) -> None:
        self._connection, self._experiment, self._revision = connection, experiment, revision

    def find_last_before(self, instant: Instant, deployment: Deployment | None = None) -> int | None:
        """Return the last run, of a deployment or of all, that started before an instant."""
        return self._find(sa.func.max(schema.run.c.number), schema.run.c.begin_at < instant, deployment)

    def find_first_from(self, instant: Instant, deployment: Deployment) -> int | None:
        """Return the first run of a deployment that started at or after an instant."""
        return self._find(sa.func.min(schema.run.c.number), schema.run.c.begin_at >= instant, deployment)

    def _find(
        self, number: sa.ColumnElement[int], condition: sa.ColumnElement[bool], deployment: Deployment | None
    ) -> int | None:
        run = schema.run
        query = sa.select(number).where(run.c.experiment == self._experiment, condition)
        query = query.where(schema.live_condition(run, self._revision))
        if deployment is not None:
            query = query.where(run.c.number >= sa.literal(deployment.first_run, sa.BigInteger))
            if deployment.last_run is not None:
                query = query.where(run.c.number <= sa.literal(deployment.last_run, sa.BigInteger))
        return None if self._experiment is None else self._connection.execute(query).scalar()


def _find_boundaries(resolution: Resolution) -> tuple[_PanelsByBoundary, _PanelsByBoundary]:
    """Return by kind and instant the panels whose validity ranges start then, and end then."""
    starts: _PanelsByBoundary = defaultdict(list)
    ends: _PanelsByBoundary = defaultdict(list)
    for panel in resolution.panels:
        for constants in panel.constants:
            for instant, panels in ((constants.valid_from, starts), (constants.valid_to, ends)):
                if instant is not None:
                    panels[constants.kind, parse_instant(instant)].append(panel.panel)
    return starts, ends


def _warn_beyond_configuration(
    connection: sa.Connection, configuration: InputConfiguration | None, deployment: Deployment, revision: int
) -> Iterator[str]:
    if configuration is None or _is_inside(deployment, configuration.first_run, configuration.last_run):
        return
    first, last = find_range_of_panels(connection, configuration, revision)
    if deployment.first_run < first:
        yield (
            f"runs {deployment.runs} start before run {first}, the first for which these panels"
            f" are configured as {configuration.source}"
        )
    if last is not None and not _ends_by(deployment, last):
        yield (
            f"runs {deployment.runs} continue after run {last}, the last for which these panels"
            f" are configured as {configuration.source}"
        )


def count_former_warnings(
    connection: sa.Connection, resolution: Resolution, deployment: Deployment, revision: int
) -> int:
    """Return the number of warnings that the software gave before although other records name the same panels."""
    configuration = resolution.configuration
    if configuration is None:
        return 0
    now = list(_warn_beyond_configuration(connection, configuration, deployment, revision))
    is_early = deployment.first_run < configuration.first_run
    is_late = configuration.last_run is not None and not _ends_by(deployment, configuration.last_run)
    return is_early + is_late - len(now)


def _is_inside(deployment: Deployment, first: int, last: int | None) -> bool:
    return first <= deployment.first_run and (last is None or _ends_by(deployment, last))


def _ends_by(deployment: Deployment, run: int) -> bool:
    return deployment.last_run is not None and deployment.last_run <= run


def _warn_before_starts(
    starts: _PanelsByBoundary, deployment: Deployment, runs: _RecordedRuns
) -> Iterator[str]:
    for (kind, start), panels in sorted(starts.items()):
        early = runs.find_last_before(start, deployment)
        if early is not None:
            yield (
                f"run {early} of runs {deployment.runs} started before {start}, when these constants become"
                f" valid: {kind} of {shorten(panels)}"
            )


def _warn_after_ends(ends: _PanelsByBoundary, deployment: Deployment, runs: _RecordedRuns) -> Iterator[str]:
    for (kind, end), panels in sorted(ends.items()):
        late = runs.find_first_from(end, deployment)
        in_time = runs.find_last_before(end)
        if late is not None:
            yield (
                f"run {late} of runs {deployment.runs} started at or after {end}, when these constants cease"
                f" to be valid: {kind} of {shorten(panels)}"
            )
        elif in_time is None or not _ends_by(deployment, in_time):
            yield (
                f"no registered run shows whether runs {deployment.runs} end before {end}, when these"
                f" constants cease to be valid: {kind} of {shorten(panels)}"
            )
