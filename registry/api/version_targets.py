"""The panels for which a version is stated: one, or those that bear an M-number at its start."""

from __future__ import annotations

from registry.database.change import Change
from registry.errors import RequestError
from registry.instants import Instant
from registry.lookup.aliases import describe_other_times
from registry.lookup.targets import Target, find_target
from registry.records import Panel


def refuse_detector_id(target: Target) -> Target:
    """Refuse a detector Id, and return any other target."""
    if target.is_detector:
        raise RequestError(
            "a version belongs to a panel: give one panel Id or an M-number, not those of a detector",
            panels=[panel.panel for panel in target.panels],
        )
    return target


def find_target_to_change(change: Change, name: str, start: Instant) -> tuple[Panel, ...]:
    """Return the panels that a name stands for at a start time, and note what else an M-number stands for."""
    target = refuse_detector_id(find_target(change.connection, name, change.visible_revision, start))
    if target.category == "alias":
        change.notes += describe_other_times(change.connection, target.name, start, change.visible_revision)
    return target.panels
