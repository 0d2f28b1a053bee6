"""What every registered run gets, as of a revision, and what a change does to runs and exports.

The same answers as `resolution`, for all runs at once and for the required kinds: a few statements, then a
search in sorted starts.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from registry import detectors, schema
from registry.identifiers import Dataset, PanelId
from registry.instants import Instant
from registry.lookup.runs import answering, configurations, runs
from registry.lookup.suggestions import shortened
from registry.records import AffectedRun, ChangedConstants

_PIECE = 1000

Place = tuple[Dataset, str]
"""A registered run, and the source of one of its detectors."""

Inputs = tuple[tuple[str, str, str], ...]
"""(panel, kind, SHA-256 of the constants) in the order of the array."""


@dataclass(slots=True)
class _Timeline:
    """The live versions of one panel and kind, by start."""

    starts: list[int] = field(default_factory=list)
    versions: list[tuple[int, str | None]] = field(default_factory=list)

    def at(self, instant: int) -> tuple[int | None, str | None]:
        """Return the version that holds at the instant and its constants; both may be None."""
        index = bisect_right(self.starts, instant)
        return self.versions[index - 1] if index else (None, None)


_Timelines = dict[tuple[str, str], _Timeline]


def inputs_of_runs(
    connection: sa.Connection, revision: int, panels: set[str] | None = None
) -> dict[Place, Inputs]:
    """Return from which constants the required arrays of every registered run are made.

    What would be refused is not there.

    Parameters
    ----------
    panels
        Only runs whose detector has one of these panels.
    """
    begins = {
        Dataset(run.experiment, run.run): run.begin
        for run in runs(connection, revision)
        if run.begin is not None
    }
    if not begins:
        return {}
    by_experiment = defaultdict(list)
    for configuration in configurations(connection, revision):
        by_experiment[configuration.experiment].append(configuration)
    detectors_of = {
        (dataset, source): configuration.panels
        for dataset in begins
        for source, configuration in answering(by_experiment[dataset.experiment], dataset.run).items()
        if configuration.panels and (panels is None or not panels.isdisjoint(configuration.panels))
    }
    timelines = _timelines(connection, {name for names in detectors_of.values() for name in names}, revision)
    found = {place: _inputs(timelines, names, begins[place[0]] or 0) for place, names in detectors_of.items()}
    return {place: inputs for place, inputs in found.items() if inputs is not None}


def _inputs(timelines: _Timelines, panels: Sequence[str], instant: int) -> Inputs | None:
    inputs = []
    for panel in panels:
        for kind in detectors.type_of_panel(PanelId.parse(panel)).required_kinds:
            constants = timelines[panel, kind].at(instant)[1] if (panel, kind) in timelines else None
            if constants is None:
                return None
            inputs.append((panel, kind, constants))
    return tuple(inputs)


def _timelines(connection: sa.Connection, panels: Iterable[str], revision: int) -> _Timelines:
    version, panel = schema.version, schema.panel
    found: _Timelines = defaultdict(_Timeline)
    names = sorted(panels)
    for start in range(0, len(names), _PIECE):
        query = (
            sa.select(
                panel.c.identifier,
                version.c.kind,
                version.c.valid_from,
                version.c.id,
                schema.constants.c.sha256,
            )
            .join(version, version.c.panel_id == panel.c.id)
            .outerjoin(schema.constants, schema.constants.c.id == version.c.constants_id)
            .where(panel.c.identifier.in_(names[start : start + _PIECE]), schema.visible(version, revision))
            .order_by(version.c.panel_id, version.c.kind, version.c.valid_from)
        )
        for row in connection.execute(query):
            timeline = found[row.identifier, row.kind]
            timeline.starts.append(row.valid_from)
            timeline.versions.append((row.id, row.sha256))
    return found


def affected_runs(connection: sa.Connection, since: int, upto: int) -> list[AffectedRun]:
    """Return the registered runs that get other constants as of `upto` than as of `since`, or now none, or now some."""
    return _compared(inputs_of_runs(connection, since), inputs_of_runs(connection, upto))


def _compared(before: dict[Place, Inputs], after: dict[Place, Inputs]) -> list[AffectedRun]:
    return [
        _affected(place, before.get(place), after.get(place))
        for place in sorted(before.keys() | after.keys())
        if before.get(place) != after.get(place)
    ]


def _affected(place: Place, before: Inputs | None, after: Inputs | None) -> AffectedRun:
    old = {(panel, kind): constants for panel, kind, constants in before or ()}
    new = {(panel, kind): constants for panel, kind, constants in after or ()}
    change = "now possible" if before is None else "no longer possible" if after is None else "changed"
    return AffectedRun(
        experiment=place[0].experiment,
        run=place[0].run,
        source=place[1],
        change=change,
        constants=tuple(
            ChangedConstants(panel, kind, old.get((panel, kind)), new.get((panel, kind)))
            for panel, kind in dict.fromkeys([*old, *new])
            if old.get((panel, kind)) != new.get((panel, kind))
        ),
    )


def consequences(connection: sa.Connection, revision: int) -> tuple[list[str], list[str]]:
    """Return what a revision does to runs and exports that were there before it: (notes, warnings)."""
    panels = _touched_panels(connection, revision)
    moved = _touched_runs(connection, revision)
    touched = None if moved else panels  # a run or configuration that moved may concern any panel
    if touched is not None and not touched:
        return [], []
    affected = _compared(
        inputs_of_runs(connection, revision - 1, touched), inputs_of_runs(connection, revision, touched)
    )
    possible = [_name(each) for each in affected if each.change == "now possible"]
    changed = [_name(each) for each in affected if each.change == "changed"]
    lost = [_name(each) for each in affected if each.change == "no longer possible"]
    exports = [f"export {number}" for number in _touched_exports(connection, panels, revision)]
    notes = [_counted(possible, "recorded run", "can be exported from now on")]
    warnings = [
        _counted(changed, "recorded run", "would get other constants from now on"),
        _counted(lost, "recorded run", "would be refused from now on"),
        _counted(exports, "recorded export", "would be made from other constants now"),
    ]
    return [note for note in notes if note], [warning for warning in warnings if warning]


def _name(run: AffectedRun) -> str:
    return str(Dataset(run.experiment, run.run))


def _counted(names: Sequence[str], what: str, said: str) -> str:
    distinct = list(dict.fromkeys(names))
    plural = "" if len(distinct) == 1 else "s"
    return f"{len(distinct)} {what}{plural} {said}: {shortened(distinct)}" if distinct else ""


def _touched_panels(connection: sa.Connection, revision: int) -> set[str]:
    version = schema.version
    query = (
        sa.select(schema.panel.c.identifier)
        .distinct()
        .join(version, version.c.panel_id == schema.panel.c.id)
        .where(sa.or_(version.c.recorded_in == revision, version.c.withdrawn_in == revision))
    )
    return set(connection.execute(query).scalars())


def _touched_runs(connection: sa.Connection, revision: int) -> bool:
    """Tell whether the revision withdrew a run or configuration, or recorded a configuration."""
    run, configuration = schema.run, schema.configuration
    queries = [
        sa.select(run.c.id).where(run.c.withdrawn_in == revision),
        sa.select(configuration.c.id).where(
            sa.or_(configuration.c.withdrawn_in == revision, configuration.c.recorded_in == revision)
        ),
    ]
    return any(connection.execute(query.limit(1)).first() for query in queries)


def _touched_exports(connection: sa.Connection, panels: set[str], revision: int) -> list[int]:
    """Return the exports one of whose inputs held at its instant before the revision, where other constants do now."""
    export, used, version = schema.export, schema.export_input, schema.version
    query = (
        sa.select(export.c.id, export.c.instant, schema.panel.c.identifier, version.c.kind, used.c.version_id)
        .join(used, used.c.export_id == export.c.id)
        .join(version, version.c.id == used.c.version_id)
        .join(schema.panel, schema.panel.c.id == version.c.panel_id)
        .order_by(export.c.id)
    )
    rows = [row for row in connection.execute(query) if row.identifier in panels]
    names = {row.identifier for row in rows}
    before, after = (_timelines(connection, names, number) for number in (revision - 1, revision))
    return list(
        dict.fromkeys(
            row.id
            for row in rows
            if (held := before[row.identifier, row.kind].at(Instant(row.instant)))[0] == row.version_id
            and after[row.identifier, row.kind].at(Instant(row.instant))[1] != held[1]
        )
    )
