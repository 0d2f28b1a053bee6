"""The registry's own time zone, in which times without an offset are read."""

from __future__ import annotations

from typing import Any

from registry import schema
from registry.database.kept_statements import keep_text
from registry.sql import sa

DEFAULT_TIMEZONE = "UTC"


def read_timezone(connection: sa.Connection) -> str:
    """Return the name of the registry's time zone as of the newest revision, whatever revision is asked about.

    Times are typed today: a correction of the zone says how all of them were meant. A snapshot keeps the zone of the
    day when it was made, which may have been recorded later than its rows.
    """
    return connection.execute(_select_timezone()).scalar() or DEFAULT_TIMEZONE


@keep_text({})
def _select_timezone() -> sa.Select[Any]:
    timezone, closure = schema.timezone, schema.closure
    recorded = sa.select(timezone.c.name).where(timezone.c.withdrawn_in.is_(None))
    recorded = recorded.order_by(timezone.c.id.desc()).limit(1)
    kept = sa.select(closure.c.timezone).where(closure.c.reason == "snapshot")
    kept = kept.order_by(closure.c.number.desc()).limit(1)
    return sa.select(sa.func.coalesce(kept.scalar_subquery(), recorded.scalar_subquery()))


def read_snapshot_timezone(connection: sa.Connection) -> str | None:
    """Return the time zone of the day when a snapshot was made, from which this registry comes; None for others."""
    closure = schema.closure
    kept = sa.select(closure.c.timezone).where(closure.c.timezone.is_not(None))
    name: str | None = connection.execute(kept.order_by(closure.c.number.desc()).limit(1)).scalar()
    return name
