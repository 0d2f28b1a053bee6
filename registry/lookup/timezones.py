"""The registry's own time zone, in which times without an offset are read."""

from __future__ import annotations

from functools import cache
from typing import Any

import sqlalchemy as sa

from registry import schema

DEFAULT_TIMEZONE = "UTC"


def read_timezone(connection: sa.Connection) -> str:
    """Return the name of the registry's time zone as of the newest revision, whatever revision is asked about.

    Times are typed today: a correction of the zone says how all of them were meant.
    """
    return connection.execute(_select_timezone()).scalar() or DEFAULT_TIMEZONE


@cache
def _select_timezone() -> sa.Select[Any]:
    timezone = schema.timezone
    return (
        sa.select(timezone.c.name)
        .where(timezone.c.withdrawn_in.is_(None))
        .order_by(timezone.c.id.desc())
        .limit(1)
    )
