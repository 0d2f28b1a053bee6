"""Recorded exports that were not good before a change, and may be from then on: found by what they were made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.lookup.changed_ranges import ChangedRange
from registry.lookup.values_table import values_table


def list_former_exports(
    connection: sa.Connection, ranges: Sequence[ChangedRange], revision: int, *, new_runs: bool
) -> Iterator[int]:
    """Yield the numbers of exports of changed ranges that used other versions than the ones valid before.

    Those made from constants that are valid again, and those for which nothing was valid. With `new_runs` also those of
    the runs that the revision recorded.
    """
    again = [row for row in ranges if row.after is not None and row.after[1] is not None]
    if again:
        yield from _list_exports_of_constants(connection, again)
    filled = [row for row in again if row.before is None or row.before[1] is None]
    if filled:
        yield from _list_exports_of_withdrawn_or_ended_versions(connection, filled)
    if new_runs:
        yield from _list_exports_of_new_runs(connection, revision)


def _list_exports_of_constants(connection: sa.Connection, ranges: Sequence[ChangedRange]) -> Iterator[int]:
    """Yield the exports that used an earlier version of the constants that are valid now."""
    version, panel, constants = schema.version, schema.panel, schema.constants
    rows = [(row.panel, row.after and row.after[1], row.start, row.end) for row in ranges]
    columns = panel.c.identifier, constants.c.sha256, schema.run.c.begin_at, schema.run.c.end_at
    wanted = values_table(connection, rows, *columns)
    used = (
        sa.select(version.c.id, wanted.c.begin_at, wanted.c.end_at)
        .select_from(wanted)
        .join(constants, constants.c.sha256 == wanted.c.sha256)
        .join(panel, panel.c.identifier == wanted.c.identifier)
        .join(version, sa.and_(version.c.constants_id == constants.c.id, version.c.panel_id == panel.c.id))
    )
    return _list_exports(connection, used)


def _list_exports_of_withdrawn_or_ended_versions(
    connection: sa.Connection, ranges: Sequence[ChangedRange]
) -> Iterator[int]:
    """Yield the exports that used a version that is withdrawn, or the last one before the range.

    These were refused; the other versions of the panel ended long before.
    """
    version, panel = schema.version, schema.panel
    rows = [(row.panel, row.kind, row.start, row.end) for row in ranges]
    columns = panel.c.identifier, version.c.kind, schema.run.c.begin_at, schema.run.c.end_at
    wanted = values_table(connection, rows, *columns)
    earlier = version.alias("earlier")
    last = (
        sa.select(sa.func.max(earlier.c.valid_from))
        .where(earlier.c.panel_id == panel.c.id, earlier.c.kind == wanted.c.kind)
        .where(earlier.c.valid_from < wanted.c.begin_at, earlier.c.constants_id.is_not(None))
        .where(schema.live_condition(earlier, None))
        .scalar_subquery()
    )
    for condition in (version.c.withdrawn_in.is_not(None), version.c.valid_from == last):
        used = (
            sa.select(version.c.id, wanted.c.begin_at, wanted.c.end_at)
            .select_from(wanted)
            .join(panel, panel.c.identifier == wanted.c.identifier)
            .join(
                version,
                sa.and_(version.c.panel_id == panel.c.id, version.c.kind == wanted.c.kind, condition),
            )
        )
        yield from _list_exports(connection, used)


def _list_exports(connection: sa.Connection, versions: sa.Select[Any]) -> Iterator[int]:
    """Yield the exports that used one of these versions for an instant of its range."""
    export, used, concerned = schema.export, schema.export_input, versions.subquery("concerned")
    query = (
        sa.select(used.c.export_id)
        .select_from(concerned)
        .join(used, used.c.version_id == concerned.c.id)
        .join(export, export.c.id == used.c.export_id)
        .where(export.c.instant >= concerned.c.begin_at, export.c.instant < concerned.c.end_at)
    )
    yield from connection.execute(query).scalars()


def _list_exports_of_new_runs(connection: sa.Connection, revision: int) -> Iterator[int]:
    export, run = schema.export, schema.run
    same = sa.and_(export.c.experiment == run.c.experiment, export.c.run == run.c.number)
    query = sa.select(export.c.id).select_from(run).join(export, same).where(run.c.recorded_in == revision)
    yield from connection.execute(query).scalars()
