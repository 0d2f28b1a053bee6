"""What every registered run gets, as of a revision, and for which runs that differs between two.

The same answers as `resolution`, for all runs at once and for the required kinds: a few statements, then a
search in sorted starts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set
from dataclasses import dataclass

import sqlalchemy as sa

from registry import detectors
from registry.identifiers import Dataset
from registry.instants import Instant
from registry.lookup.runs import choose_configurations, list_configurations, list_runs
from registry.lookup.timelines import Timelines, read_timelines
from registry.records import AffectedRun, ChangedConstants

RunSource = tuple[Dataset, str]
"""A registered run, and the source of one of its detectors."""

Inputs = tuple[tuple[str, str, str | None], ...]
"""(panel, kind, SHA-256 of the constants, None where there are none) in the order of the array."""


@dataclass(frozen=True, slots=True)
class RunDetectors:
    """Of which panels the registered runs are made, by run and source, and when the runs began."""

    panels: dict[RunSource, tuple[str, ...]]
    start_times: dict[Dataset, Instant]


def list_run_detectors(
    connection: sa.Connection, revision: int, experiments: Set[str] | None = None
) -> RunDetectors:
    """Return the detectors that answered in every registered run.

    A run without a begin, or whose detector is not known, is not there.

    Parameters
    ----------
    experiments
        Only runs of these.
    """
    by_experiment = defaultdict(list)
    for configuration in list_configurations(connection, revision, experiments):
        by_experiment[configuration.experiment].append(configuration)
    begins = {
        Dataset(run.experiment, run.run): run.begin
        for run in list_runs(connection, revision, experiments)
        if run.begin is not None
    }
    panels = {
        (dataset, source): configuration.panels
        for dataset in begins
        for source, configuration in choose_configurations(
            by_experiment[dataset.experiment], dataset.run
        ).items()
        if configuration.panels
    }
    return RunDetectors(panels, begins)


def list_run_inputs(
    connection: sa.Connection, revision: int, run_detectors: RunDetectors | None = None
) -> dict[RunSource, Inputs]:
    """Return from which constants the required arrays of every registered run are made.

    Parameters
    ----------
    detectors_there
        What answered as of the revision, if that was asked already.
    """
    there = run_detectors or list_run_detectors(connection, revision)
    lines = read_timelines(connection, {name for names in there.panels.values() for name in names}, revision)
    return {
        place: _find_inputs(lines, names, there.start_times[place[0]])
        for place, names in there.panels.items()
    }


def _find_inputs(lines: Timelines, panels: Sequence[str], instant: int) -> Inputs:
    return tuple(
        (panel, kind, lines[panel, kind].at(instant)[1] if (panel, kind) in lines else None)
        for panel in panels
        for kind in detectors.type_of_panel(panel).required_kinds
    )


def is_complete(inputs: Inputs | None) -> bool:
    """Tell whether an export would be made: the run's detector and begin are known, and nothing is missing."""
    return inputs is not None and all(constants is not None for _, _, constants in inputs)


def list_affected_runs(connection: sa.Connection, since: int, upto: int) -> list[AffectedRun]:
    """Return the registered runs that get other constants as of `upto` than as of `since`, or now none, or now some."""
    return compare_inputs(list_run_inputs(connection, since), list_run_inputs(connection, upto))


def compare_inputs(before: dict[RunSource, Inputs], after: dict[RunSource, Inputs]) -> list[AffectedRun]:
    """Return the runs whose inputs differ, by experiment, run and source."""
    differing = [
        place
        for place in before.keys() | after.keys()
        if before.get(place) != after.get(place)
        and (is_complete(before.get(place)) or is_complete(after.get(place)))
    ]
    return [_build_affected_run(place, before.get(place), after.get(place)) for place in sorted(differing)]


def _build_affected_run(run_source: RunSource, before: Inputs | None, after: Inputs | None) -> AffectedRun:
    old = {(panel, kind): constants for panel, kind, constants in before or ()}
    new = {(panel, kind): constants for panel, kind, constants in after or ()}
    change = "changed"
    if not is_complete(before):
        change = "now possible"
    elif not is_complete(after):
        change = "no longer possible"
    known_twice = before is not None and after is not None
    return AffectedRun(
        experiment=run_source[0].experiment,
        run=run_source[0].run,
        source=run_source[1],
        change=change,
        constants=tuple(
            ChangedConstants(panel, kind, old.get((panel, kind)), new.get((panel, kind)))
            for panel, kind in dict.fromkeys([*old, *new])
            if known_twice and old.get((panel, kind)) != new.get((panel, kind))
        ),
        reason=_describe_reason(before, after),
    )


def _describe_reason(before: Inputs | None, after: Inputs | None) -> str:
    if before is None or after is None:
        return f"its begin or its detector is {'no longer' if after is None else 'now'} known"
    if sorted(before, key=str) == sorted(after, key=str):
        return "its panels answer in another order"
    if {panel for panel, _, _ in before} != {panel for panel, _, _ in after}:
        return "other panels answer"
    return "other constants are valid"
