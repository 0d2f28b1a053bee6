"""Firmware upgrades: a module gets a new panel Id, with the constants of the old one from an instant on."""

from __future__ import annotations

from registry import detectors
from registry.database.change import Change
from registry.errors import ConflictError, Remedy, RequestError
from registry.instants import Instant
from registry.lookup import aliases, panels, validity, versions
from registry.lookup.fact_lines import describe_version
from registry.lookup.timelines import build_timelines
from registry.records import Panel, Version
from registry.registration.alias_rules import parse_serial_number
from registry.registration.aliases import require_same_module_comment
from registry.registration.planning import VersionStatement
from registry.registration.versions import record_versions


def carry_constants(
    change: Change, old: str, new: str, valid_from: Instant, *, same_module: bool = False
) -> None:
    """State that from an instant on `new` has what is valid for `old` then, and what is valid for it later.

    Of each kind the later starts are carried, gaps too, up to the first start of its own that `new` has, or until the
    two bear different M-numbers; notes name the others.

    Raises
    ------
    NotFoundError
        A panel is not known.
    NotValidError
        Nothing is valid for the old panel then, or one of its kinds is in a gap.
    RequestError
        The panels are the same, or of different types.
    ConflictError
        The panels are of different modules, or the new panel has other constants from that instant on.
    """
    source, target = panels.find_panels(change.connection, [old, new], change.visible_revision, valid_from)
    if old == new or source.detector_type != target.detector_type:
        raise RequestError(
            f"constants are carried to another panel of the same type, not from {old} to {new}"
        )
    _refuse_other_module(change, source, target, valid_from, same_module=same_module)
    detector = detectors.find_detector_type(source.detector_type)
    names = [kind.name for kind in detector.kinds]
    valid = validity.versions_at(change.connection, [old], names, valid_from, change.visible_revision)
    kinds = [kind for kind in names if (old, kind) in valid] or list(detector.required_kinds)
    validity.refuse_missing(
        validity.describe_missing(
            change.connection, [source], kinds, valid_from, valid, change.visible_revision
        )
    )
    later, left = _select_later(change, old, new, valid_from)
    carried = [valid[old, kind] for kind in kinds]
    record_versions(
        change,
        [
            *(_build_statement(change, version, new, valid_from) for version in carried),
            *(_build_statement(change, version, new, version.valid_from) for version in later),
        ],
        supersede=False,
    )
    begun = {*kinds, *(version.kind for version in later), *(version.kind for version in left)}
    change.notes += [f"carried too, since it starts later: {describe_version(version)}" for version in later]
    change.notes += [f"not carried: {describe_version(version)}; {why}" for version, why in left.items()]
    change.notes += [
        f"{kind} of {old} starts after {valid_from}, or never: it is not carried"
        for kind in detector.required_kinds
        if kind not in begun
    ]


def _build_statement(change: Change, version: Version, panel: str, valid_from: Instant) -> VersionStatement:
    return VersionStatement(
        panel=panel,
        kind=version.kind,
        valid_from=valid_from,
        constants=version.constants,
        comment=change.comment or (version.comment if version.is_gap else None),
        nonfinite_allowed=version.nonfinite_allowed,
        carried_from=version.version,
        conversion=version.conversion,
        odd_allowed=version.odd_allowed,
        same_as=version.same_as,
        pattern_allowed=version.pattern_allowed,
    )


def _refuse_other_module(
    change: Change, old: Panel, new: Panel, valid_from: Instant, *, same_module: bool
) -> None:
    """Refuse to carry from one module to another: by their M-numbers then, else by their serial numbers."""
    if parse_serial_number(old.panel) == parse_serial_number(new.panel):
        return
    if old.alias is not None and new.alias is not None and old.alias != new.alias:
        raise ConflictError(
            f"constants are carried within one module; at {valid_from} {old.panel} bears {old.alias}, {new.panel}"
            f" {new.alias}"
        )
    if same_module:
        require_same_module_comment(change.comment)
    elif old.alias is None or new.alias is None:
        raise ConflictError(
            f"constants are carried within one module; {new.panel} has another serial number than {old.panel}, and not"
            " its M-number",
            remedy=Remedy.STATE_SAME_MODULE,
        )


_LeftOut = dict[Version, str]
"""Versions that are not carried, and why."""


def _select_later(change: Change, old: str, new: str, valid_from: Instant) -> tuple[list[Version], _LeftOut]:
    """Return what starts later for the old panel and is carried, and what is not."""
    ranges = versions.list_validity_ranges(change.connection, [old, new], None, change.visible_revision)
    later = [version for version in ranges if version.valid_from > valid_from]
    theirs = {(version.kind, version.valid_from): version for version in later if version.panel == old}
    own = {(version.kind, version.valid_from): version for version in later if version.panel == new}
    ends = {
        version.kind: version
        for key, version in sorted(own.items(), reverse=True)
        if key not in theirs or theirs[key].constants != version.constants
    }
    split = _find_split(change, old, new, valid_from)
    carried, left = [], {}
    for key, version in theirs.items():
        end = ends.get(version.kind)
        if split is not None and version.valid_from >= split[0]:
            left[version] = split[1]
        elif end is not None and version.valid_from >= end.valid_from:
            left[version] = f"{new} has its own from {end.valid_from} on"
        elif key not in own:
            carried.append(version)
    return carried, left


def _find_split(change: Change, old: str, new: str, valid_from: Instant) -> tuple[Instant, str] | None:
    """Return from when on the panels are of two modules, and a sentence on it; None if they never are."""
    if parse_serial_number(old) == parse_serial_number(new):
        return None
    known = aliases.list_aliases_of_panels(change.connection, [old, new], change.visible_revision)
    ordered = sorted(known, key=lambda alias: alias.valid_from)
    timelines = build_timelines((alias.panel, alias.valid_from, alias.alias) for alias in ordered)
    for start in (alias.valid_from for alias in ordered if alias.valid_from > valid_from):
        one, other = timelines[old].at(start), timelines[new].at(start)
        if one is not None and other is not None and one != other:
            return start, f"from {start} on {old} bears {one}, {new} {other}"
    return None
