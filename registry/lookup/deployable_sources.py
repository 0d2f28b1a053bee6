"""The sources of an experiment for which files can be deployed, and the kinds of their calibration types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from registry import detectors, schema
from registry.detectors import DetectorType, Kind
from registry.detectors.newer_names import newer_source_error
from registry.errors import NotFoundError
from registry.identifiers import find_near, is_newer_source, parse_experiment, suggestion
from registry.lookup.answers import Source
from registry.lookup.runs import list_configurations, select_sources


@dataclass(frozen=True, slots=True)
class DeployableSource:
    """A source with panel Ids in some run of an experiment."""

    experiment: str
    source: str
    detector: DetectorType
    kinds: tuple[Kind, ...]

    @property
    def key(self) -> Source:
        """The experiment and the source."""
        return self.experiment, self.source

    @property
    def home(self) -> str:
        """The folder of the source in a calibration directory."""
        return self.detector.home_of(self.source)


def list_deployable_sources(
    connection: sa.Connection, experiment: str, source: str | None, types: Sequence[str], revision: int
) -> list[DeployableSource]:
    """Return the sources of an experiment, all or those that fit a name or a part of it, in a calibration directory.

    Parameters
    ----------
    types
        Calibration types; by default those of the kinds that the detector type requires.

    Raises
    ------
    NotFoundError
        The experiment or the source is not known, or no run is recorded.
    RequestError
        A type is not one of the detector type; or the sources are all of the newer data system.
    """
    parse_experiment(experiment)
    configurations = list_configurations(connection, revision, {experiment})
    by_source = {row.source: row.panels[0] for row in configurations if row.panels}
    if not by_source:
        raise _no_source_error(connection, experiment, revision)
    names = select_sources(sorted(by_source), source, experiment)
    of_directory = [name for name in names if not is_newer_source(name)]
    if not of_directory:
        raise newer_source_error(names[0])
    run = schema.run
    recorded = sa.select(run.c.id).where(run.c.experiment == experiment, schema.live_condition(run, revision))
    if connection.execute(recorded.limit(1)).first() is None:
        raise NotFoundError(f"no run of {experiment} is recorded", experiment=experiment)
    return [_build_source(experiment, name, by_source[name], types) for name in of_directory]


def _build_source(experiment: str, name: str, panel: str, types: Sequence[str]) -> DeployableSource:
    detector = detectors.find_panel_type(panel)
    kinds = [detector.find_kind_of_type(calibration_type) for calibration_type in dict.fromkeys(types)]
    required = [detector.find_kind(kind) for kind in detector.required_kinds]
    detectors.refuse_conditions(kinds)
    return DeployableSource(experiment, name, detector, tuple(kinds or required))


def _no_source_error(connection: sa.Connection, experiment: str, revision: int) -> NotFoundError:
    configuration = schema.configuration
    live = schema.live_condition(configuration, revision)
    known = list(connection.execute(sa.select(configuration.c.experiment).distinct().where(live)).scalars())
    if experiment in known:
        return NotFoundError(
            f"no configuration of {experiment} carries panel Ids", experiment=experiment, near=[]
        )
    return NotFoundError(
        f"no detector is configured in experiment {experiment}{suggestion(experiment, known)}",
        experiment=experiment,
        near=find_near(experiment, known),
    )
