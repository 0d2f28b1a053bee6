"""Versions, and the constants that they name, are recorded; versions are superseded and withdrawn.

What is stated is planned first, see `planning`; only a batch without conflicts is recorded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from itertools import groupby
from operator import itemgetter
from typing import Any

from registry import schema
from registry.database.change import Change, Row
from registry.errors import ConflictError, NotFoundError, NotValidError
from registry.instants import Instant
from registry.lookup import versions
from registry.lookup.fact_lines import describe_version
from registry.lookup.revisions import require_comment
from registry.lookup.timelines import Timeline, build_timelines
from registry.lookup.values_table import values_table_parameters, values_table_template
from registry.records import CheckedConstants, CheckedFile, FilePattern, Panel, Version
from registry.registration.planning import VersionKey, VersionStatement, plan_pieces, refuse_conflicts
from registry.registration.version_batches import VersionBatch
from registry.sql import sa
from registry.store import manifest_sha256


def build_constants(
    detector_type: str, kind: str, files: Sequence[CheckedFile], warnings: Sequence[str]
) -> CheckedConstants:
    """Return the files of one kind, in the order of the gain ranges, as constants not recorded yet."""
    sha256 = manifest_sha256(detector_type, kind, [file.sha256 for file in files])
    return CheckedConstants(detector_type, kind, sha256, tuple(files), tuple(warnings))


def record_constants(change: Change, constants: Iterable[CheckedConstants]) -> None:
    """Record the constants, and their files, that are not recorded yet."""
    by_sha256 = {item.sha256: item for item in constants}
    files = {file.sha256: file for item in by_sha256.values() for file in item.files}
    recorded = _find_recorded(change.connection, [*files, *by_sha256])
    known_constants = recorded["constants"]
    new_files = [file for sha256, file in files.items() if sha256 not in recorded["file"]]
    change.record(schema.blob, [_build_blob_row(file) for file in new_files])
    record_patterns(
        change,
        {
            sha256: file.pattern
            for sha256, file in files.items()
            if file.pattern is not None and (sha256, file.pattern.algorithm) not in recorded["pattern"]
        },
    )
    new = [item for sha256, item in by_sha256.items() if sha256 not in known_constants]
    keys = change.record(
        schema.constants,
        [{"sha256": item.sha256, "detector_type": item.detector_type, "kind": item.kind} for item in new],
    )
    change.insert(
        schema.constants_file,
        [
            {"constants_id": key, "gain_range": gain_range, "sha256": file.sha256}
            for key, item in zip(keys, new, strict=True)
            for gain_range, file in enumerate(item.files)
        ],
    )


def _find_recorded(connection: sa.Connection, sha256s: Sequence[str]) -> dict[str, set[Any]]:
    """Return those of the checksums that are of recorded files, of constants, and of files with a pattern.

    Patterns are given with their algorithm.
    """
    dialect, column = connection.dialect.name, schema.blob.c.sha256
    parameters = values_table_parameters(dialect, [(sha256,) for sha256 in sha256s], column)
    recorded: dict[str, set[Any]] = {"file": set(), "constants": set(), "pattern": set()}
    for sha256, sort, algorithm in connection.execute(_select_recorded(dialect), parameters):
        recorded[sort].add(sha256 if algorithm is None else (sha256, algorithm))
    return recorded


@cache
def _select_recorded(dialect: str) -> sa.CompoundSelect[Any]:
    blob, constants, pattern = schema.blob.c.sha256, schema.constants.c.sha256, schema.blob_pattern
    wanted = values_table_template(dialect, blob)
    none = sa.cast(sa.null(), sa.Integer)
    return sa.union_all(
        sa.select(blob, sa.literal("file"), none).join(wanted, blob == wanted.c.sha256),
        sa.select(constants, sa.literal("constants"), none).join(wanted, constants == wanted.c.sha256),
        sa.select(pattern.c.blob, sa.literal("pattern"), pattern.c.algorithm).join(
            wanted, pattern.c.blob == wanted.c.sha256
        ),
    )


def record_patterns(change: Change, patterns: Mapping[str, FilePattern]) -> None:
    """Record the patterns of files, by SHA-256, that have none of this algorithm yet."""
    rows = [
        {
            "blob": sha256,
            "algorithm": pattern.algorithm,
            "signs": pattern.signs,
            "samples": pattern.samples,
        }
        for sha256, pattern in sorted(patterns.items())
    ]
    change.record(schema.blob_pattern, rows)


def _build_blob_row(file: CheckedFile) -> Row:
    statistics = file.statistics
    return {
        "sha256": file.sha256,
        "size": file.size,
        "dtype": file.dtype,
        "shape": ",".join(map(str, file.shape)),
        "minimum": statistics.minimum,
        "median": statistics.median,
        "maximum": statistics.maximum,
        "zeros": statistics.zeros,
        "nonfinite": statistics.nonfinite,
        "blake3": file.blake3,
    }


def record_versions(
    change: Change,
    statements: Iterable[VersionStatement],
    *,
    supersede: bool,
    new_panels: Collection[str] = frozenset(),
) -> None:
    """Plan and record versions; notes tell what is valid after a supersession or a gap.

    Parameters
    ----------
    new_panels
        Those that the change itself has recorded: nothing can have been stated of them before.

    Raises
    ------
    ConflictError
        A start has other constants already, or the same ones withdrawn, and `supersede` is not set; or the
        batch contradicts itself. All conflicts are listed.
    RequestError
        `supersede` without a comment.
    """
    if supersede:
        require_comment(change.comment, "superseding")
    conflicts: dict[VersionStatement, str] = {}
    changed: list[VersionKey] = []
    has_notes = False
    batch = VersionBatch(change)
    for plan in plan_pieces(change.connection, statements, supersede=supersede, new_panels=new_panels):
        conflicts.update(plan.conflicts)
        if not conflicts:
            batch.record(plan)
            gaps = [statement.key for statement in plan.new if statement.constants is None]
            changed += [statement.key for statement in plan.new] if supersede else gaps
            has_notes = has_notes or bool(plan.superseded or gaps)
    refuse_conflicts(conflicts)
    batch.finish()
    if has_notes:
        note_valid_constants(change, changed)


def record_gap(
    change: Change,
    targets: Sequence[Panel],
    kinds: Sequence[str] | None,
    valid_from: Instant,
    *,
    supersede: bool,
) -> None:
    """State, with a comment, that from an instant on nothing is valid; without `kinds`, of all live ones of each panel.

    Refused as by `record_versions`; a `NotValidError` if no kinds are given and none of the panels has one.
    """
    require_comment(change.comment, "a gap")
    ended = {panel.panel: list(kinds) if kinds else _find_live_kinds(change, panel) for panel in targets}
    idle = [
        f"no version of any kind is live for {panel}: nothing to end"
        for panel, panel_kinds in ended.items()
        if not panel_kinds
    ]
    if len(idle) == len(ended):
        raise NotValidError.combine("panels have nothing live", idle)
    change.notes += idle
    statements = [
        VersionStatement(panel, kind, valid_from, None, comment=change.comment)
        for panel, panel_kinds in ended.items()
        for kind in panel_kinds
    ]
    record_versions(change, statements, supersede=supersede)


def _find_live_kinds(change: Change, panel: Panel) -> list[str]:
    version = schema.version
    query = (
        sa.select(version.c.kind)
        .distinct()
        .join(schema.panel, schema.panel.c.id == version.c.panel_id)
        .where(schema.panel.c.identifier == panel.panel, version.c.constants_id.is_not(None))
        .where(schema.live_condition(version, change.visible_revision))
        .order_by(version.c.kind)
    )
    return list(change.connection.execute(query).scalars())


def withdraw_versions(change: Change, numbers: Iterable[int]) -> None:
    """Withdraw versions, all or none, with a comment; notes tell which constants are valid in their place.

    A `NotFoundError` if there is no such version; a `ConflictError` if one was withdrawn already. All are listed.
    """
    require_comment(change.comment, "a withdrawal")
    live = _find_live(change, list(dict.fromkeys(numbers)))
    change.withdraw(schema.version, [version.version for version in live])
    note_valid_constants(
        change, sorted((version.panel, version.kind, version.valid_from) for version in live)
    )


def _find_live(change: Change, numbers: Sequence[int]) -> list[Version]:
    """Return the live versions with these numbers, in this order; refuse all that are not, the unknown ones first."""
    largest = versions.find_largest_number(change.connection, change.visible_revision)
    known = [number for number in numbers if 1 <= number <= largest]
    if len(known) < len(numbers):
        unknown = [number for number in numbers if number not in set(known)]
        sentences = [versions.describe_unknown_version(number, largest) for number in unknown]
        values = {"version": unknown[0], "largest": largest or None}
        raise NotFoundError.combine("versions are not known", sentences, **values, versions=unknown)
    read = versions.list_versions_with_numbers(change.connection, known, change.visible_revision)
    by_number = {version.version: version for version in read}
    gone = [version for version in read if version.withdrawn_in is not None]
    if gone:
        raise ConflictError.combine(
            "versions cannot be withdrawn",
            [
                f"version {version.version} was withdrawn already, by revision {version.withdrawn_in}"
                for version in gone
            ],
            version=gone[0].version,
            withdrawn_in=gone[0].withdrawn_in,
            versions=[version.version for version in gone],
        )
    return [by_number[number] for number in numbers]


def note_valid_constants(change: Change, keys: Iterable[VersionKey]) -> None:
    """Note for each panel, kind and start which constants are valid there from now on."""
    for panel, group in groupby(keys, key=itemgetter(0)):
        ranges = versions.list_validity_ranges(change.connection, [panel], None, change.visible_revision)
        timelines = build_timelines((version.kind, version.valid_from, version) for version in ranges)
        for _, kind, start in group:
            change.notes.append(_describe_validity(panel, kind, start, timelines[kind]))


def _describe_validity(panel: str, kind: str, start: Instant, timeline: Timeline[Version]) -> str:
    valid = timeline.at(start)
    following = timeline.next_after(start)
    until = f" until {following.valid_from}" if following is not None else ""
    if valid is None:
        return f"from {start} on, no {kind} of {panel} is valid{until}: nothing starts before"
    if valid.is_gap:
        return f"from {start} on, no {kind} of {panel} is valid{until}: version {valid.version} is a gap"
    return f"from {start} on{until}, the valid one is {describe_version(valid)}"
