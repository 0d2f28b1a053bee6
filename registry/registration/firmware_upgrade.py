"""A firmware upgrade: the same module answers under a new panel Id, with the constants of the old one."""

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
    """State that from an instant on `new` has what holds for `old` then: every kind, and nothing else.

    Raises
    ------
    NotFoundError
        A panel is not known.
    NotValidError
        Nothing holds for the old panel then, or one of its kinds is in a gap.
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
    kinds = [kind.name for kind in detector.kinds]
    holding = validity.versions_at(
        change.connection, [source.panel], kinds, valid_from, change.visible_revision
    )
    asked = [kind for kind in kinds if (old, kind) in holding] or list(detector.required_kinds)
    validity.refuse_missing(
        validity.describe_missing(
            change.connection, [source], asked, valid_from, holding, change.visible_revision
        )
    )
    record_versions(
        change,
        [
            VersionStatement(
                panel=new,
                kind=kind,
                valid_from=valid_from,
                constants=holding[old, kind].constants,
                comment=change.comment,
                nonfinite_allowed=holding[old, kind].nonfinite_allowed,
                carried_from=holding[old, kind].version,
                conversion=holding[old, kind].conversion,
            )
            for kind in asked
        ],
        supersede=False,
    )
    change.notes += [
        f"no {kind} of {old} had begun by {valid_from}: none is carried"
        for kind in detector.required_kinds
        if kind not in asked
    ]


def _check_same_module(change: Change, old: Panel, new: Panel) -> None:
    """Refuse to carry from one module to another; warn where nothing shows that it is one."""
    if old.alias is not None and new.alias is not None and old.alias != new.alias:
        raise RequestError(
            f"constants are carried within one module; {old.panel} is of {old.alias}, {new.panel} of {new.alias}"
        )
    serial_numbers = {detectors.parse_panel_id(panel.panel).serial_number for panel in (old, new)}
    if len(serial_numbers) > 1 and (old.alias is None or new.alias is None):
        change.warnings.append(
            f"{new.panel} has another serial number than {old.panel} and not its M-number: is it the same module?"
        )
