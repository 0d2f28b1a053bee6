"""Firmware upgrades: a module gets a new panel Id, with the constants of the old one from an instant on."""

from __future__ import annotations

from registry import detectors
from registry.database.change import Change
from registry.errors import RequestError
from registry.instants import Instant
from registry.lookup import panels, validity
from registry.records import Panel
from registry.registration.planning import VersionStatement
from registry.registration.versions import record_versions


def carry_constants(change: Change, old: str, new: str, valid_from: Instant) -> None:
    """State that from an instant on `new` has what is valid for `old` then: every kind, and nothing else.

    Raises
    ------
    NotFoundError
        A panel is not known.
    NotValidError
        Nothing is valid for the old panel then, or one of its kinds is in a gap.
    RequestError
        The panels are the same, of different types, or of different modules.
    ConflictError
        The new panel has other constants from that instant on.
    """
    source, target = panels.find_panels(change.connection, [old, new], change.visible_revision)
    if old == new or source.detector_type != target.detector_type:
        raise RequestError(
            f"constants are carried to another panel of the same type, not from {old} to {new}"
        )
    _check_same_module(change, source, target)
    detector = detectors.find_detector_type(source.detector_type)
    names = [kind.name for kind in detector.kinds]
    valid = validity.versions_at(change.connection, [old], names, valid_from, change.visible_revision)
    kinds = [kind for kind in names if (old, kind) in valid] or list(detector.required_kinds)
    validity.refuse_missing(
        validity.describe_missing(
            change.connection, [source], kinds, valid_from, valid, change.visible_revision
        )
    )
    carried = [valid[old, kind] for kind in kinds]
    record_versions(
        change,
        [
            VersionStatement(
                panel=new,
                kind=version.kind,
                valid_from=valid_from,
                constants=version.constants,
                comment=change.comment,
                nonfinite_allowed=version.nonfinite_allowed,
                carried_from=version.version,
                conversion=version.conversion,
                odd_allowed=version.odd_allowed,
            )
            for version in carried
        ],
        supersede=False,
    )
    change.notes += [
        f"{kind} of {old} starts after {valid_from}, or never: it is not carried"
        for kind in detector.required_kinds
        if kind not in kinds
    ]


def _check_same_module(change: Change, old: Panel, new: Panel) -> None:
    """Refuse to carry from one module to another; warn where nothing shows that the two are one."""
    if old.alias is not None and new.alias is not None and old.alias != new.alias:
        raise RequestError(
            f"constants are carried within one module; {old.panel} is of {old.alias}, {new.panel} of {new.alias}"
        )
    serial_numbers = {detectors.parse_panel_id(panel.panel).serial_number for panel in (old, new)}
    if len(serial_numbers) > 1 and (old.alias is None or new.alias is None):
        change.warnings.append(
            f"{new.panel} has another serial number than {old.panel} and not its M-number: is it the same module?"
        )
