"""Deployments: warnings where exported constants do not fit all the runs that will read them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import sqlalchemy as sa

from registry.identifiers import shorten
from registry.instants import Instant, parse_instant
from registry.lookup.runs import list_runs
from registry.provenance.document import Deployment, InputConfiguration, Resolution

_StartTimes = list[tuple[int, Instant]]
_PanelsByBoundary = dict[tuple[str, Instant], list[str]]


def deployment_warnings(
    connection: sa.Connection, resolution: Resolution, deployment: Deployment, revision: int
) -> list[str]:
    """Return a warning for each change inside the range of runs, or that may be inside it.

    The range may exceed the configuration that named the panels, and the validity of the versions, which is
    compared with the start times of the registered runs.
    """
    start_times: _StartTimes = []
    if resolution.run is not None:
        runs = list_runs(connection, revision, {resolution.run.experiment})
        start_times = [(run.run, run.begin) for run in runs if run.begin is not None]
    starts, ends = _find_boundaries(resolution)
    return [
        *_warn_beyond_configuration(resolution.configuration, deployment),
        *_warn_before_starts(starts, deployment, start_times),
        *_warn_after_ends(ends, deployment, start_times),
    ]


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
    configuration: InputConfiguration | None, deployment: Deployment
) -> Iterator[str]:
    if configuration is None:
        return
    if deployment.first_run < configuration.first_run:
        yield (
            f"runs {deployment.runs} start before run {configuration.first_run}, the first for which these panels"
            f" are configured as {configuration.source}"
        )
    if configuration.last_run is not None and not _ends_by(deployment, configuration.last_run):
        yield (
            f"runs {deployment.runs} continue after run {configuration.last_run}, the last for which these panels"
            f" are configured as {configuration.source}"
        )


def _ends_by(deployment: Deployment, run: int) -> bool:
    return deployment.last_run is not None and deployment.last_run <= run


def _warn_before_starts(
    starts: _PanelsByBoundary, deployment: Deployment, start_times: _StartTimes
) -> Iterator[str]:
    for (kind, start), panels in sorted(starts.items()):
        early = [run for run, time in start_times if time < start and _contains(deployment, run)]
        if early:
            yield (
                f"run {max(early)} of runs {deployment.runs} started before {start}, when these constants become"
                f" valid: {kind} of {shorten(panels)}"
            )


def _warn_after_ends(
    ends: _PanelsByBoundary, deployment: Deployment, start_times: _StartTimes
) -> Iterator[str]:
    for (kind, end), panels in sorted(ends.items()):
        late = [run for run, time in start_times if time >= end and _contains(deployment, run)]
        in_time = [run for run, time in start_times if time < end]
        if late:
            yield (
                f"run {min(late)} of runs {deployment.runs} started at or after {end}, when these constants cease"
                f" to be valid: {kind} of {shorten(panels)}"
            )
        elif not in_time or not _ends_by(deployment, max(in_time)):
            yield (
                f"no registered run shows whether runs {deployment.runs} end before {end}, when these"
                f" constants cease to be valid: {kind} of {shorten(panels)}"
            )


def _contains(deployment: Deployment, run: int) -> bool:
    return deployment.first_run <= run and (deployment.last_run is None or run <= deployment.last_run)
