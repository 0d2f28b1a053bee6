"""Short names of detectors: recorded, superseded and withdrawn."""

from __future__ import annotations

from collections.abc import Sequence

from registry import schema
from registry.database.change import Change
from registry.errors import ConflictError, Remedy
from registry.identifiers import join_detector_id
from registry.lookup.detector_names import find_keyed_names, find_named_detector
from registry.lookup.panels import find_panels, read_panel_keys
from registry.lookup.revisions import require_comment
from registry.registration.detector_modules import read_aliases, refuse_modules_always_held_twice


def record_detector_name(change: Change, name: str, panels: Sequence[str], *, supersede: bool) -> None:
    """Record the name of a detector; no change where it has it already.

    Raises
    ------
    NotFoundError
        A panel is not known.
    ConflictError
        The name is that of another detector, or was and was withdrawn, and `supersede` is not set; or the panels are
        no detector: two are of one module.
    RequestError
        It supersedes without a comment.
    """
    if supersede:
        require_comment(change.comment, "superseding")
    find_panels(change.connection, panels, change.visible_revision)
    refuse_modules_always_held_twice(read_aliases(change, panels), panels)
    known = find_keyed_names(change.connection, name, change.visible_revision)
    live = {key: named for key, named in known.items() if named.withdrawn_in is None}
    if any(named.panels == tuple(panels) for named in live.values()):
        return
    gone = [named for named in known.values() if named.withdrawn_in and named.panels == tuple(panels)]
    if not supersede and (live or gone):
        what = (
            f"is that of {next(iter(live.values())).detector_id}"
            if live
            else f"was that of this detector before, and revision {gone[-1].withdrawn_in} withdrew it"
        )
        raise ConflictError(
            f"the name {name} {what}",
            remedy=Remedy.SUPERSEDE,
            name=name,
            detector_id=join_detector_id(tuple(panels)),
        )
    if live:
        change.withdraw(schema.detector_name, live)
    (number,) = change.record(schema.detector_name, [{"name": name}])
    keys = read_panel_keys(change.connection, panels)
    change.insert(
        schema.detector_name_panel,
        [
            {"detector_name_id": number, "position": position, "panel_id": keys[panel]}
            for position, panel in enumerate(panels)
        ],
    )


def withdraw_detector_name(change: Change, name: str) -> None:
    """Withdraw the name of a detector.

    Raises
    ------
    NotFoundError
        No detector ever had the name.
    ConflictError
        It was withdrawn already.
    """
    known = find_keyed_names(change.connection, name, change.visible_revision)
    live = [key for key, named in known.items() if named.withdrawn_in is None]
    if live:
        change.withdraw(schema.detector_name, live)
        return
    if known:
        withdrawn_in = max(named.withdrawn_in or 0 for named in known.values())
        raise ConflictError(
            f"the name {name} was withdrawn already, by revision {withdrawn_in}", withdrawn_in=withdrawn_in
        )
    find_named_detector(change.connection, name, change.visible_revision)  # which refuses, with similar names
