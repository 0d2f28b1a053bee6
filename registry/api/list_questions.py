"""Questions of lists that grow with the registry: a service answers them in pages; see `questions`.

What a revision answers never changes, so a page is a part of the whole answer: those items that follow the first
`skip`, at most `limit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from msgspec.structs import replace

from registry.api.affected import AffectedRequest
from registry.api.affected import group_affected_runs as group_affected_runs_of
from registry.api.affected import list_affected_runs as list_affected_runs_of
from registry.api.backend import Backend
from registry.api.detectors import Detectors
from registry.api.panels import Aliases, Panels
from registry.api.revisions import Tags
from registry.api.validity import find_validity as find_validity_of
from registry.heads import LARGEST_NUMBER
from registry.identifiers import parse_experiment
from registry.instants import Instant
from registry.lookup import runs
from registry.lookup.revisions import AsOf
from registry.records import (
    AffectedRun,
    AffectedRuns,
    Alias,
    Configuration,
    DetectorName,
    Panel,
    Run,
    Tag,
    Validity,
)

_Item = TypeVar("_Item")


def find_validity(
    backend: Backend,
    target: str | Sequence[str],
    *,
    kinds: Sequence[str] | None = None,
    at: Instant | None = None,
    source: str | None = None,
    skip: int | None = None,
    limit: int | None = None,
    as_of: AsOf = None,
) -> Validity:
    """Return the validity ranges of targets, or what is valid at an instant."""
    answer = find_validity_of(backend, target, kinds, at, source, as_of)
    return replace(answer, versions=tuple(_cut(answer.versions, skip, limit)))


def list_panels(
    backend: Backend,
    names: Sequence[str] | None = None,
    *,
    skip: int | None = None,
    limit: int | None = None,
    as_of: AsOf = None,
) -> list[Panel]:
    """Return the panels in the order in which they were recorded; or those of names and patterns."""
    return _cut(Panels(backend).list(names, as_of=as_of), skip, limit)


def list_aliases(
    backend: Backend,
    panel: Sequence[str] | None = None,
    *,
    withdrawn: bool = False,
    skip: int | None = None,
    limit: int | None = None,
    as_of: AsOf = None,
) -> list[Alias]:
    """Return the M-numbers of panels by M-number, with `withdrawn` those too."""
    return _cut(Aliases(backend).list(panel, withdrawn=withdrawn, as_of=as_of), skip, limit)


def list_runs(
    backend: Backend,
    experiment: str | None = None,
    *,
    withdrawn: bool = False,
    skip: int | None = None,
    limit: int | None = None,
    as_of: AsOf = None,
) -> list[Run]:
    """Return the registered runs by experiment and number, with `withdrawn` those too."""
    experiments = None if experiment is None else {parse_experiment(experiment)}
    part = min(skip or 0, LARGEST_NUMBER), limit
    with backend.read_transaction(as_of) as view:
        return runs.list_runs(view.connection, view.revision, experiments, withdrawn=withdrawn, part=part)


def list_configurations(
    backend: Backend,
    experiment: str | None = None,
    *,
    withdrawn: bool = False,
    skip: int | None = None,
    limit: int | None = None,
    as_of: AsOf = None,
) -> list[Configuration]:
    """Return the detector configurations by experiment, source and first run, with `withdrawn` those too."""
    return _cut(Detectors(backend).list(experiment, withdrawn=withdrawn, as_of=as_of), skip, limit)


def list_detector_names(
    backend: Backend,
    *,
    withdrawn: bool = False,
    skip: int | None = None,
    limit: int | None = None,
    as_of: AsOf = None,
) -> list[DetectorName]:
    """Return the short names of detectors in their order, with `withdrawn` those too."""
    return _cut(Detectors(backend).names(withdrawn=withdrawn, as_of=as_of), skip, limit)


def list_tags(
    backend: Backend, *, skip: int | None = None, limit: int | None = None, as_of: AsOf = None
) -> list[Tag]:
    """Return the tags in the order of the revisions that they name."""
    return _cut(Tags(backend).list(as_of=as_of), skip, limit)


def list_affected_runs(
    backend: Backend,
    since: AsOf,
    *,
    kinds: Sequence[str] | None = None,
    experiment: str | None = None,
    panel: str | None = None,
    skip: int | None = None,
    limit: int | None = None,
    as_of: AsOf = None,
) -> list[AffectedRun]:
    """Return the runs that get something else since a revision."""
    request = AffectedRequest(since, as_of, kinds, experiment, panel)
    return _cut(list_affected_runs_of(backend, request), skip, limit)


def group_affected_runs(
    backend: Backend,
    since: AsOf,
    *,
    kinds: Sequence[str] | None = None,
    experiment: str | None = None,
    panel: str | None = None,
    skip: int | None = None,
    limit: int | None = None,
    as_of: AsOf = None,
) -> AffectedRuns:
    """Return the runs that get something else since a revision, in groups of which the same is to be said."""
    answer = group_affected_runs_of(backend, AffectedRequest(since, as_of, kinds, experiment, panel))
    return replace(answer, groups=tuple(_cut(answer.groups, skip, limit)))


def _cut(items: Sequence[_Item], skip: int | None, limit: int | None) -> list[_Item]:
    first = skip or 0
    return list(items[first : None if limit is None else first + limit])
