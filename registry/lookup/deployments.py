"""Does an answer hold for all the runs for which it is going to be read? What is known against it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import sqlalchemy as sa

from registry.instants import Instant, parse_instant
from registry.lookup.runs import list_runs
from registry.lookup.suggestions import shorten
from registry.provenance.document import Deployment, InputConfiguration, Resolution

_StartTimes = list[tuple[int, Instant]]
_PanelsByBoundary = dict[tuple[str, Instant], list[str]]


def deployment_warnings(
    connection: sa.Connection, resolution: Resolution, deployment: Deployment, revision: int
) -> list[str]:
    """Return a warning for each thing that begins or ends inside the range of runs, or may.

    A range may go beyond the configuration that named the panels, and beyond the validity of a version: that is
    compared with the begins of the registered runs of the experiment.
    """
    begins: _StartTimes = []
    if resolution.run is not None:
        found = list_runs(connection, revision, {resolution.run.experiment})
        begins = [(run.run, run.begin) for run in found if run.begin is not None]
    starts, ends = _find_boundaries(resolution)
    return [
        *_warn_beyond_configuration(resolution.configuration, deployment),
        *_warn_before_starts(starts, deployment, begins),
        *_warn_after_ends(ends, deployment, begins),
    ]


def _find_boundaries(resolution: Resolution) -> tuple[_PanelsByBoundary, _PanelsByBoundary]:
    """Return the panels whose versions of a kind begin, and end, at an instant."""
    starts: _PanelsByBoundary = defaultdict(list)
    ends: _PanelsByBoundary = defaultdict(list)
    for panel in resolution.panels:
        for constants in panel.constants:
            for instant, found in ((constants.valid_from, starts), (constants.valid_to, ends)):
                if instant is not None:
                    found[constants.kind, parse_instant(instant)].append(panel.panel)
    return starts, ends


def _warn_beyond_configuration(
    configuration: InputConfiguration | None, deployment: Deployment
) -> Iterator[str]:
    if configuration is None:
        return
    if deployment.first_run < configuration.first_run:
        yield (
            f"runs {deployment.runs} begin before run {configuration.first_run}, the first for which these panels"
            f" are configured as {configuration.source}"
        )
    if configuration.last_run is not None and not _ends_by(deployment, configuration.last_run):
        yield (
            f"runs {deployment.runs} go on after run {configuration.last_run}, the last for which these panels"
            f" are configured as {configuration.source}"
        )


def _ends_by(deployment: Deployment, run: int) -> bool:
    return deployment.last_run is not None and deployment.last_run <= run


def _warn_before_starts(
    starts: _PanelsByBoundary, deployment: Deployment, start_times: _StartTimes
) -> Iterator[str]:
    for (kind, start), panels in sorted(starts.items()):
        early = [run for run, begin in start_times if begin < start and _contains(deployment, run)]
        if early:
            yield (
                f"of runs {deployment.runs} run {max(early)} began before {start}, from when these constants are"
                f" valid: {kind} of {shorten(panels)}"
            )


def _warn_after_ends(
    ends: _PanelsByBoundary, deployment: Deployment, start_times: _StartTimes
) -> Iterator[str]:
    for (kind, end), panels in sorted(ends.items()):
        late = [run for run, begin in start_times if begin >= end and _contains(deployment, run)]
        in_time = [run for run, begin in start_times if begin < end]
        if late:
            yield (
                f"of runs {deployment.runs} run {min(late)} began at or after {end}, when these constants cease"
                f" to be valid: {kind} of {shorten(panels)}"
            )
        elif not in_time or not _ends_by(deployment, max(in_time)):
            yield (
                f"no registered run tells whether runs {deployment.runs} end before {end}, when these"
                f" constants cease to be valid: {kind} of {shorten(panels)}"
            )


def _contains(deployment: Deployment, run: int) -> bool:
    return deployment.first_run <= run and (deployment.last_run is None or run <= deployment.last_run)
