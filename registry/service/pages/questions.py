"""The pages that answer a form: what holds at a time, what changed between two revisions, a search."""

from __future__ import annotations

from registry.api.name_search import search_names
from registry.api.questions import show_named
from registry.errors import NotFoundError, RequestError
from registry.service.pages.visits import Values, Visit

_CHANGES_SHOWN = 50
_GROUPS_SHOWN = 100
_PAGES = {
    "run": "runs/{name}",
    "detector": "detectors/{name}",
    "panel": "panels/{name}",
    "alias": "panels/{name}",
    "version": "versions/{name}",
    "revision": "log/{name}",
    "export": "exports/{name}",
}


def show_validity(visit: Visit) -> Values:
    """Return what holds at a time, or the empty form."""
    target, at = visit.words.get("target"), visit.words.get("at")
    if target is None:
        return {"is_form": True, "validity": None, "target": target, "at": at}
    kinds = visit.words["kind"].split() if "kind" in visit.words else None
    validity = visit.registry.validity(target, kinds=kinds, at=at, as_of=visit.pin)
    return {"validity": validity, "target": target, "at": at, "kind": visit.words.get("kind")}


def show_changes(visit: Visit) -> Values:
    """Return what changed since a revision: its log, and the runs that get something else."""
    since = visit.words.get("since")
    if since is None:
        return {"is_form": True, "since": None}
    first = visit.registry.find_head(since)
    if first.number > visit.pin.number:
        raise RequestError(
            f"revision {first.number} is later than revision {visit.pin.number}, which the page shows",
            since=first.number,
            as_of=visit.pin.number,
        )
    revisions = visit.registry.log(after=first.number, limit=_CHANGES_SHOWN, max_changes=5, as_of=visit.pin)
    affected = visit.registry.group_affected_runs(first.number, as_of=visit.pin)
    return {
        "since": first,
        "revisions": revisions,
        "groups": affected.groups[:_GROUPS_SHOWN],
        "group_count": len(affected.groups),
        "m_numbers": affected.m_numbers,
    }


def find_page(visit: Visit) -> str | None:
    """Return the path of the page of the thing that a search names; None where it names nothing."""
    name = visit.words.get("q", "").strip()
    if not name:
        return None
    try:
        subject = show_named(visit.backend, name, as_of=visit.pin)
    except (NotFoundError, RequestError):
        return None
    if subject.category == "tag" and subject.revision is not None:
        return f"log/{subject.revision.revision}"
    return _PAGES[subject.category].format(name=subject.name)


def search(visit: Visit) -> Values:
    """Return the names that begin like what is searched for; see `find_page` for one that is a thing."""
    text = visit.words.get("q", "").strip()
    names = search_names(visit.backend, text, as_of=visit.pin) if text else {}
    return {"is_form": not text, "text": text, "found": names}
