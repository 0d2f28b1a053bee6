"""Targets: the panels that a name stands for.

A name is a panel Id, an M-number, a detector Id, the short name of a detector, or a dataset: a run.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

from msgspec import Struct

from registry import detectors
from registry.errors import IdentifierError, NotFoundError, NotValidError, Remedy, RequestError
from registry.identifiers import (
    Dataset,
    find_near,
    is_dataset,
    is_detector_name,
    is_m_number,
    join_detector_id,
    parse_typed_m_number,
    quote,
    suggestion,
)
from registry.instants import Instant, format_range
from registry.lookup.aliases import list_aliases, list_aliases_with_m_number
from registry.lookup.detector_names import find_named_detector
from registry.lookup.panels import find_panels, list_panels_with_m_number
from registry.lookup.revisions import read_newest_revision
from registry.lookup.runs import find_configuration, read_run
from registry.records import Configuration, Panel, Run
from registry.sql import sa

_MAX_PATTERN = 200  # characters; a detector Id of fifty panels is not searched for wildcards
_PATTERN = re.compile(r"(?=.*[*?\[])[A-Za-z0-9_.*?!\[\]-]+")

TargetCategory = Literal["panel", "alias", "detector", "name", "run"]


class ParsedTarget(Struct, frozen=True):
    """A canonical name and its category; the panel Ids that it has in it, if it has."""

    name: str
    category: TargetCategory
    identifiers: tuple[str, ...] = ()


class Target(Struct, frozen=True):
    """The panels that a name stands for: one panel, all with an M-number, or a detector's in segment order.

    Of a dataset, ``run`` is the registered run, ``source`` that of the detector, and ``segments`` are the segment
    numbers of the panels, None if not known.
    """

    name: str
    category: TargetCategory
    panels: tuple[Panel, ...]
    run: Run | None = None
    source: str | None = None
    segments: tuple[int, ...] | None = None

    @property
    def detector_id(self) -> str:
        """The panel Ids, joined."""
        return join_detector_id([panel.panel for panel in self.panels])

    @property
    def is_detector(self) -> bool:
        """True if the panels are those of a detector."""
        return self.category in {"detector", "name", "run"}

    def find_instant(self, at: Instant | None) -> Instant | None:
        """Return the instant at which the panels are asked about: that of the request, else the start of the run.

        None where a name has no time of its own. A `NotValidError` for a run whose start time is not known.
        """
        if at is not None or self.category != "run":
            return at
        if self.run is None or self.run.begin is None:
            raise unknown_start_error(self.name, self.run)
        return self.run.begin


def is_pattern(name: str) -> bool:
    """Tell whether a name has the wildcards of a shell, which no name of a panel has."""
    return len(name) <= _MAX_PATTERN and _PATTERN.fullmatch(name) is not None


@lru_cache
def parse_target(name: str) -> ParsedTarget:
    """Return the category of a name, and the panel Ids in it; raise `IdentifierError` for one that cannot be."""
    if is_m_number(name):
        return ParsedTarget(parse_typed_m_number(name), "alias")
    if is_dataset(name):
        return ParsedTarget(str(Dataset.parse(name)), "run")
    if is_detector_name(name):
        return ParsedTarget(name, "name")
    if "_" in name and "-" in name:
        return ParsedTarget(name, "detector", tuple(detectors.parse_detector_id(name)))
    if "-" not in name:
        raise IdentifierError(
            f"{quote(name)} is neither a panel Id (170505-149520170815-3d00b0), nor an M-number (M068),"
            " nor a detector Id (panel Ids joined by '_') or a detector's name, nor a run (exp=xcsls3716:run=631)"
        )
    return ParsedTarget(name, "panel", (detectors.parse_panel_id(name).text,))


def find_target(
    connection: sa.Connection,
    name: str,
    revision: int | None,
    at: Instant | None = None,
    source: str | None = None,
) -> Target:
    """Return the panels that a name stands for; ``None`` means the newest revision.

    An M-number stands for the panels that bear it at the instant `at`, by default for all that bear it at any time.
    A `NotValidError` if none bears it at the instant, but some at another. A run stands for the panels of its
    detector, which `source` tells where it has several.
    """
    parsed = parse_target(name)
    if source is not None and parsed.category != "run":
        raise idle_source_error(name)
    if parsed.category == "alias":
        return Target(
            parsed.name, parsed.category, _find_bearing_panels(connection, parsed.name, revision, at)
        )
    if parsed.identifiers:
        panels = find_panels(connection, parsed.identifiers, revision, at)
        return Target(parsed.name, parsed.category, panels)
    number = read_newest_revision(connection) if revision is None else revision
    if parsed.category == "run":
        return _find_run(connection, Dataset.parse(name), source, number, at)
    named = find_named_detector(connection, name, number)
    return Target(name, parsed.category, find_panels(connection, named.panels, revision, at))


def _find_run(
    connection: sa.Connection, dataset: Dataset, source: str | None, revision: int, at: Instant | None
) -> Target:
    configuration = find_configuration(connection, dataset, source, revision)
    if not configuration.panels:
        raise configuration_without_ids_error(configuration, dataset)
    run = read_run(connection, dataset, revision)
    instant = at or (run.begin if run else None)
    panels = find_panels(connection, configuration.panels, revision, instant)
    return Target(str(dataset), "run", panels, run, configuration.source, configuration.segments)


def configuration_without_ids_error(configuration: Configuration, dataset: Dataset) -> NotFoundError:
    """Return the refusal of a run whose configuration does not name its panels."""
    return NotFoundError(
        f"the configuration of {configuration.source} in {dataset} is {configuration.object_name},"
        " which carries no panel Ids",
        dataset=str(dataset),
        experiment=configuration.experiment,
        source=configuration.source,
        first_run=configuration.first_run,
        last_run=configuration.last_run,
        remedy=Remedy.CONFIGURE_DETECTOR,
    )


def idle_source_error(name: str) -> RequestError:
    """Return the refusal of a source with a name that needs none."""
    return RequestError("a source goes with a dataset; any other name has its panels itself", target=name)


def unknown_start_error(dataset: str, run: Run | None) -> NotValidError:
    """Return the refusal of a run without a time."""
    why = "is registered without a start time" if run else "is not registered"
    return NotValidError(
        f"{dataset} {why}, so it is not known which constants were valid",
        dataset=dataset,
        remedy=Remedy.RECORD_START_TIME,
    )


def _find_bearing_panels(
    connection: sa.Connection, m_number: str, revision: int | None, at: Instant | None
) -> tuple[Panel, ...]:
    panels = list_panels_with_m_number(connection, m_number, revision, at)
    if not panels:
        known = {alias.alias for alias in list_aliases(connection, revision)}
        raise NotFoundError(
            f"no panel has the M-number {m_number}{suggestion(m_number, known)}",
            alias=m_number,
            near=find_near(m_number, known),
        )
    if at is None:
        return tuple(panels)
    borne = tuple(panel for panel in panels if panel.alias == m_number)
    if not borne:
        raise _not_borne_error(connection, m_number, revision, at)
    return borne


def _not_borne_error(
    connection: sa.Connection, m_number: str, revision: int | None, at: Instant
) -> NotValidError:
    aliases = list_aliases_with_m_number(connection, m_number, revision)
    times = [alias for alias in aliases if alias.alias == m_number]
    known = "; ".join(
        f"{alias.panel} bears it{format_range(alias.valid_from, alias.valid_to)}" for alias in times
    )
    return NotValidError(
        f"no panel bears {m_number} at {at}; {known}",
        alias=m_number,
        panels=list(dict.fromkeys(alias.panel for alias in times)),
    )
