"""Register the constants in a folder, or in the maker's file, as versions of a panel or of a module."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from registry import detectors
from registry.api.backend import Backend, InstantLike
from registry.api.stated_instants import state_start
from registry.api.version_targets import find_target_to_change, refuse_detector_id
from registry.authorship import escape_undecodable
from registry.database.change import Change
from registry.importers import gain_maps, panel_folders
from registry.importers.gain_maps import GainMaps
from registry.importers.panel_folders import PanelFolder
from registry.instants import Instant
from registry.lookup import versions
from registry.lookup.revisions import read_newest_revision, require_comment
from registry.lookup.targets import find_target
from registry.records import CheckedConstants, Outcome, Panel
from registry.registration.mix_ups import (
    compare_sensors,
    refuse_idle_same_as,
    refuse_mix_ups,
    require_pattern_comment,
)
from registry.registration.planning import VersionStatement, plan_pieces, refuse_conflicts
from registry.registration.stated_constants import Allowances, Comparison, StatedConstants, build_module
from registry.registration.versions import record_constants, record_versions


def add_versions(
    backend: Backend,
    panel: str,
    path: Path,
    *,
    valid_from: InstantLike,
    kinds: Sequence[str] | None,
    allow_nonfinite: bool,
    allow_odd: bool,
    allowances: Allowances,
    supersede: bool,
    any_time: bool,
    comment: str | None,
    dry_run: bool,
) -> Outcome:
    """Register constants; see `Versions.add`."""
    if supersede:
        require_comment(comment, "superseding")
    if allowances.pattern:
        require_pattern_comment(comment)
    stated = state_start(backend, valid_from, any_time=any_time)
    with backend.database.autocommit_read() as connection:
        targets = refuse_detector_id(find_target(connection, panel, None, stated.instant)).panels
    with _open_constants(
        path, targets, kinds, allow_nonfinite=allow_nonfinite, allow_odd=allow_odd
    ) as source:
        registration = _Registration(
            source, comment, allowances, nonfinite=allow_nonfinite, supersede=supersede
        )

        def record(change: Change) -> None:
            # Looked up again under the writers' lock: a panel may have got the M-number a moment ago.
            start = stated.resolve(change)
            current = find_target_to_change(change, panel, start)
            if change.newest != registration.compared_as_of:
                registration.compare(change.connection, current, start)
            record_constants(change, source.constants)
            record_versions(change, registration.build_statements(current, start), supersede=supersede)
            _add_notes(change, source, current)
            change.notes += registration.comparison.notes
            change.warnings += registration.comparison.warnings

        with backend.database.autocommit_read() as connection:  # before a file is stored
            registration.compare(connection, targets, stated.instant)
        files = [file for constants in source.constants for file in constants.files]
        return backend.record_revision(record, comment, files=files, dry_run=dry_run)


@dataclass(slots=True)
class _Registration:
    """The constants of a source that are registered, and how they compare with what is recorded.

    Attributes
    ----------
    compared_as_of
        The newest revision when they were compared; nothing that was recorded later is known.
    """

    source: PanelFolder | GainMaps
    comment: str | None
    allowances: Allowances
    nonfinite: bool = field(kw_only=True)
    supersede: bool = field(kw_only=True)
    comparison: Comparison = field(default_factory=Comparison)
    compared_as_of: int | None = None

    def compare(self, connection: sa.Connection, targets: Sequence[Panel], start: Instant) -> None:
        """Refuse what contradicts the versions that are recorded, and files of other modules."""
        self.compared_as_of = read_newest_revision(connection)
        plans = list(plan_pieces(connection, self.build_statements(targets, start), supersede=self.supersede))
        refuse_conflicts({key: reason for plan in plans for key, reason in plan.conflicts.items()})
        new = {(statement.panel, statement.kind) for plan in plans for statement in plan.new}
        stated = {
            item.key: item
            for target in targets
            for constants in self.source.constants
            if (target.panel, constants.kind) in new and (item := _state_constants(target, constants, start))
        }
        superseded = [number for plan in plans for number in plan.superseded]
        self.comparison = compare_sensors(connection, list(stated.values()), self.allowances, superseded)
        refuse_mix_ups(self.comparison)
        if stated:
            refuse_idle_same_as(self.comparison, self.allowances)

    def build_statements(self, targets: Sequence[Panel], start: Instant) -> list[VersionStatement]:
        """Return a version for every panel and every kind in the source."""
        return [
            VersionStatement(
                panel=target.panel,
                kind=constants.kind,
                valid_from=start,
                constants=constants.sha256,
                source_path=escape_undecodable(str(self.source.path.absolute())),
                comment=self.comment,
                nonfinite_allowed=self.nonfinite,
                conversion=self.source.conversion,
                odd_allowed=constants.is_odd,
                same_as=self.comparison.same_as.get(key),
                pattern_allowed=key in self.comparison.patterns_allowed,
            )
            for target in targets
            for constants in self.source.constants
            if (key := _state_constants(target, constants, start).key)
        ]


def _state_constants(target: Panel, constants: CheckedConstants, start: Instant) -> StatedConstants:
    module = build_module(target.panel, target.alias)
    return StatedConstants(module, constants, f"{constants.kind} of {target.panel} from {start}")


@contextmanager
def _open_constants(
    path: Path,
    targets: Sequence[Panel],
    kinds: Sequence[str] | None,
    *,
    allow_nonfinite: bool,
    allow_odd: bool,
) -> Iterator[PanelFolder | GainMaps]:
    """Check the constants in a folder, or convert the maker's file; the converted files exist inside the context."""
    detector = detectors.find_panel_type(targets[0].panel)
    if gain_maps.is_gain_maps_file(path):
        # Refuses the file of another module before it is read.
        gain_maps.list_module_name_notes(path, targets)
        with gain_maps.convert_gain_maps(
            path, detector, kinds, allow_nonfinite=allow_nonfinite, allow_odd=allow_odd
        ) as maps:
            yield maps
    else:
        yield panel_folders.read_panel_folder(
            path, detector, kinds, allow_nonfinite=allow_nonfinite, allow_odd=allow_odd
        )


def _add_notes(change: Change, source: PanelFolder | GainMaps, targets: Sequence[Panel]) -> None:
    change.warnings += source.warnings
    change.notes += source.notes
    if source.conversion is None:
        # A folder may have any name.
        change.warnings += gain_maps.find_module_name_conflicts(source.path, targets)
        return
    change.notes += gain_maps.list_module_name_notes(source.path, targets)
    known = versions.list_versions_with_numbers(change.connection, change.unchanged, change.visible_revision)
    change.notes += [
        f"version {version.version} states these constants already; that {source.conversion.file} holds"
        " them is not recorded with it"
        for version in known
        if version.conversion != source.conversion
    ]
