"""Summaries of a run, a detector and a panel: everything that is known of it, found by a few statements."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from registry import schema
from registry.detectors import find_default_segments, find_detector_type
from registry.heads import LARGEST_NUMBER
from registry.identifiers import Dataset, join_detector_id
from registry.instants import Instant
from registry.lookup.aliases import list_aliases_of_panels
from registry.lookup.corrections import list_corrections
from registry.lookup.detector_names import list_detector_names
from registry.lookup.panels import find_panels
from registry.lookup.readout_warnings import list_run_readout_warnings
from registry.lookup.recorded_exports import list_recorded_exports
from registry.lookup.runs import (
    choose_configurations,
    find_run,
    list_configurations,
    list_newest_configurations,
    read_run,
    select_sources,
)
from registry.lookup.validity import ValidVersions, describe_missing, versions_at
from registry.records import Configuration, DetectorState, Panel, PanelState, PanelSummary, RunSummary

_NEWEST_SHOWN = 5


def summarise_run(
    connection: sa.Connection, dataset: Dataset, source: str | None, revision: int
) -> RunSummary:
    """Return a run with all its detectors, or those of a source or of a part of it.

    Raises
    ------
    NotFoundError
        The run is neither registered nor configured, or has no such source.
    """
    run = read_run(connection, dataset, revision)
    configurations = list_configurations(connection, revision, {dataset.experiment})
    by_source = choose_configurations(configurations, dataset.run)
    if not by_source and run is None:
        find_run(connection, dataset, revision)  # which refuses, with what is known
    sources = select_sources(sorted(by_source), source, dataset) if by_source or source else []
    begin = run.begin if run else None
    exports = list_recorded_exports(
        connection, revision, LARGEST_NUMBER, _NEWEST_SHOWN, dataset.experiment, dataset.run
    )
    return RunSummary(
        experiment=dataset.experiment,
        run=dataset.run,
        begin=begin,
        end=run.end if run else None,
        recorded_in=run.recorded_in if run else None,
        detectors=tuple(
            _describe_configured(connection, by_source[name], dataset.run, begin, revision)
            for name in sources
        ),
        exports=tuple(exports),
    )


def _describe_configured(
    connection: sa.Connection,
    configuration: Configuration,
    run: int,
    begin: Instant | None,
    revision: int,
) -> DetectorState:
    if not configuration.panels:
        return DetectorState(configuration.source, None, (), begin, configuration, ())
    panels = find_panels(connection, configuration.panels, revision, begin)
    warnings = list_run_readout_warnings(connection, configuration, run, revision)
    return _describe_detector(
        connection, panels, configuration.segments, begin, revision, configuration, tuple(warnings)
    )


def summarise_detector(
    connection: sa.Connection, panels: Sequence[Panel], instant: Instant, revision: int
) -> DetectorState:
    """Return the panels of a detector with what is valid at an instant."""
    segments = find_default_segments(find_detector_type(panels[0].detector_type), len(panels))
    at_instant = find_panels(connection, [panel.panel for panel in panels], revision, instant)
    return _describe_detector(connection, at_instant, segments, instant, revision)


def _describe_detector(
    connection: sa.Connection,
    panels: Sequence[Panel],
    segments: Sequence[int] | None,
    instant: Instant | None,
    revision: int,
    configuration: Configuration | None = None,
    warnings: tuple[str, ...] = (),
) -> DetectorState:
    identifiers = [panel.panel for panel in panels]
    detector_id = join_detector_id(identifiers)
    names = [
        named.name for named in list_detector_names(connection, revision) if named.detector_id == detector_id
    ]
    kinds = [kind.name for kind in find_detector_type(panels[0].detector_type).kinds]
    valid: ValidVersions = {}
    if instant is not None:
        valid = versions_at(connection, identifiers, kinds, instant, revision)
    return DetectorState(
        source=configuration.source if configuration else None,
        detector_id=detector_id,
        names=tuple(names),
        instant=instant,
        configuration=configuration,
        panels=_describe_panels(connection, panels, segments, instant, valid, revision),
        corrections=()
        if instant is None
        else list_corrections(connection, identifiers, kinds, instant, valid, revision),
        warnings=warnings,
    )


def _describe_panels(
    connection: sa.Connection,
    panels: Sequence[Panel],
    segments: Sequence[int] | None,
    instant: Instant | None,
    valid: ValidVersions,
    revision: int,
) -> tuple[PanelState, ...]:
    detector = find_detector_type(panels[0].detector_type)
    missing: dict[str, list[str]] = {}
    if instant is not None:
        required = detector.required_kinds
        missing = describe_missing(connection, panels, required, instant, valid, revision)
    return tuple(
        PanelState(
            segment=None if segments is None else segments[position],
            panel=panel.panel,
            alias=panel.alias,
            versions=tuple(
                valid[panel.panel, kind.name] for kind in detector.kinds if (panel.panel, kind.name) in valid
            ),
            missing=tuple(missing.get(panel.panel, ())),
        )
        for position, panel in enumerate(panels)
    )


def summarise_panel(connection: sa.Connection, panel: Panel, instant: Instant, revision: int) -> PanelSummary:
    """Return a panel with its M-numbers, what is valid at an instant, and where it was read out last."""
    kinds = [kind.name for kind in find_detector_type(panel.detector_type).kinds]
    (then,) = find_panels(connection, [panel.panel], revision, instant)
    valid = versions_at(connection, [panel.panel], kinds, instant, revision)
    (state,) = _describe_panels(connection, [then], None, instant, valid, revision)
    aliases = list_aliases_of_panels(connection, [panel.panel], revision)
    return PanelSummary(
        panel=panel.panel,
        detector_type=panel.detector_type,
        recorded_in=panel.recorded_in,
        aliases=tuple(sorted(aliases, key=lambda alias: alias.valid_from)),
        state=state,
        version_count=_count_versions(connection, panel.panel, revision),
        configurations=tuple(list_newest_configurations(connection, panel.panel, _NEWEST_SHOWN, revision)),
        detector_names=tuple(
            named.name for named in list_detector_names(connection, revision) if panel.panel in named.panels
        ),
    )


def _count_versions(connection: sa.Connection, panel: str, revision: int) -> dict[str, int]:
    version = schema.version
    query = (
        sa.select(version.c.kind, sa.func.count())
        .join(schema.panel, schema.panel.c.id == version.c.panel_id)
        .where(schema.panel.c.identifier == panel, schema.live_condition(version, revision))
        .group_by(version.c.kind)
        .order_by(version.c.kind)
    )
    return {row[0]: row[1] for row in connection.execute(query)}
