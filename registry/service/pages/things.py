"""The pages of one thing: a panel or module, a version, a run, a detector, a revision, an export, a tag."""

from __future__ import annotations

from itertools import groupby

from registry import detectors
from registry.api.questions import list_changes, show_named
from registry.errors import NotFoundError, NotValidError
from registry.identifiers import format_count, quote
from registry.instants import Instant
from registry.records import RunSummary, Subject, Version
from registry.service.pages.pictures import list_detector_pictures, name_difference, name_trend
from registry.service.pages.timelines import TimelineDrawing, lay_out
from registry.service.pages.visits import Values, Visit

_CHANGES_SHOWN = 500
_VERSIONS_SHOWN = 50


def show_panels(visit: Visit) -> Values:
    """Return a panel, or the panels of a module, each with its timelines."""
    name = visit.read_text("name")
    subject = _show(visit, name)
    if not subject.panels:
        raise NotFoundError(
            f"{quote(name)} is not a panel or a module, but the name of another thing: {subject.category}",
            name=name,
            category=subject.category,
        )
    drawings: dict[str, TimelineDrawing | None] = {}
    recent: dict[str, list[Version]] = {}
    end = _read_instant(visit)
    for summary in subject.panels:
        versions = _list_ranges(visit, summary.panel)
        drawings[summary.panel] = lay_out(versions, end)
        recent[summary.panel] = sorted(versions, key=lambda version: version.valid_from)[-_VERSIONS_SHOWN:][
            ::-1
        ]
    return {
        "subject": subject,
        "drawings": drawings,
        "versions": recent,
        "trends": {panel: name_trend(panel) for panel in drawings if drawings[panel]},
    }


def show_version(visit: Visit) -> Values:
    """Return a version, with the statistics of its files."""
    number = visit.read_number("number") or 0
    version, files = visit.registry.versions.show(number, as_of=visit.pin)
    detector_type = detectors.find_panel_type(version.panel)
    kind = detector_type.find_kind(version.kind)
    ranges = _list_ranges(visit, version.panel, kind.name) if files else ()
    return {"version": version, "files": files, "kind": kind, "change": name_difference(version, ranges)}


def show_run(visit: Visit) -> Values:
    """Return a run: what it gets from each detector, panel by panel, and why."""
    subject = _show(visit, f"run:{visit.read_text('name')}", source=visit.words.get("source"))
    run = subject.run
    pictures = (
        [list_detector_pictures(detector, run=subject.name) for detector in run.detectors] if run else []
    )
    return {"subject": subject, "corrections": _group_corrections(run), "pictures_by_detector": pictures}


def show_detector(visit: Visit) -> Values:
    """Return a detector: its panels, and what is valid for them now."""
    name = visit.read_text("name")
    subject = _show(visit, f"detector:{name}")
    detector = subject.detector
    pictures = detector and list_detector_pictures(detector, recorded_at=_read_instant(visit))
    return {"subject": subject, "pictures": pictures}


def show_revision(visit: Visit) -> Values:
    """Return a revision: who recorded what, when and why."""
    number = visit.read_number("number")
    subject = _show(visit, f"revision:{number}")
    changes = list_changes(visit.backend, number or 0, limit=_CHANGES_SHOWN, as_of=visit.pin)
    return {"revision": subject.revision, "changes": changes}


def show_export(visit: Visit) -> Values:
    """Return a recorded export."""
    return {"export": _show(visit, f"export:{visit.read_number('number')}").export}


def _show(visit: Visit, name: str, source: str | None = None) -> Subject:
    return show_named(visit.backend, name, source=source, as_of=visit.pin)


def _list_ranges(visit: Visit, panel: str, *kinds: str) -> tuple[Version, ...]:
    """Return the versions of a panel that are valid for a time, of all kinds or of these; none where it has none."""
    try:
        return visit.registry.validity(panel, kinds=kinds or None, as_of=visit.pin).versions
    except NotValidError:
        return ()


def _read_instant(visit: Visit) -> Instant:
    """Return the instant of the page's revision, until which open ranges are drawn."""
    return visit.registry.log(limit=1, max_changes=1, as_of=visit.pin)[0].recorded_at


def _group_corrections(run: RunSummary | None) -> list[dict[str, object]]:
    """Return the corrections of a run in one line for each revision."""
    rows = [row for detector in run.detectors for row in detector.corrections] if run else []
    return [
        {"first": (group := list(rows_of_one))[0], "count": format_count(len(group), "change"), "rows": group}
        for _, rows_of_one in groupby(rows, lambda row: row.revision)
    ]
