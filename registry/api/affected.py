"""The runs that get something else since a revision, one by one or in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from registry.api.backend import Backend, ReadTransaction
from registry.detectors import DETECTOR_TYPES, Kind, find_base
from registry.errors import RequestError
from registry.identifiers import parse_experiment, quote
from registry.lookup import outcomes
from registry.lookup.aliases import list_aliases_of_panels
from registry.lookup.experiments import refuse_unknown_experiment
from registry.lookup.outcomes import Scope
from registry.lookup.revisions import AsOf
from registry.records import AffectedRun, AffectedRuns


@dataclass(frozen=True, slots=True)
class AffectedRequest:
    """The runs that are asked for: see `Registry.list_affected_runs`."""

    since: AsOf
    as_of: AsOf = None
    kinds: Sequence[str] | None = None
    experiment: str | None = None
    panel: str | None = None


def list_affected_runs(backend: Backend, request: AffectedRequest) -> list[AffectedRun]:
    """Return the runs whose outcome changed since a revision."""
    kinds = _parse_kinds(request.kinds)
    with backend.read_transaction(request.as_of) as view:
        since, scope = _find_scope(view, request, kinds)
        runs = outcomes.list_affected_runs(view.connection, since, view.revision, scope)
    return [replace(run, compared=kinds) for run in runs]


def group_affected_runs(backend: Backend, request: AffectedRequest) -> AffectedRuns:
    """Return the same in groups, with the kinds that the answer covers."""
    kinds = _parse_kinds(request.kinds)
    with backend.read_transaction(request.as_of) as view:
        since, scope = _find_scope(view, request, kinds)
        groups = outcomes.list_affected_groups(view.connection, since, view.revision, scope)
        panels = sorted({panel for group in groups for panel in group.panels})
        aliases = list_aliases_of_panels(view.connection, panels, view.revision) if panels else []
    last = {row.panel: row.alias for row in sorted(aliases, key=lambda row: row.valid_from)}
    return AffectedRuns(since, view.revision, kinds, tuple(groups), last)


def _parse_kinds(kinds: Sequence[str] | None) -> tuple[str, ...]:
    """Return the kinds, by default all that a detector type has, which cover every condition; refuse other names."""
    known = tuple(dict.fromkeys(kind.name for kind in _list_kinds()))
    unknown = [kind for kind in kinds or () if kind not in known]
    if unknown:
        raise RequestError(
            f"{quote(unknown[0])} is not a kind of constants; known: {', '.join(known)}", known=list(known)
        )
    return tuple(kind for kind in known if (kind in kinds if kinds else find_base(kind) == kind))


def _add_conditions(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds, and under every condition those that are named without one."""
    return tuple(dict.fromkeys(kind.name for kind in _list_kinds() if {kind.name, kind.base} & {*kinds}))


def _list_kinds() -> list[Kind]:
    return [kind for detector_type in DETECTOR_TYPES.values() for kind in detector_type.kinds]


def _find_scope(view: ReadTransaction, request: AffectedRequest, kinds: tuple[str, ...]) -> tuple[int, Scope]:
    """Return the number of the first revision, and the scope; refuse names that are not known."""
    since = view.find_revision_number(request.since)
    if since > view.revision:
        raise RequestError(
            f"revision {since} is later than revision {view.revision}", since=since, as_of=view.revision
        )
    experiment = None if request.experiment is None else parse_experiment(request.experiment)
    if experiment is not None:
        refuse_unknown_experiment(view.connection, experiment, view.revision)
    panels = None
    if request.panel is not None:
        panels = frozenset(panel.panel for panel in view.find_panels_ever_named(request.panel))
    return since, Scope(_add_conditions(kinds) if request.kinds else None, experiment, panels)
