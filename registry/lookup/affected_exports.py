"""The recorded exports that a change of the registry makes stale, or good again, found by indexes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.identifiers import MAX_RUN
from registry.lookup.changed_ranges import ChangedRange
from registry.lookup.former_exports import list_exports_of_new_runs, select_former_exports
from registry.lookup.stale_exports import find_stale_exports
from registry.lookup.value_lists import is_listed
from registry.lookup.values_table import values_table

RunSpan = tuple[str, str, int, int | None]
"""Experiment, source, first and last run, None without an end."""


class AffectedExports(NamedTuple):
    """Numbers of exports: made from other constants now, of other panel Ids now, refused now, and so on."""

    remade: set[int]
    relabelled: set[int]
    refused: set[int]
    restored: set[int]
    withdrawn: set[int]


def build_no_exports() -> AffectedExports:
    """Return empty sets."""
    return AffectedExports(set(), set(), set(), set(), set())


def find_affected_exports(
    connection: sa.Connection,
    ranges: Sequence[ChangedRange],
    spans: Iterable[RunSpan],
    revision: int,
    *,
    new_runs: bool,
    withdrew: bool,
) -> AffectedExports:
    """Return the exports that a revision concerns: it changed these ranges, and detectors or times of these runs.

    `new_runs` tells whether it recorded runs, `withdrew` whether it withdrew versions.
    """
    remade, refused, former = _find_by_ranges(connection, ranges)
    if new_runs:
        former.update(list_exports_of_new_runs(connection, revision))
    concerned = [
        *_read_exports_of_runs(connection, spans),
        *_read_exports(connection, former - remade - refused),
    ]
    others = {row.id: row for row in concerned if row.id not in remade | refused}
    compared = _compare_exports(connection, list(others.values()), revision)
    withdrawn = _list_exports_of_withdrawn_versions(connection, revision) if withdrew else set()
    named = remade | refused | set().union(*compared)
    return compared._replace(
        remade=remade | compared.remade, refused=refused | compared.refused, withdrawn=withdrawn - named
    )


def _compare_exports(connection: sa.Connection, exports: Sequence[Any], revision: int) -> AffectedExports:
    """Return what becomes of exports: not those that were, and are, made from other constants."""
    compared = build_no_exports()
    if not exports:
        return compared
    before, after = (find_stale_exports(connection, exports, number) for number in (revision - 1, revision))
    for number in before.keys() | after.keys():
        was, now = before.get(number), after.get(number)
        if now is None:
            compared.restored.add(number)
        elif was is None or (was.is_refused, was.is_relabelled) != (now.is_refused, now.is_relabelled):
            relabelled = compared.relabelled if now.is_relabelled else compared.remade
            (compared.refused if now.is_refused else relabelled).add(number)
    return compared


def _find_by_ranges(
    connection: sa.Connection, ranges: Sequence[ChangedRange]
) -> tuple[set[int], set[int], set[int]]:
    """Return the exports of which an input has other constants now, of which one has none, and former ones.

    In one statement: on a server each is a round trip.
    """
    remade: set[int] = set()
    refused: set[int] = set()
    former: set[int] = set()
    if ranges:
        export, used, wanted = schema.export, schema.export_input, _build_table(connection, ranges)
        changed = (
            sa.select(used.c.export_id, wanted.c.run)
            .select_from(wanted)
            .join(used, used.c.version_id == wanted.c.version_id)
            .join(export, export.c.id == used.c.export_id)
            .where(export.c.instant >= wanted.c.begin_at, export.c.instant < wanted.c.end_at)
        )
        others = [query.add_columns(sa.literal_column("2")) for query in select_former_exports(wanted)]
        for number, becomes in connection.execute(sa.union_all(changed, *others)):
            (remade, refused, former)[becomes].add(number)
    return remade - refused, refused, former


def _build_table(connection: sa.Connection, ranges: Sequence[ChangedRange]) -> sa.Subquery:
    """Return the ranges as a table; its ``run`` is 1 where nothing is valid now, ``first_run`` where nothing was."""
    export, version = schema.export, schema.version
    rows = []
    for row in ranges:
        before, after = row.before or (None, None), row.after or (None, None)
        keys = before[0], row.panel, row.kind, after[1]
        rows.append((*keys, row.start, row.end, int(after[1] is None), int(before[1] is None)))
    return values_table(
        connection,
        rows,
        schema.export_input.c.version_id,
        schema.panel.c.identifier,
        version.c.kind,
        schema.constants.c.sha256,
        schema.run.c.begin_at,
        schema.run.c.end_at,
        export.c.run,
        export.c.first_run,
    )


def _read_exports_of_runs(connection: sa.Connection, spans: Iterable[RunSpan]) -> Sequence[Any]:
    export = schema.export
    rows = [(*span[:3], MAX_RUN if span[3] is None else span[3]) for span in spans]
    if not rows:
        return ()
    columns = export.c.experiment, export.c.source, export.c.first_run, export.c.last_run
    wanted = values_table(connection, rows, *columns)
    is_concerned = sa.and_(
        export.c.experiment == wanted.c.experiment,
        export.c.source == wanted.c.source,
        export.c.run >= wanted.c.first_run,
        export.c.run <= wanted.c.last_run,
    )
    return connection.execute(sa.select(export).select_from(wanted).join(export, is_concerned)).all()


def _read_exports(connection: sa.Connection, numbers: Collection[int]) -> Sequence[Any]:
    export = schema.export
    query = sa.select(export).where(is_listed(export.c.id, numbers))
    return connection.execute(query).all() if numbers else ()


def _list_exports_of_withdrawn_versions(connection: sa.Connection, revision: int) -> set[int]:
    used, version = schema.export_input, schema.version
    query = (
        sa.select(used.c.export_id)
        .join(version, version.c.id == used.c.version_id)
        .where(version.c.withdrawn_in == revision)
    )
    return set(connection.execute(query).scalars())
