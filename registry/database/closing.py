"""A database that takes no writes: its registry moved elsewhere, or is not open here yet, or is a snapshot.

The rows of ``closure`` are the database's history, not the registry's. An *arrival* closes the database
until the copy that fills it is whole and its source is closed; then it is opened. A *departure* and a
*snapshot* close it for ever. While the newest closure is not opened, triggers refuse every other write.
"""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa
from msgspec import Struct

from registry import instants, schema
from registry.authorship import Signature
from registry.errors import ClosedError
from registry.instants import Instant
from registry.secrets import mask_passwords

Reason = Literal["arrival", "departure", "snapshot"]


class Closure(Struct, frozen=True):
    """Why a database takes no writes. ``place`` is where the registry went, or came from."""

    number: int
    reason: Reason
    place: str
    closed_at: Instant

    def __str__(self) -> str:
        """Say it in a sentence."""
        return {
            "arrival": "this database is a copy of {0} that was begun at {1} and not finished, and takes no"
            " writes; run the calreg copy again",
            "departure": "the registry moved to {0} at {1}; this database takes no more writes",
            "snapshot": "this database is a snapshot of {0}, made at {1}; it takes no writes",
        }[self.reason].format(self.place, self.closed_at)


def find_closure(connection: sa.Connection) -> Closure | None:
    """Return why the database takes no writes, None where it does."""
    closure = schema.closure
    query = sa.select(closure).where(closure.c.opened_at.is_(None)).order_by(closure.c.number.desc()).limit(1)
    row = connection.execute(query).one_or_none()
    return None if row is None else Closure(row.number, row.reason, row.place, Instant(row.closed_at))


def refuse_closed(connection: sa.Connection) -> None:
    """Refuse to write.

    Raises
    ------
    ClosedError
        The database is closed.
    """
    found = find_closure(connection)
    if found is not None:
        raise ClosedError(str(found), reason=found.reason, place=found.place)


def record_closure(
    connection: sa.Connection,
    reason: Reason,
    place: str,
    at: Instant,
    signature: Signature,
    *,
    opened: bool = False,
) -> None:
    """Close the database to writes.

    Parameters
    ----------
    opened
        Only remember an arrival that was whole at once.
    """
    newest = connection.execute(sa.select(sa.func.max(schema.closure.c.number))).scalar() or 0
    connection.execute(
        schema.closure.insert(),
        {
            "number": newest + 1,
            "reason": reason,
            "place": mask_passwords(place),
            "closed_at": at,
            "opened_at": at if opened else None,
            "author": signature.author,
            "database_role": connection.execute(sa.select(role_column(connection.dialect.name))).scalar_one(),
            "host": signature.host,
            "command": signature.command,
            "software": signature.software,
        },
    )


def open_for_writes(connection: sa.Connection) -> None:
    """Let the database that a copy has filled take writes; others refuse it."""
    closure = schema.closure
    arrived = find_closure(connection)
    if arrived is not None:
        at = max(instants.now(), arrived.closed_at)
        connection.execute(closure.update().where(closure.c.number == arrived.number).values(opened_at=at))


def role_column(dialect: str) -> sa.ColumnElement[str | None]:
    """Return, to be selected, as whom PostgreSQL knows the user; SQLite knows nobody."""
    return sa.literal_column("session_user" if dialect == "postgresql" else "NULL", sa.Text)
