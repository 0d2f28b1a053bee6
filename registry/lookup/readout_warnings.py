"""Warnings where a change, or an export, has a module in two places at once: see `lookup.simultaneous`."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Container

from registry import schema
from registry.identifiers import MAX_RUN
from registry.lookup.readouts import Readout, build_readout, list_fellow_readouts, list_members
from registry.lookup.simultaneous import list_simultaneous_readouts
from registry.records import Configuration, Detector
from registry.run_ranges import find_ranges
from registry.sql import sa


def list_readout_warnings(connection: sa.Connection, recorded: Container[str], revision: int) -> list[str]:
    """Return the warnings on what a revision recorded in these tables."""
    configuration = schema.configuration
    touched: list[Readout] = []
    if "configuration" in recorded:
        query = sa.select(configuration).where(configuration.c.recorded_in == revision)
        touched += map(build_readout, connection.execute(query))
    if "run" in recorded:
        known = {readout.configuration for readout in touched}
        touched += [
            part for part in _list_recorded_parts(connection, revision) if part.configuration not in known
        ]
    if not touched:
        return []
    panels = {panel for _, panel, _ in list_members(connection, {part.configuration for part in touched})}
    if not panels:
        return []
    fellows = list_fellow_readouts(connection, panels, revision)
    return list_simultaneous_readouts(connection, touched, fellows, revision)


def list_run_readout_warnings(
    connection: sa.Connection, detector: Configuration | Detector, run: int, revision: int
) -> list[str]:
    """Return the warnings on one run, as a revision knows it."""
    fellows = list_fellow_readouts(connection, detector.panels, revision) if detector.panels else []
    place = detector.experiment, detector.source
    touched = [
        Readout(fellow.configuration, place, ((run, run),))
        for fellow in fellows
        if fellow.place == place and fellow.ranges[0][0] <= run <= fellow.ranges[0][1]
    ]
    return list_simultaneous_readouts(connection, touched, fellows, revision)


def _list_recorded_parts(connection: sa.Connection, revision: int) -> list[Readout]:
    """Return the configurations of the runs whose times a revision recorded, with these runs alone."""
    run, configuration = schema.run, schema.configuration
    numbers: dict[str, list[int]] = defaultdict(list)
    recorded = sa.select(run.c.experiment, run.c.number).where(
        run.c.recorded_in == revision, run.c.begin_at.is_not(None)
    )
    for experiment, number in connection.execute(recorded.order_by(run.c.number)):
        numbers[experiment].append(number)
    parts = []
    for experiment, listed in numbers.items():
        query = sa.select(configuration).where(
            configuration.c.experiment == experiment,
            configuration.c.first_run <= listed[-1],
            sa.func.coalesce(configuration.c.last_run, MAX_RUN) >= listed[0],
            schema.live_condition(configuration, revision),
        )
        for row in connection.execute(query):
            ((first, last),) = build_readout(row).ranges
            covered = listed[bisect_left(listed, first) : bisect_right(listed, last)]
            if covered:
                parts.append(Readout(row.id, (experiment, row.source), tuple(find_ranges(covered))))
    return parts
