"""A firmware upgrade: the same module answers under a new panel Id, with the constants of the old one."""

from __future__ import annotations

from registry import detectors
from registry.database import Change
from registry.errors import RequestError
from registry.instants import Instant
from registry.lookup import panels, validity
from registry.registration.versions import Statement, state


def carry(change: Change, old: str, new: str, valid_from: Instant) -> None:
    """State that from an instant on `new` has what holds for `old` then: every kind, and nothing else.

    Raises
    ------
    NotFoundError
        A panel is not known.
    NotValidError
        Nothing holds for the old panel then, or one of its kinds is in a gap.
    RequestError
        The panels are the same, or of different types.
    ConflictError
        The new panel has other constants from that instant on.
    """
    source, target = panels.find_panels(change.connection, [old, new], change.view)
    if old == new or source.detector_type != target.detector_type:
        raise RequestError(
            f"constants are carried to another panel of the same type, not from {old} to {new}"
        )
    detector = detectors.detector_type(source.detector_type)
    kinds = [kind.name for kind in detector.kinds]
    holding = validity.versions_at(change.connection, [source], kinds, valid_from, change.view)
    asked = [kind for kind in kinds if (old, kind) in holding] or list(detector.required_kinds)
    validity.refuse_missing(
        validity.missing(change.connection, [source], asked, valid_from, holding, change.view)
    )
    state(
        change,
        [
            Statement(
                panel=new,
                kind=kind,
                valid_from=valid_from,
                constants=holding[old, kind].constants,
                comment=change.comment,
                nonfinite_allowed=holding[old, kind].nonfinite_allowed,
                carried_from=holding[old, kind].version,
            )
            for kind in asked
        ],
        supersede=False,
    )
