"""The pages of lists: what is there, a piece of it at a time, with links to what follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from registry.api.list_questions import list_configurations, list_detector_names, list_panels, list_runs
from registry.api.questions import list_versions
from registry.api.state_questions import describe_state
from registry.service.pages.visits import Values, Visit

PAGE_LENGTH = 50
"""Rows of one page."""

_RECENT = 10
_KEPT = ("target", "panel", "withdrawn", "experiment")


def show_home(visit: Visit) -> Values:
    """Return what is newest, and the names from which everything else is found."""
    names = list_detector_names(visit.backend, limit=PAGE_LENGTH + 1, as_of=visit.pin)
    tags = visit.registry.tags.list(as_of=visit.pin)
    return {
        "target": None,
        "at": None,
        "state": describe_state(visit.backend, as_of=visit.pin),
        "revisions": visit.registry.log(limit=_RECENT, max_changes=3, as_of=visit.pin),
        "names": names[:PAGE_LENGTH],
        "has_more_names": len(names) > PAGE_LENGTH,
        "tags": tags[: -_RECENT - 1 : -1],
        "has_more_tags": len(tags) > _RECENT,
    }


def show_log(visit: Visit) -> Values:
    """Return revisions, the newest first."""
    target = visit.words.get("target")
    revisions = visit.registry.log(
        target,
        before=visit.read_number("before"),
        limit=PAGE_LENGTH + 1,
        max_changes=3,
        as_of=visit.pin,
    )
    return {
        "target": target,
        "is_first": "before" not in visit.words,
        **_cut(revisions, "revisions", "revision", visit),
    }


def show_versions(visit: Visit) -> Values:
    """Return versions, those that were recorded last first."""
    panel, withdrawn = visit.words.get("panel"), visit.read_flag("withdrawn")
    versions = list_versions(
        visit.backend,
        panel,
        withdrawn=withdrawn,
        before=visit.read_number("before"),
        limit=PAGE_LENGTH + 1,
        as_of=visit.pin,
    )
    return {
        "panel": panel,
        "withdrawn": withdrawn,
        "is_first": "before" not in visit.words,
        **_cut(versions, "versions", "version", visit),
    }


def show_panels(visit: Visit) -> Values:
    """Return panels in the order in which they were recorded."""
    return _read_page(visit, "panels", list_panels)


def show_runs(visit: Visit) -> Values:
    """Return runs of all experiments or of one, by experiment and number."""
    experiment = visit.words.get("experiment")
    return {
        "experiment": experiment,
        **_read_page(visit, "runs", partial(list_runs, experiment=experiment)),
    }


def show_detectors(visit: Visit) -> Values:
    """Return the configurations: which panels are read out for a source in which runs."""
    experiment = visit.words.get("experiment")
    return {
        "experiment": experiment,
        **_read_page(visit, "configurations", partial(list_configurations, experiment=experiment)),
    }


def show_tags(visit: Visit) -> Values:
    """Return the names of revisions."""
    return {"tags": visit.registry.tags.list(as_of=visit.pin)}


def _read_page(visit: Visit, name: str, read: Callable[..., list[Any]]) -> Values:
    """Return the rows from the one that the URL says, and where the next page begins."""
    first = visit.read_number("skip", 0) or 0
    rows = read(visit.backend, skip=first, limit=PAGE_LENGTH + 1, as_of=visit.pin)
    more = {"skip": first + PAGE_LENGTH} if len(rows) > PAGE_LENGTH else None
    return {name: rows[:PAGE_LENGTH], "is_first": not first, "more": more and {**_keep(visit), **more}}


def _keep(visit: Visit) -> Values:
    """Return the words of the URL that the next page has, too."""
    return {name: visit.words[name] for name in _KEPT if name in visit.words}


def _cut(rows: Sequence[Any], name: str, number: str, visit: Visit) -> Values:
    """Return the rows of a page, of which one more was read, and the query of the page that follows."""
    shown = rows[:PAGE_LENGTH]
    more = {"before": getattr(shown[-1], number)} if len(rows) > PAGE_LENGTH else None
    return {name: shown, "more": more and {**_keep(visit), **more}}
