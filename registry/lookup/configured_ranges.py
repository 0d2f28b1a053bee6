"""The runs for which the same panels are configured, whatever number of records says so."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby

import sqlalchemy as sa

from registry.lookup.runs import choose_configurations, list_configurations
from registry.lookup.timelines import Timeline
from registry.provenance.document import InputConfiguration
from registry.records import Configuration
from registry.run_ranges import RunRange

ConfiguredRanges = Timeline[Configuration | None]
"""By run the configuration that applies from it on."""


def find_configured_ranges(
    configurations: Sequence[Configuration],
) -> dict[tuple[str, str], ConfiguredRanges]:
    """Return by experiment and source the configuration that applies from each run on.

    One that continues with the same panels and segment numbers begins nothing new: the first one is there for both.
    """
    ranges = {}
    for source, group in groupby(configurations, lambda row: (row.experiment, row.source)):
        known = list(group)
        firsts = {row.first_run for row in known}
        firsts |= {row.last_run + 1 for row in known if row.last_run is not None}
        timeline: ConfiguredRanges = Timeline()
        for first in sorted(firsts):
            configuration = choose_configurations(known, first).get(source[1])
            if not timeline.values or not _is_alike(timeline.values[-1], configuration):
                timeline.append(first, configuration)
        ranges[source] = timeline
    return ranges


def _is_alike(one: Configuration | None, other: Configuration | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.panels == other.panels and one.segments == other.segments


def find_range_of_panels(
    connection: sa.Connection, configuration: InputConfiguration, revision: int
) -> RunRange:
    """Return the runs, without a gap, for which the panels of a configuration are configured in the same order."""
    source = configuration.experiment, configuration.source
    configurations = list_configurations(connection, revision, {configuration.experiment})
    ranges = find_configured_ranges(configurations)[source]
    panels = [row.panels if row else None for row in ranges.values]
    first = last = bisect_right(ranges.starts, configuration.first_run) - 1
    while first > 0 and panels[first - 1] == panels[first]:
        first -= 1
    while last + 1 < len(panels) and panels[last + 1] == panels[last]:
        last += 1
    end = None if last + 1 == len(panels) else ranges.starts[last + 1] - 1
    return ranges.starts[first], end
