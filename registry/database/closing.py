"""A database that takes no writes: its registry moved elsewhere, or is not complete yet, or is a snapshot.

The rows of ``closure`` are the database's history, not the registry's. An *arrival* closes the database
until the copy that fills it is complete and its source is closed; then it is opened. A *departure* and a
*snapshot* close it permanently. While the newest closure is not opened, triggers refuse every other write.

A *mirror* is kept as a snapshot whose place begins with JSON about it (decision 69): it alone gets rows all the same,
from the registry that it follows.
"""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import asdict

from registry import instants, schema
from registry.authorship import Signature
from registry.database.driver_connections import use_sqlalchemy
from registry.database.kept_statements import keep_text
from registry.errors import ClosedError, CorruptionError, Remedy
from registry.instants import Instant
from registry.records import SnapshotPart
from registry.sql import sa

Reason = Literal["arrival", "departure", "snapshot", "mirror"]


class MirrorNote(Struct, frozen=True):
    """The state of a mirror: what it had seen of the registry that it follows when it last asked it.

    Attributes
    ----------
    followed_at
        When it was asked, in microseconds since 1970 UTC.
    revision, seal
        Its newest revision then.
    without_files
        Whether the mirror has no files, on purpose.
    """

    followed_at: int
    revision: int
    seal: str
    without_files: bool = False


class Closure(Struct, frozen=True):
    """The reason why a database takes no writes; ``place`` is the database to which, or from which, it came.

    A mirror without files has a part with the files of no panel.
    """

    number: int
    reason: Reason
    place: str
    closed_at: Instant
    part: SnapshotPart | None = None

    def __str__(self) -> str:
        """Return the reason as a sentence."""
        return {
            "arrival": "this database is a copy of {0} that was begun at {1} and not finished; it takes no writes",
            "departure": "the registry moved to {0} at {1}; this database takes no more writes",
            "snapshot": "this database is a {2} of {0}, made at {1}{3}; it takes no writes",
            "mirror": "this database is a mirror of {0}, begun at {1}; it takes no writes",
        }[self.reason].format(self.place, self.closed_at, *self._describe_part())

    def _describe_part(self) -> tuple[str, str]:
        if self.part is None:
            return "snapshot", ""
        return "partial snapshot", f", with the files of the panels of {self.part}"


def find_closure(connection: sa.Connection) -> Closure | None:
    """Return why the database takes no writes, None where it does."""
    return _build_closure(connection.execute(_select_closure()).one_or_none())


def find_newest_closure(connection: sa.Connection) -> Closure | None:
    """Return the newest reason why the database has taken no writes, whether or not it was opened again."""
    query = sa.select(schema.closure).order_by(schema.closure.c.number.desc()).limit(1)
    return _build_closure(connection.execute(query).one_or_none())


@keep_text({})
def _select_closure() -> sa.Select[Any]:
    closure = schema.closure
    return sa.select(closure).where(closure.c.opened_at.is_(None)).order_by(closure.c.number.desc()).limit(1)


def _build_closure(row: Any) -> Closure | None:
    if row is None:
        return None
    place, part, note = _split_place(row.place)
    reason: Reason = row.reason if note is None else "mirror"
    return Closure(row.number, reason, place, Instant(row.closed_at), part)


def find_part(connection: sa.Connection) -> SnapshotPart | None:
    """Return the part whose files a partial snapshot has; None for any other database, also of an older schema.

    That of a mirror without files has no panels.
    """
    place = _read_place(connection)
    return None if place is None else _split_place(place)[1]


def find_mirror_note(connection: sa.Connection) -> MirrorNote | None:
    """Return the state of a mirror, None for any other database, also of an older schema."""
    place = _read_place(connection)
    return None if place is None else _split_place(place)[2]


def _read_place(connection: sa.Connection) -> str | None:
    closure = schema.closure
    if not sa.inspect(use_sqlalchemy(connection)).has_table(closure.name):
        return None
    query = sa.select(closure.c.place).where(closure.c.opened_at.is_(None), closure.c.reason == "snapshot")
    place: str | None = connection.execute(query.order_by(closure.c.number.desc()).limit(1)).scalar()
    return place


def _split_place(text: str) -> tuple[str, SnapshotPart | None, MirrorNote | None]:
    """Return the place that is recorded, and what stands before it as JSON: of a partial snapshot, or of a mirror."""
    if not text.startswith("{"):
        return text, None, None
    try:
        value, end = json.JSONDecoder().raw_decode(text)
        place = text[end:].lstrip()
        if "mirror" not in value:
            return place, msgspec.convert(value, SnapshotPart), None
        note = msgspec.convert(value["mirror"], MirrorNote)
    except (ValueError, RecursionError, msgspec.ValidationError):
        raise CorruptionError("the database is damaged: which part a snapshot has cannot be read") from None
    return place, SnapshotPart((), (), (), place) if note.without_files else None, note


def write_place(place: str, part: SnapshotPart | None, note: MirrorNote | None) -> str:
    """Return a place as it is recorded, after what is known of a partial snapshot or of a mirror."""
    if note is not None:
        return f"{msgspec.json.encode({'mirror': note}).decode()} {place}"
    return place if part is None else f"{msgspec.json.encode(part).decode()} {place}"


def refuse_closed(connection: sa.Connection) -> None:
    """Raise `ClosedError` where the database takes no writes."""
    closure = find_closure(connection)
    if closure is not None:
        remedy = Remedy.CONTINUE_COPY if closure.reason == "arrival" else None
        raise ClosedError(str(closure), remedy=remedy, reason=closure.reason, place=closure.place)


def record_closure(
    connection: sa.Connection,
    reason: Reason,
    place: str,
    at: Instant,
    signature: Signature,
    *,
    opened: bool = False,
    tag: str | None = None,
    timezone: str | None = None,
    part: SnapshotPart | None = None,
    note: MirrorNote | None = None,
) -> None:
    """Close the database to writes; with `opened` only record an arrival that was complete at once.

    Parameters
    ----------
    tag, timezone
        Of a snapshot: the tag of its revision, and the registry's present time zone.
    part
        The part whose files a partial snapshot has. It is recorded before the place.
    note
        The state of a mirror, recorded there, too.
    """
    newest = connection.execute(sa.select(sa.func.max(schema.closure.c.number))).scalar() or 0
    connection.execute(
        schema.closure.insert(),
        {
            "number": newest + 1,
            "reason": "snapshot" if reason == "mirror" else reason,
            "place": write_place(place, part, note),
            "closed_at": at,
            "opened_at": at if opened else None,
            "tag": tag,
            "timezone": timezone,
            "database_role": connection.execute(sa.select(role_column(connection.dialect.name))).scalar_one(),
            **asdict(signature),
        },
    )


def open_for_writes(connection: sa.Connection) -> None:
    """Open the database that a copy has filled for writes; the triggers of others refuse it."""
    table = schema.closure
    arrival = find_closure(connection)
    if arrival is not None:
        at = max(instants.now(), arrival.closed_at)
        connection.execute(table.update().where(table.c.number == arrival.number).values(opened_at=at))


def role_column(dialect: str) -> sa.ColumnElement[str | None]:
    """Return a column of the user's role in PostgreSQL, NULL in SQLite."""
    return sa.literal_column("session_user" if dialect == "postgresql" else "NULL", sa.Text)
