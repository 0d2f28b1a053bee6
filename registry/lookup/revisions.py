"""References to revisions, by number, instant, tag or head."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal, cast

from msgspec import Struct

from registry import instants, schema
from registry.database.kept_statements import keep_text
from registry.database.planner import limit_one
from registry.errors import InstantError, NotFoundError, Remedy, RequestError
from registry.heads import LARGEST_NUMBER, Head, is_head, is_pin, parse_head, parse_pin
from registry.identifiers import quote
from registry.instants import Instant, Zone
from registry.lookup.quoted_heads import find_number_of_head
from registry.lookup.tags import list_tags, unknown_tag_error
from registry.sql import sa

_STAMP_DIGITS = 14

_NO_REFERENCE = "does not name a revision: a number, an instant, a tag or NUMBER:SEAL is expected"
_ISO_TIME_START = re.compile(r"[0-9]{4}-|[0-9]{8}[Tt]")


class RevisionRef(Struct, frozen=True):
    """A parsed reference to a revision, not looked up yet.

    ``back`` counts from the newest one, which is 0; ``pinned`` is a number that was looked up, 0 for no revision.
    """

    by: Literal["newest", "number", "instant", "tag", "head", "back", "pinned"]
    value: int | str | Head | None = None

    @property
    def parameters(self) -> dict[str, int | str | None]:
        """The parameters of a statement that contains `select_revision_number`."""
        if isinstance(self.value, Head):
            return {"revision": _limit_number(self.value.number), "seal": self.value.seal}
        if self.by == "newest":
            return {}
        if self.by in {"number", "back", "pinned"} and isinstance(self.value, int):
            return {"revision": _limit_number(self.value)}
        return {"revision": self.value}


def _limit_number(number: int) -> int:
    """Return a number that a column can hold, and that no other one has: databases refuse larger ones."""
    return max(0, min(number, LARGEST_NUMBER))


AsOf = int | Instant | str | datetime | Head | None
"""A revision's number, an instant, a tag's name or a head; ``None`` means the newest revision."""

AsOfRef = AsOf | RevisionRef
"""The same, or what was parsed of it."""


def read_newest_revision(connection: sa.Connection) -> int:
    """Return the number of the newest revision, 0 before the first."""
    return int(connection.execute(_select_newest()).scalar() or 0)


def read_revision_time(connection: sa.Connection, number: int) -> Instant | None:
    """Return when a revision was recorded, None for 0."""
    revision = schema.revision
    query = sa.select(revision.c.recorded_at).where(revision.c.number == number)
    recorded_at = connection.execute(query).scalar()
    return None if recorded_at is None else Instant(recorded_at)


@keep_text({})
def _select_newest() -> sa.Select[Any]:
    return sa.select(sa.func.max(schema.revision.c.number))


def is_recorded_by(connection: sa.Connection, number: int | None, author: str, comment: str | None) -> bool:
    """Tell whether this person recorded a revision, with this comment."""
    revision = schema.revision
    query = sa.select(revision.c.author, revision.c.comment).where(revision.c.number == number)
    row = connection.execute(query).one_or_none()
    return row is not None and (row.author, row.comment or None) == (author, comment or None)


NEWEST = RevisionRef("newest")


def as_revision_ref(revision: RevisionRef | int) -> RevisionRef:
    """Return the reference, or one to the revision with that number, which must be recorded."""
    return RevisionRef("number", revision) if isinstance(revision, int) else revision


def parse_as_of(as_of: AsOfRef, timezone: Zone = UTC) -> RevisionRef:
    """Parse a reference: in text, 14 digits and ISO times with their offset are instants, fewer digits a revision.

    Words that mean another instant in a moment are not read here: see `Backend.read_as_of`. ``NUMBER:SEAL`` is a
    revision that has this seal, or one that begins with it, and so is a pin, ``NUMBER-SEAL``; all else is a tag.

    Raises
    ------
    InstantError
        The instant cannot be read, or is in the future.
    RequestError
        It is neither a number, an instant, a tag nor a head.
    """
    if isinstance(as_of, RevisionRef | None):
        return as_of or NEWEST
    if isinstance(as_of, Instant):  # before int, which it also is
        return _past_instant_ref(as_of)
    if isinstance(as_of, int) and not isinstance(as_of, bool):
        return RevisionRef("number", as_of)
    if isinstance(as_of, datetime):
        return _past_instant_ref(instants.instant_from_datetime(as_of))
    if isinstance(as_of, Head):
        return RevisionRef("head", parse_head(str(as_of)))
    if isinstance(as_of, str):
        return _parse_text(as_of, timezone)
    raise RequestError(f"{as_of!r} {_NO_REFERENCE}")


def _parse_text(text: str, timezone: Zone) -> RevisionRef:
    digits = text.isascii() and text.isdecimal()
    if digits and len(text) < _STAMP_DIGITS:
        return RevisionRef("number", int(text))
    if is_pin(text):
        return RevisionRef("head", parse_pin(text))
    if digits or _ISO_TIME_START.match(text):
        return _past_instant_ref(instants.parse_instant(text, timezone))
    if is_head(text):
        return RevisionRef("head", parse_head(text))
    if not text.isprintable():  # databases refuse some of these: bytes that are not UTF-8, a NUL
        raise RequestError(f"{quote(text)} {_NO_REFERENCE}")
    return RevisionRef("tag", text)


def _past_instant_ref(instant: Instant) -> RevisionRef:
    if instant > instants.now():
        raise InstantError(
            f"as of {instant} is in the future: revisions may still be recorded until then",
            as_of=str(instant),
        )
    return RevisionRef("instant", instant)


@cache
def select_revision_number(by: str) -> sa.ScalarSelect[int] | None:
    """Return the number of the revision that the parameter ``revision`` refers to; NULL if it does not exist.

    ``None`` for the newest, which needs no number: see `schema.live_condition`.
    """
    revision, seal = schema.revision, schema.seal
    reference: sa.BindParameter[Any] = sa.bindparam(
        "revision", type_=sa.Integer if by in {"back", "pinned"} else None
    )
    newest = sa.select(sa.func.max(revision.c.number))
    queries = {
        "number": sa.select(revision.c.number).where(revision.c.number == reference),
        # Before the first revision that is 0: the registry without facts.
        "instant": sa.select(sa.func.coalesce(_select_newest_at(reference).scalar_subquery(), 0)),
        "back": sa.select(revision.c.number).where(revision.c.number == newest.scalar_subquery() - reference),
        "pinned": sa.select(reference),
        "tag": _select_tagged(reference),
        "head": sa.select(seal.c.revision).where(seal.c.revision == reference, _begins_with_seal()),
    }
    return queries[by].scalar_subquery() if by in queries else None


@keep_text(*({"by": by} for by in ("number", "instant", "tag", "head", "back", "pinned")))
def _select_number(by: str) -> sa.Select[Any]:
    """Return the statement of what `select_revision_number` returns, of a reference that is not to the newest."""
    return sa.select(cast("sa.ScalarSelect[int]", select_revision_number(by)))


def _select_newest_at(instant: sa.ColumnElement[int]) -> sa.Select[tuple[int]]:
    revision = schema.revision
    return (
        sa.select(revision.c.number)
        .where(revision.c.recorded_at <= instant)
        .order_by(revision.c.recorded_at.desc(), revision.c.number.desc())
        .limit(limit_one())
    )


def _begins_with_seal() -> sa.ColumnElement[bool]:
    # Not LIKE, for which SQLite would compile the whole statement anew with every value.
    stated: sa.BindParameter[str] = sa.bindparam("seal", type_=sa.Text)
    return sa.func.substr(schema.seal.c.digest, 1, sa.func.length(stated)) == stated


def _select_tagged(name: sa.ColumnElement[str]) -> sa.Select[Any]:
    """Return the query of the revision with a tag; the tag of a snapshot stands in its closure, for its newest one."""
    tag, closure = schema.tag, schema.closure
    recorded = sa.select(tag.c.revision).where(tag.c.name == name)
    of_snapshot = sa.exists().where(closure.c.reason == "snapshot", closure.c.tag == name)
    newest = sa.select(sa.func.max(schema.revision.c.number)).where(of_snapshot)
    return sa.select(sa.func.coalesce(recorded.scalar_subquery(), newest.scalar_subquery()))


def find_revision_number(connection: sa.Connection, as_of: AsOfRef, timezone: Zone = UTC) -> int:
    """Return the number of the revision that `as_of` refers to, see `parse_as_of`; refuse one that does not exist.

    Revision 0, the registry without facts, is named by its seal only.
    """
    reference = parse_as_of(as_of, timezone)
    if reference.by == "newest":
        return read_newest_revision(connection)
    number = connection.execute(_select_number(reference.by), reference.parameters).scalar()
    if number is None and isinstance(reference.value, Head):
        number = find_number_of_head(connection, reference.value, read_newest_revision(connection))
    if number is None:
        raise _unknown_revision_error(connection, reference)
    return int(number)


def _unknown_revision_error(connection: sa.Connection, reference: RevisionRef) -> NotFoundError:
    if reference.by == "tag":
        return unknown_tag_error(str(reference.value), list_tags(connection, LARGEST_NUMBER))
    return unknown_revision_error(reference, read_newest_revision(connection))


def unknown_revision_error(reference: RevisionRef, newest: int) -> NotFoundError:
    """Return the refusal of a revision after the newest one, or of one before the first."""
    known = f"1 to {newest} are known" if newest else "none is recorded yet"
    if reference.by == "back":
        sentence = f"there is no revision -{reference.value}, counted from the newest; {known}"
        return NotFoundError(sentence, revision=-int(str(reference.value)), newest=newest)
    number = reference.value.number if isinstance(reference.value, Head) else reference.value
    return NotFoundError(f"there is no revision {number}; {known}", revision=number, newest=newest)


def count_back(reference: RevisionRef, newest: int) -> int:
    """Return the number of a revision that is counted from the newest one; refuse one before the first."""
    number = newest - int(str(reference.value))
    if number < 1:
        raise unknown_revision_error(reference, newest)
    return number


def later_revision_error(number: int, pin: Head) -> NotFoundError:
    """Return the refusal of a revision after the one to which a session is pinned."""
    return NotFoundError(
        f"revision {number} is later than the pin {pin.pin}, and this session knows nothing after that",
        revision=number,
        pin=pin.pin,
    )


def require_comment(comment: str | None, what: str) -> None:
    """Refuse a correction without a comment, or with an empty one."""
    if not (comment or "").strip():
        raise RequestError(f"{what} needs a comment that says why", remedy=Remedy.GIVE_COMMENT)
