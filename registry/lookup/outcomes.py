"""Outcomes: the constants that every registered run gets as of a revision, and the runs for which they changed.

The same answers as `resolution`, for all runs at once and for the required kinds: a few statements, then a search
in timelines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import sqlalchemy as sa

from registry import detectors
from registry.identifiers import Dataset
from registry.instants import Instant
from registry.lookup.runs import list_run_configurations
from registry.lookup.timelines import VersionTimelines, read_timelines
from registry.records import AffectedRun, ChangedConstants

RunSource = tuple[Dataset, str]
"""A registered run, and the source of one of its detectors."""

RunDetectors = Mapping[RunSource, tuple[tuple[str, ...], Instant]]
"""The panel Ids of the detectors in segment order, with the start times of the runs."""

Inputs = tuple[tuple[str, str, str | None], ...]
"""(panel, kind, SHA-256 of the constants, ``None`` where none are valid) in the order of the array."""


def list_run_detectors(
    connection: sa.Connection, revision: int, experiments: Set[str] | None = None
) -> RunDetectors:
    """Return the detectors read out in the registered runs, of all experiments or of these.

    Runs without a start time, and configurations without panel Ids, are left out.
    """
    return {
        (Dataset(run.experiment, run.run), configuration.source): (configuration.panels, run.begin)
        for run, configuration in list_run_configurations(connection, revision, experiments)
        if run.begin is not None
    }


def list_run_inputs(
    connection: sa.Connection, revision: int, run_detectors: RunDetectors
) -> dict[RunSource, Inputs]:
    """Return the constants of the required arrays of these runs as of a revision."""
    panels = {panel for identifiers, _ in run_detectors.values() for panel in identifiers}
    timelines = read_timelines(connection, panels, revision)
    return {
        run_source: _find_inputs(timelines, identifiers, start_time)
        for run_source, (identifiers, start_time) in run_detectors.items()
    }


def _find_inputs(timelines: VersionTimelines, panels: Sequence[str], start_time: int) -> Inputs:
    return tuple(
        (panel, kind, version[1] if (version := timelines[panel, kind].at(start_time)) else None)
        for panel in panels
        for kind in detectors.find_panel_type(panel).required_kinds
    )


def is_complete(inputs: Inputs | None) -> bool:
    """Tell whether the run can be exported: detector and start time are known, and no constants are missing."""
    return inputs is not None and all(constants is not None for _, _, constants in inputs)


def list_affected_runs(
    connection: sa.Connection,
    since: int,
    upto: int,
    experiments: Set[str] | None = None,
    *,
    same_detectors: bool = False,
) -> list[AffectedRun]:
    """Return the registered runs whose constants, or whether they have any, changed from `since` to `upto`.

    Of all experiments or of these, by experiment, run and source. With `same_detectors`, neither their panels nor
    their start times changed.
    """
    detectors_after = list_run_detectors(connection, upto, experiments)
    detectors_before = (
        detectors_after if same_detectors else list_run_detectors(connection, since, experiments)
    )
    before = list_run_inputs(connection, since, detectors_before)
    after = list_run_inputs(connection, upto, detectors_after)
    pairs = ((key, before.get(key), after.get(key)) for key in sorted(before.keys() | after.keys()))
    return [
        _build_affected_run(run_source, old, new)
        for run_source, old, new in pairs
        if old != new and (is_complete(old) or is_complete(new))
    ]


def _build_affected_run(run_source: RunSource, before: Inputs | None, after: Inputs | None) -> AffectedRun:
    old = {(panel, kind): constants for panel, kind, constants in before or ()}
    new = {(panel, kind): constants for panel, kind, constants in after or ()}
    change = "changed"
    if not is_complete(before):
        change = "now possible"
    elif not is_complete(after):
        change = "no longer possible"
    in_both = before is not None and after is not None
    dataset, source = run_source
    return AffectedRun(
        experiment=dataset.experiment,
        run=dataset.run,
        source=source,
        change=change,
        constants=tuple(
            ChangedConstants(panel, kind, old.get((panel, kind)), new.get((panel, kind)))
            for panel, kind in dict.fromkeys([*old, *new])
            if in_both and old.get((panel, kind)) != new.get((panel, kind))
        ),
        reason=_describe_reason(before, after),
    )


def _describe_reason(before: Inputs | None, after: Inputs | None) -> str:
    if before is None or after is None:
        return f"its start time or its detector is {'no longer' if after is None else 'now'} known"
    if sorted(before, key=str) == sorted(after, key=str):
        return "its panels are in another order"
    if {panel for panel, _, _ in before} != {panel for panel, _, _ in after}:
        return "it has other panels"
    return "other constants are valid"
