"""Register constants as versions: those in a folder or a maker's file for a panel or a module, or a whole delivery.

The first is the delivery of one place, whose panels are named.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa
from msgspec.structs import asdict

from registry import detectors
from registry.api.backend import Backend, InstantLike
from registry.api.combined_refusals import collect_refusals, raise_combined
from registry.api.stated_instants import state_start
from registry.api.version_sources import (
    DeliveredPanels,
    NamedPanel,
    Place,
    Selection,
    Source,
    note_constants,
    note_places,
    note_unrecorded_conversions,
    open_sources,
)
from registry.database.change import Change
from registry.errors import RegistryError
from registry.importers.deliveries import read_delivery
from registry.instants import Instant
from registry.lookup.revisions import read_newest_revision, require_comment
from registry.parallel import Progress, no_progress
from registry.records import CheckedConstants, DeliveryOutcome, Outcome, Panel
from registry.registration.mix_ups import (
    compare_sensors,
    refuse_idle_same_as,
    refuse_mix_ups,
    require_pattern_comment,
)
from registry.registration.planning import VersionStatement, plan_pieces, refuse_conflicts
from registry.registration.stated_constants import Allowances, Comparison, StatedConstants, build_module
from registry.registration.versions import record_constants, record_versions


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """From when on constants are valid, which of them are taken, and what is meant of what would be refused."""

    valid_from: InstantLike
    kinds: Sequence[str] | None
    allow_nonfinite: bool
    allow_odd: bool
    allowances: Allowances
    supersede: bool
    any_time: bool
    comment: str | None


def add_versions(backend: Backend, panel: str, path: Path, terms: Terms, *, dry_run: bool) -> Outcome:
    """Register the constants at a path; see `Versions.add`."""
    outcome, _ = _register(backend, NamedPanel(panel, path), terms, no_progress, dry_run=dry_run)
    return outcome


def add_delivery(
    backend: Backend, folder: Path, panels: Sequence[str], terms: Terms, progress: Progress, *, dry_run: bool
) -> DeliveryOutcome:
    """Register the constants of several modules; see `Versions.add_delivery`."""
    chosen = tuple(dict.fromkeys(detectors.parse_panel_id(panel).text for panel in panels))
    delivery = read_delivery(folder)
    selection = DeliveredPanels(delivery, chosen)
    outcome, sources = _register(
        backend, selection, terms, progress, delivery.problems, delivery.notes, dry_run=dry_run
    )
    matches = tuple(match for source in sources for match in source.list_matches())
    return DeliveryOutcome(**asdict(outcome), matches=matches)


def _register(
    backend: Backend,
    selection: Selection,
    terms: Terms,
    progress: Progress,
    problems: Sequence[RegistryError] = (),
    notes: Sequence[str] = (),
    *,
    dry_run: bool,
) -> tuple[Outcome, list[Source]]:
    """Record all that is selected, as one revision; refuse all that is wrong with any of it, at once."""
    if terms.supersede:
        require_comment(terms.comment, "superseding")
    if terms.allowances.pattern:
        require_pattern_comment(terms.comment)
    stated = state_start(backend, terms.valid_from, any_time=terms.any_time)
    with backend.database.autocommit_read() as connection:
        places, unmatched = selection.find(connection, None, stated.instant)
    with open_sources(
        places, terms.kinds, progress, allow_nonfinite=terms.allow_nonfinite, allow_odd=terms.allow_odd
    ) as (sources, unsound):
        registration = _Registration([source for source in sources if source.place.is_single], terms)

        def record(change: Change) -> None:
            # Looked up again under the writers' lock: a panel may have got the M-number a moment ago.
            start = stated.resolve(change)
            current, contradictions = selection.find(change.connection, change.visible_revision, start)
            raise_combined(_PROBLEMS, contradictions)
            note_places(change, current, start)
            registration.move_to(current)
            if change.newest != registration.compared_as_of:
                raise_combined(_PROBLEMS, registration.compare(change.connection, start))
            record_constants(change, registration.list_constants())
            record_versions(change, registration.build_statements(start), supersede=terms.supersede)
            for source in registration.sources:
                note_constants(change, source)
            note_unrecorded_conversions(change, registration.sources)
            change.notes += [*notes, *registration.comparison.notes]
            change.warnings += registration.comparison.warnings

        with backend.database.autocommit_read() as connection:  # before a file is stored
            conflicts = registration.compare(connection, stated.instant)
        raise_combined(_PROBLEMS, [*problems, *unmatched, *unsound, *conflicts])
        files = [file for constants in registration.list_constants() for file in constants.files]
        outcome = backend.record_revision(
            record, terms.comment, files=files, progress=progress, dry_run=dry_run
        )
        return outcome, registration.sources


_PROBLEMS = "problems with what is to be registered, and nothing was recorded"


@dataclass(slots=True)
class _Registration:
    """The constants that are registered, as one batch, and how they compare with what is recorded.

    Attributes
    ----------
    compared_as_of
        The newest revision when they were compared; nothing that was recorded later is known.
    """

    sources: list[Source]
    terms: Terms
    comparison: Comparison = field(default_factory=Comparison)
    compared_as_of: int | None = None

    def move_to(self, places: Sequence[Place]) -> None:
        """State the constants for the panels that these places have now."""
        by_path = {place.path: place for place in places}
        self.sources = [
            Source(by_path[source.place.path], source.constants)
            for source in self.sources
            if source.place.path in by_path
        ]

    def list_constants(self) -> list[CheckedConstants]:
        """Return the constants of every kind and place."""
        return [constants for source in self.sources for constants in source.constants.constants]

    def compare(self, connection: sa.Connection, start: Instant) -> list[RegistryError]:
        """Return the refusals of what contradicts the recorded versions, and of files of other modules."""
        self.compared_as_of = read_newest_revision(connection)
        supersede = self.terms.supersede
        plans = list(plan_pieces(connection, self.build_statements(start), supersede=supersede))
        refusals: list[RegistryError] = []
        with collect_refusals(refusals):
            refuse_conflicts({key: reason for plan in plans for key, reason in plan.conflicts.items()})
        new = {(statement.panel, statement.kind) for plan in plans for statement in plan.new}
        stated = {
            item.key: item
            for source in self.sources
            for panel in source.place.panels
            for constants in source.constants.constants
            if (panel.panel, constants.kind) in new and (item := _state_constants(panel, constants, start))
        }
        superseded = [number for plan in plans for number in plan.superseded]
        self.comparison = compare_sensors(
            connection, list(stated.values()), self.terms.allowances, superseded
        )
        with collect_refusals(refusals):
            refuse_mix_ups(self.comparison)
        if stated and not refusals:
            with collect_refusals(refusals):
                refuse_idle_same_as(self.comparison, self.terms.allowances)
        return refusals

    def build_statements(self, start: Instant) -> list[VersionStatement]:
        """Return a version for every panel and every kind of its constants."""
        return [
            VersionStatement(
                panel=panel.panel,
                kind=constants.kind,
                valid_from=start,
                constants=constants.sha256,
                source_path=source.source_path,
                comment=self.terms.comment,
                nonfinite_allowed=self.terms.allow_nonfinite,
                conversion=source.constants.conversion,
                odd_allowed=constants.is_odd,
                same_as=self.comparison.same_as.get(key),
                pattern_allowed=key in self.comparison.patterns_allowed,
            )
            for source in self.sources
            for panel in source.place.panels
            for constants in source.constants.constants
            if (key := _state_constants(panel, constants, start).key)
        ]


def _state_constants(panel: Panel, constants: CheckedConstants, start: Instant) -> StatedConstants:
    module = build_module(panel.panel, panel.alias)
    return StatedConstants(module, constants, f"{constants.kind} of {panel.panel} from {start}")
