"""The registry's own time zone: recorded, and replaced by another."""

from __future__ import annotations

from registry import schema
from registry.database.change import Change
from registry.lookup.revisions import require_comment
from registry.lookup.timezones import read_timezone
from registry.sql import sa
from registry.timezones import find_zone


def record_timezone(change: Change, name: str) -> None:
    """Record in which zone times without an offset are read from now on; no change where it is that one already.

    Raises
    ------
    InstantError
        The name is not that of a time zone.
    RequestError
        Something is recorded in the registry, and the change of its zone has no comment.
    """
    find_zone(name)
    present = read_timezone(change.connection)
    if name == present:
        return
    if change.newest:
        require_comment(change.comment, f"another time zone than {present}")
    timezone = schema.timezone
    live = sa.select(timezone.c.id).where(timezone.c.withdrawn_in.is_(None)).order_by(timezone.c.id)
    ids = change.connection.execute(live).scalars().all()
    if ids:
        change.withdraw(timezone, ids)
    change.record(timezone, [{"name": name}])
    if change.newest:
        change.notes.append(
            f"stamps were read in {present}, and are read in {name} from now on; no recorded time is changed"
        )
