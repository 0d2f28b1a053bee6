"""Recorded exports that were not good before a change, and may be from then on: found by what they were made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from registry import schema


def select_former_exports(ranges: sa.FromClause) -> Iterator[sa.Select[Any]]:
    """Yield queries for the exports of changed ranges that used other versions than the ones valid before.

    Those made from constants that are valid again, and those for which nothing was valid.

    Parameters
    ----------
    ranges
        With the columns ``identifier``, ``kind``, ``sha256`` (of the constants that are valid now), ``begin_at``,
        ``end_at``, and ``first_run``: 1 where nothing was valid before.
    """
    yield _select_exports(_select_versions_of_constants(ranges))
    for query in _select_withdrawn_or_ended_versions(ranges):
        yield _select_exports(query)


def _select_versions_of_constants(ranges: sa.FromClause) -> sa.Select[Any]:
    """Return the query for the versions of a panel with the constants that are valid now."""
    version, panel, constants = schema.version, schema.panel, schema.constants
    same = sa.and_(version.c.constants_id == constants.c.id, version.c.panel_id == panel.c.id)
    return (
        sa.select(version.c.id, ranges.c.begin_at, ranges.c.end_at)
        .select_from(ranges)
        .join(constants, constants.c.sha256 == ranges.c.sha256)
        .join(panel, panel.c.identifier == ranges.c.identifier)
        .join(version, same)
    )


def _select_withdrawn_or_ended_versions(ranges: sa.FromClause) -> Iterator[sa.Select[Any]]:
    """Yield queries for the versions that are withdrawn, and for the last one before the range.

    Exports of these were refused while nothing was valid; the other versions of the panel ended long before.
    """
    version, panel = schema.version, schema.panel
    earlier = version.alias("earlier")
    last = (
        sa.select(sa.func.max(earlier.c.valid_from))
        .where(earlier.c.panel_id == panel.c.id, earlier.c.kind == ranges.c.kind)
        .where(earlier.c.valid_from < ranges.c.begin_at, earlier.c.constants_id.is_not(None))
        .where(schema.live_condition(earlier, None))
        .scalar_subquery()
    )
    for condition in (version.c.withdrawn_in.is_not(None), version.c.valid_from == last):
        same = sa.and_(version.c.panel_id == panel.c.id, version.c.kind == ranges.c.kind, condition)
        yield (
            sa.select(version.c.id, ranges.c.begin_at, ranges.c.end_at)
            .select_from(ranges)
            .join(panel, panel.c.identifier == ranges.c.identifier)
            .join(version, same)
            .where(ranges.c.first_run == 1)
        )


def _select_exports(versions: sa.Select[Any]) -> sa.Select[Any]:
    """Return the query for the exports that used one of these versions for an instant of its range."""
    export, used, concerned = schema.export, schema.export_input, versions.subquery()
    return (
        sa.select(used.c.export_id)
        .select_from(concerned)
        .join(used, used.c.version_id == concerned.c.id)
        .join(export, export.c.id == used.c.export_id)
        .where(export.c.instant >= concerned.c.begin_at, export.c.instant < concerned.c.end_at)
    )


def list_exports_of_new_runs(connection: sa.Connection, revision: int) -> list[int]:
    """Return the numbers of the exports of the runs that a revision recorded, withdrawn before or not known."""
    export, run = schema.export, schema.run
    same = sa.and_(export.c.experiment == run.c.experiment, export.c.run == run.c.number)
    query = sa.select(export.c.id).select_from(run).join(export, same).where(run.c.recorded_in == revision)
    return list(connection.execute(query).scalars())
