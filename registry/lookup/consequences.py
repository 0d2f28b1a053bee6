"""Consequences of a change for the runs and exports that were recorded before it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change
from registry.identifiers import Dataset, format_count, join_detector_id, shorten
from registry.lookup.outcomes import list_affected_runs
from registry.lookup.runs import choose_configurations, list_configurations
from registry.lookup.timelines import read_timelines
from registry.lookup.values_table import is_one_of
from registry.records import Configuration
from registry.run_ranges import format_datasets


def describe_consequences(change: Change, revision: int) -> tuple[list[str], list[str]]:
    """Return (notes, warnings) on what a change, as that revision, does to earlier runs and exports."""
    connection = change.connection
    tables = change.recorded | change.withdrawn
    experiments, exported = _read_scope(connection, revision) if "version" in tables else (set(), set())
    changed_experiments = _list_changed_experiments(change, revision)
    experiments |= changed_experiments
    affected = []
    if experiments:
        # The panels and the start time of a run depend on these tables.
        same_detectors = tables.keys().isdisjoint({"run", "configuration"})
        affected = list_affected_runs(
            connection, revision - 1, revision, experiments, same_detectors=same_detectors
        )
    remade, refused, withdrawn = _classify_exports(connection, exported, revision)
    remade |= _list_exports_of_other_panels(connection, changed_experiments, revision)
    carried = _list_carried_versions(connection, revision) if "version" in change.withdrawn else []
    runs = {
        outcome: {Dataset(run.experiment, run.run) for run in affected if run.change == outcome}
        for outcome in ("now possible", "changed", "no longer possible")
    }
    exports = {
        "would be made from other constants now": remade - refused,
        "would be refused now": refused,
        "made from a version that is withdrawn now": withdrawn - remade - refused,
    }
    notes = [_summarise_runs(runs["now possible"], "can be exported from now on")]
    warnings = [
        _summarise_runs(runs["changed"], "would get other constants from now on"),
        _summarise_runs(runs["no longer possible"], "would be refused from now on"),
        *(
            _summarise([f"export {number}" for number in sorted(numbers)], "recorded export", consequence)
            for consequence, numbers in exports.items()
        ),
        _summarise(carried, "version", "carried from a withdrawn one and still live"),
    ]
    return [note for note in notes if note], [warning for warning in warnings if warning]


def _summarise(names: Sequence[str], noun: str, consequence: str) -> str:
    """Return one sentence on all these names, or an empty text without any."""
    return f"{format_count(len(names), noun)} {consequence}: {shorten(names)}" if names else ""


def _summarise_runs(runs: set[Dataset], consequence: str) -> str:
    """Return one sentence on all these runs, by ranges, or an empty text without any."""
    names = shorten(format_datasets(sorted(runs)))
    return f"{format_count(len(runs), 'recorded run')} {consequence}: {names}" if runs else ""


def _read_scope(connection: sa.Connection, revision: int) -> tuple[set[str], set[str]]:
    """Return the experiments and the exported panels that the versions of a revision may affect.

    The experiments in which one of their panels was ever configured, and their panels of which a version was
    ever exported.
    """
    experiments, exported = set(), set()
    for experiment, panel in connection.execute(_select_scope(), {"number": revision}):
        if experiment is None:
            exported.add(panel)
        else:
            experiments.add(experiment)
    return experiments, exported


@cache
def _select_scope() -> sa.CompoundSelect[Any]:
    """Return one statement for both: after most registrations neither exists."""
    version, member, panel = schema.version, schema.configuration_panel, schema.panel
    number = sa.bindparam("number", type_=sa.Integer)
    changed = sa.or_(version.c.recorded_in == number, version.c.withdrawn_in == number)
    touched = sa.select(version.c.panel_id).distinct().where(changed).cte("touched")
    used = (
        sa.select(schema.export_input.c.export_id)
        .join(version, version.c.id == schema.export_input.c.version_id)
        .where(version.c.panel_id == touched.c.panel_id)
    )
    return sa.union_all(
        sa.select(schema.configuration.c.experiment, sa.null().label("identifier"))
        .distinct()
        .join(member, member.c.configuration_id == schema.configuration.c.id)
        .join(touched, touched.c.panel_id == member.c.panel_id),
        sa.select(sa.null(), panel.c.identifier)
        .join(touched, touched.c.panel_id == panel.c.id)
        .where(used.exists()),
    )


def _list_changed_experiments(change: Change, revision: int) -> set[str]:
    """Return the experiments whose runs were withdrawn, or whose configurations changed."""
    run, configuration = schema.run, schema.configuration
    queries = []
    if "run" in change.withdrawn:  # a new run had no constants before
        queries.append(sa.select(run.c.experiment).where(run.c.withdrawn_in == revision))
    if "configuration" in change.recorded | change.withdrawn:
        changed = sa.or_(configuration.c.withdrawn_in == revision, configuration.c.recorded_in == revision)
        queries.append(sa.select(configuration.c.experiment).where(changed))
    return {name for query in queries for name in change.connection.execute(query).scalars()}


def _list_carried_versions(connection: sa.Connection, revision: int) -> list[str]:
    """Return the live versions that were carried from one that the revision withdrew."""
    version, origin = schema.version, schema.version.alias("origin")
    query = (
        sa.select(version.c.id)
        .join(origin, origin.c.id == version.c.carried_from)
        .where(origin.c.withdrawn_in == revision, version.c.withdrawn_in.is_(None))
        .order_by(version.c.id)
    )
    return [f"version {number}" for number in connection.execute(query).scalars()]


def _classify_exports(
    connection: sa.Connection, panels: set[str], revision: int
) -> tuple[set[int], set[int], set[int]]:
    """Return the exports of these panels of which an input was replaced, lost or withdrawn.

    Replaced: other constants are valid now; lost: none are. Withdrawn in that revision, valid or not.
    """
    if not panels:
        return set(), set(), set()
    export, used, version, panel = schema.export, schema.export_input, schema.version, schema.panel
    query = (
        sa.select(
            export.c.id,
            export.c.instant,
            panel.c.identifier,
            version.c.kind,
            used.c.version_id,
            version.c.withdrawn_in,
        )
        .join(used, used.c.export_id == export.c.id)
        .join(version, version.c.id == used.c.version_id)
        .join(panel, panel.c.id == version.c.panel_id)
        .where(is_one_of(connection, panel.c.identifier, panels))
        .order_by(export.c.id)
    )
    rows = connection.execute(query).all()
    before, after = (read_timelines(connection, panels, number) for number in (revision - 1, revision))
    remade: set[int] = set()
    refused: set[int] = set()
    withdrawn: set[int] = set()
    for row in rows:
        old_version, old = before[row.identifier, row.kind].at(row.instant) or (None, None)
        _, new = after[row.identifier, row.kind].at(row.instant) or (None, None)
        if old_version == row.version_id and new != old:
            (refused if new is None else remade).add(row.id)
        if row.withdrawn_in == revision:
            withdrawn.add(row.id)
    return remade, refused, withdrawn


def _list_exports_of_other_panels(
    connection: sa.Connection, experiments: set[str], revision: int
) -> set[int]:
    """Return the exports of runs of these experiments whose panels the revision changed."""
    if not experiments:
        return set()
    export = schema.export
    query = sa.select(export.c.id, export.c.experiment, export.c.run, export.c.source, export.c.detector_id)
    rows = connection.execute(query.where(is_one_of(connection, export.c.experiment, experiments))).all()
    before, after = (
        list_configurations(connection, number, experiments) for number in (revision - 1, revision)
    )
    return {
        row.id
        for row in rows
        if (old := _find_panels(before, row)) != _find_panels(after, row) and old[0] == row.detector_id
    }


def _find_panels(
    configurations: Sequence[Configuration], export: Any
) -> tuple[str | None, Sequence[int] | None]:
    """Return the detector Id and the segment numbers that are configured for the run and source of an export."""
    of_experiment = (entry for entry in configurations if entry.experiment == export.experiment)
    chosen = choose_configurations(of_experiment, export.run).get(export.source)
    return (join_detector_id(chosen.panels), chosen.segments) if chosen else (None, None)
