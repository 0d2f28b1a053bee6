"""The pages of lists: what is there, a piece of it at a time, with links to what follows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from registry.api.questions import list_versions
from registry.service.pages.visits import Values, Visit

PAGE_LENGTH = 50
"""Rows of one page."""

_RECENT = 10


def show_home(visit: Visit) -> Values:
    """Return what is newest, and the names from which everything else is found."""
    return {
        "target": None,
        "at": None,
        "revisions": visit.registry.log(limit=_RECENT, max_changes=3, as_of=visit.pin),
        "names": visit.registry.detectors.names(as_of=visit.pin)[:PAGE_LENGTH],
        "tags": visit.registry.tags.list(as_of=visit.pin)[-_RECENT:],
    }


def show_log(visit: Visit) -> Values:
    """Return revisions, the newest first."""
    target = visit.words.get("target")
    revisions = visit.registry.log(
        target,
        before=visit.read_number("before"),
        limit=PAGE_LENGTH,
        max_changes=3,
        as_of=visit.pin,
    )
    return {"revisions": revisions, "target": target, **_link_more(revisions, "before", "revision", visit)}


def show_versions(visit: Visit) -> Values:
    """Return versions, those that were recorded last first."""
    panel = visit.words.get("panel")
    versions = list_versions(
        visit.backend,
        panel,
        withdrawn="withdrawn" in visit.words,
        before=visit.read_number("before"),
        limit=PAGE_LENGTH,
        as_of=visit.pin,
    )
    return {
        "versions": versions,
        "panel": panel,
        "withdrawn": "withdrawn" in visit.words,
        **_link_more(versions, "before", "version", visit),
    }


def show_panels(visit: Visit) -> Values:
    """Return panels, by their Ids."""
    return _cut(visit, "panels", visit.registry.panels.list(as_of=visit.pin))


def show_runs(visit: Visit) -> Values:
    """Return runs, the newest first."""
    return _cut(visit, "runs", visit.registry.runs.list(as_of=visit.pin)[::-1])


def show_detectors(visit: Visit) -> Values:
    """Return the configurations: which panels are read out for a source in which runs."""
    return _cut(visit, "configurations", visit.registry.detectors.list(as_of=visit.pin)[::-1])


def show_tags(visit: Visit) -> Values:
    """Return the names of revisions."""
    return {"tags": visit.registry.tags.list(as_of=visit.pin)}


def _cut(visit: Visit, name: str, rows: Sequence[Any]) -> Values:
    """Return the rows from the one that the URL says, and where the next piece begins."""
    first = visit.read_number("skip", 0) or 0
    piece = rows[first : first + PAGE_LENGTH]
    following = first + PAGE_LENGTH
    return {name: piece, "total": len(rows), "more": {"skip": following} if following < len(rows) else None}


def _link_more(rows: Sequence[Any], parameter: str, number: str, visit: Visit) -> Values:
    """Return the query of the page that follows a full one."""
    if len(rows) < PAGE_LENGTH:
        return {"more": None}
    kept = {name: visit.words[name] for name in ("target", "panel", "withdrawn") if name in visit.words}
    return {"more": {**kept, parameter: getattr(rows[-1], number)}}
