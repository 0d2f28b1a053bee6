"""The recorded runs of an experiment by number, with nothing but their start times: there may be very many."""

from __future__ import annotations

import sqlalchemy as sa

from registry import schema
from registry.run_ranges import RunRange


def list_run_starts(
    connection: sa.Connection,
    experiment: str,
    revision: int,
    limits: RunRange = (0, None),
    limit: int | None = None,
) -> list[tuple[int, int | None]]:
    """Return the runs in a range, or the first of them, each with its start time, None if it is not known."""
    run = schema.run
    query = (
        sa.select(run.c.number, run.c.begin_at)
        .where(run.c.experiment == experiment, run.c.number >= sa.literal(limits[0], sa.BigInteger))
        .where(schema.live_condition(run, revision))
        .order_by(run.c.number)
        .limit(limit)
    )
    if limits[1] is not None:
        query = query.where(run.c.number <= sa.literal(limits[1], sa.BigInteger))
    return [(number, start) for number, start in connection.execute(query)]
