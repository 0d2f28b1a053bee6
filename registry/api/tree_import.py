"""Import a legacy directory of links as panels, aliases, constants and versions, in one revision or not at all."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from msgspec.structs import asdict

from registry.api.backend import Backend
from registry.api.layout_trees import open_layout_tree, refuse_unfit_options
from registry.api.open_starts import build_gaps, find_open_starts
from registry.api.tree_aliases import exclude_alias_conflicts, warn_of_modules_left
from registry.api.tree_mix_ups import TreeMaps
from registry.api.tree_timezone import TreeTimezone, find_tree_timezone, refuse_other_timezone
from registry.authorship import escape_undecodable
from registry.database.change import Change
from registry.errors import ConflictError, ImportHazardError, RegistryError, Remedy
from registry.identifiers import format_count
from registry.importers.left_out import list_left_out
from registry.importers.legacy_tree import Entry, Hazard, LegacyTree, escape_name
from registry.importers.panel_folders import CheckedTree, check_tree
from registry.lookup.file_uses import Module
from registry.lookup.revisions import require_comment
from registry.lookup.starts import find_panels_with_versions
from registry.parallel import Advance, Progress
from registry.records import CheckedConstants, ImportOutcome, OpenStart, SkippedEntry
from registry.records.imports import SkipCause
from registry.registration.aliases import add_aliases, require_same_module_comment
from registry.registration.mix_ups import require_pattern_comment
from registry.registration.panels import add_panels
from registry.registration.planning import Plan, VersionStatement, plan_pieces
from registry.registration.stated_constants import Allowances
from registry.registration.versions import record_constants, record_versions

_LINKS_PER_STEP = 1000  # links between two steps of the progress


def import_tree(
    backend: Backend,
    root: Path,
    progress: Progress,
    *,
    skip_bad: bool,
    allow_odd: bool,
    gap_bad: bool,
    supersede: bool,
    same_module: bool,
    allowances: Allowances,
    comment: str | None,
    any_time: bool,
    layout: str | None,
    experiment: str | None,
    dry_run: bool,
) -> ImportOutcome:
    """Import a legacy directory, or a tree of another layout; see `Registry.import_tree`."""
    refuse_unfit_options(layout, experiment, same_module=same_module)
    if supersede:
        require_comment(comment, "superseding")
    if same_module:
        require_same_module_comment(comment)
    if allowances.pattern:
        require_pattern_comment(comment)
    timezone = find_tree_timezone(backend)
    with ExitStack() as stack:
        if layout is None:
            checked = check_tree(root, timezone.zone, progress, any_time=any_time, allow_odd=allow_odd)
        else:
            tree = open_layout_tree(
                backend,
                root,
                timezone.zone,
                progress,
                layout=layout,
                experiment=experiment,
                any_time=any_time,
                allow_odd=allow_odd,
            )
            checked = stack.enter_context(tree)
        return _import_checked(
            backend,
            checked,
            timezone,
            progress,
            tolerance=_Tolerance(skip_bad or gap_bad, gap_bad, supersede, same_module),
            allowances=allowances,
            comment=comment,
            dry_run=dry_run,
        )


class _Tolerance(NamedTuple):
    """The options for entries that cannot be imported as they stand."""

    skip_bad: bool
    gap_bad: bool
    supersede: bool
    same_module: bool


def _import_checked(
    backend: Backend,
    checked: CheckedTree,
    timezone: TreeTimezone,
    progress: Progress,
    *,
    tolerance: _Tolerance,
    allowances: Allowances,
    comment: str | None,
    dry_run: bool,
) -> ImportOutcome:
    """Record what is in a tree."""
    supersede, same_module = tolerance.supersede, tolerance.same_module
    with backend.read_transaction() as view:
        panels = {entry.panel for entry in checked.tree.entries}
        known = find_panels_with_versions(view.connection, panels)
        refuse_other_timezone(view.connection, checked.tree, known)
        maps = TreeMaps(view.connection, checked, allowances)
        # A link that is left out for its constants states no M-number either.
        superseded = _exclude_conflicts(view.connection, maps, known, progress, supersede=supersede)
        checked.tree.exclude(maps.list_mix_ups(view.connection, superseded))
        aliases = exclude_alias_conflicts(view, checked.tree, same_module=same_module, supersede=supersede)
    if checked.tree.hazards and not tolerance.skip_bad:
        raise _hazards_error(checked.tree)

    left_out = list(list_left_out(checked.tree))
    open_starts: list[OpenStart] = []

    def record(change: Change) -> None:
        timezone.refuse_change(change.connection, chosen=backend.chosen_zone is not None)
        new = frozenset(add_panels(change, (entry.panel for entry in checked.tree.entries)))
        add_aliases(change, aliases)
        maps.refuse_later_mix_ups(change, superseded)
        record_constants(change, _list_constants(checked))
        with progress("recording links", len(checked.tree.entries) // _LINKS_PER_STEP) as advance:
            statements = _build_statements(maps, checked.tree.entries, comment, advance)
            record_versions(change, statements, supersede=supersede, new_panels=new)
        checked.tree.entries.clear()  # the outcome of a large tree needs the memory for as many versions
        remaining = find_open_starts(change.connection, left_out)
        change.warnings += remaining.warnings
        warn_of_modules_left(change, left_out)
        if tolerance.gap_bad:
            gaps = build_gaps(remaining.starts, _escape_root(checked.tree), comment)
            record_versions(change, gaps, supersede=supersede)
        open_starts.extend(
            start for start in remaining.starts if not (tolerance.gap_bad and start.accepts_gap)
        )

    files = [file for constants in _list_constants(checked) for file in constants.files]
    notes = [*_collect_notes(timezone, checked), *maps.comparison.notes]
    warnings = [*_collect_warnings(checked), *maps.comparison.warnings]
    outcome = backend.record_revision(record, comment, files=files, progress=progress, dry_run=dry_run)
    return ImportOutcome(
        **{
            **asdict(outcome),
            "notes": (*notes, *outcome.notes),
            "warnings": (*warnings, *outcome.warnings),
            "skipped": tuple(_list_skipped(checked.tree)),
            "open_starts": tuple(open_starts),
        }
    )


def _list_skipped(tree: LegacyTree) -> Iterator[SkippedEntry]:
    for hazard in tree.hazards:
        yield SkippedEntry(escape_name(hazard.name), hazard.cause, hazard.reason)


def _escape_root(tree: LegacyTree) -> str:
    """Return the path of the tree as it is recorded."""
    return escape_undecodable(str(tree.root.absolute())).rstrip("/")


def _build_statements(
    maps: TreeMaps, entries: Sequence[Entry], comment: str | None, advance: Advance
) -> Iterator[VersionStatement]:
    """Yield a version for every entry and every kind in its folder."""
    checked, comparison = maps.checked, maps.comparison
    root = _escape_root(checked.tree)

    @cache
    def list_values(module: Module, folder: Path) -> list[tuple[Any, ...]]:
        """Return the kind, the constants and what follows the comment of each statement: many links share them."""
        shared = checked.folders[folder]
        return [
            (
                constants.kind,
                constants.sha256,
                False,  # nothing that is not finite is allowed
                None,  # nothing is carried
                shared.conversions.get(constants.kind),
                constants.is_odd,
                comparison.same_as.get((module, constants.sha256)),
                (module, constants.sha256) in comparison.patterns_allowed,
            )
            for constants in shared.constants
        ]

    for index, entry in enumerate(entries, start=1):
        path = f"{root}/{escape_undecodable(entry.name)}"
        for kind, sha256, *others in list_values(maps.find_module(entry), entry.folder):
            yield VersionStatement(entry.panel, kind, entry.valid_from, sha256, path, comment, *others)
        for kind in checked.gaps.get(entry.name, ()):
            why = comment or f"{escape_undecodable(entry.name)}: nothing follows"
            yield VersionStatement(entry.panel, kind, entry.valid_from, None, path, why)
        if index % _LINKS_PER_STEP == 0:
            advance()


def _list_constants(checked: CheckedTree) -> list[CheckedConstants]:
    return [constants for folder in checked.used_folders for constants in folder.constants]


def _exclude_conflicts(
    connection: sa.Connection, maps: TreeMaps, known: Collection[str], progress: Progress, *, supersede: bool
) -> list[int]:
    """Turn the entries whose constants conflict with each other, or with what `known` panels have, into hazards.

    Return the numbers of the versions that the others supersede.
    """
    tree = maps.checked.tree
    conflicts: list[tuple[VersionStatement, str, SkipCause]] = []
    superseded: list[int] = []
    compared, new = tree.entries, []
    if not (maps.has_equal_starts or maps.checked.gaps):
        compared = [entry for entry in tree.entries if entry.panel in known]
        new = [entry for entry in tree.entries if entry.panel not in known]
    steps = len(compared) // _LINKS_PER_STEP, len(new) // _LINKS_PER_STEP
    with progress("comparing links", sum(steps)) as advance:
        maps.add_entries(new)
        for _ in range(steps[1]):
            advance()
        statements = _build_statements(maps, compared, None, advance)
        for plan in plan_pieces(connection, statements, supersede=supersede):
            maps.add_new(plan.new)
            conflicts += _list_conflicts(plan)
            superseded += plan.superseded
    starts = {(statement.panel, statement.valid_from) for statement, _, _ in conflicts}
    names = {
        (entry.panel, entry.valid_from): entry.name
        for entry in tree.entries
        if (entry.panel, entry.valid_from) in starts
    }
    tree.exclude(
        Hazard(names[statement.panel, statement.valid_from], reason, cause, statement.kind, Remedy.SUPERSEDE)
        for statement, reason, cause in conflicts
    )
    return superseded


def _list_conflicts(plan: Plan) -> Iterator[tuple[VersionStatement, str, SkipCause]]:
    """Yield the statements that conflict with what is recorded, with a sentence on each."""
    for statement, reason in plan.conflicts.items():
        is_live = any(row.withdrawn_in is None for row in plan.recorded[statement.key].versions)
        yield statement, reason, "conflict" if is_live else "withdrawn"


def _hazards_error(tree: LegacyTree) -> RegistryError:
    count = format_count(len(tree.hazards), "hazard")
    sentences = [str(hazard) for hazard in tree.hazards]
    causes = {hazard.cause for hazard in tree.hazards}
    error_class = ImportHazardError if "bad" in causes else ConflictError
    return error_class(
        f"{str(tree.root)!r} cannot be imported as it stands: {count}, nothing was recorded",
        details=sentences,
        hazards=sentences,
        remedy=Remedy.SKIP_BAD_ENTRIES,
        remedies=sorted({hazard.remedy for hazard in tree.hazards if hazard.remedy}),
    )


def _collect_notes(timezone: TreeTimezone, checked: CheckedTree) -> list[str]:
    left_out = [
        f"{str(folder.path / name)!r} is not an array of a known kind; it is left out"
        for folder in checked.used_folders
        for name in folder.left_out
    ]
    return [*timezone.list_notes(checked.tree), *checked.tree.notes, *left_out]


def _collect_warnings(checked: CheckedTree) -> list[str]:
    skipped = [f"skipped {hazard}" for hazard in checked.tree.hazards]
    return [*skipped, *(warning for folder in checked.used_folders for warning in folder.warnings)]
