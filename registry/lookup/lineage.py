"""Forks in the history of a registry: which registry it was before."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.database.closing import find_closure
from registry.database.seals import read_registry_id
from registry.heads import LARGEST_NUMBER, Head
from registry.lookup.timezones import read_snapshot_timezone


class Fork(NamedTuple):
    """The revision from which on a history is that of another registry, and the head of the ancestor."""

    recorded_in: int
    registry: str
    ancestor: str
    head: Head


def read_newest_fork(connection: sa.Connection) -> Fork | None:
    """Return the newest fork, None for a registry that was always itself."""
    lineage = schema.lineage
    row = connection.execute(_select_forks().order_by(lineage.c.id.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    return Fork(row.recorded_in, row.registry, row.ancestor, Head(row.head_revision, row.head_seal))


def is_loss(connection: sa.Connection, revision: int, lost: Head) -> bool:
    """Tell whether a revision records that this head is lost."""
    lineage = schema.lineage
    query = sa.select(lineage.c.id).where(
        lineage.c.reason == "loss",
        lineage.c.recorded_in == revision,
        lineage.c.head_revision == lost.number,
        lineage.c.head_seal == lost.seal,
    )
    return connection.execute(query).first() is not None


def find_loss(connection: sa.Connection, lost: Head, author: str, comment: str) -> int | None:
    """Return the revision in which this person recorded, with this comment, that this head is lost."""
    lineage, revision = schema.lineage, schema.revision
    query = (
        sa.select(lineage.c.recorded_in)
        .join(revision, revision.c.number == lineage.c.recorded_in)
        .where(
            lineage.c.reason == "loss",
            lineage.c.head_revision == lost.number,
            lineage.c.head_seal == lost.seal,
            revision.c.author == author,
            revision.c.comment == comment,
        )
    )
    number: int | None = connection.execute(query.limit(1)).scalar()
    return number


def is_own_revision(connection: sa.Connection, registry_id: str, revision: int) -> bool:
    """Tell whether what another registry says of a revision is of this history: it was forked after that revision."""
    if registry_id == read_registry_id(connection):
        return True
    lineage = schema.lineage
    later = _select_forks().where(lineage.c.ancestor == registry_id, lineage.c.recorded_in > revision)
    return connection.execute(later.limit(1)).first() is not None


def read_end_of_left_out_exports(connection: sa.Connection) -> int:
    """Return the last export of which only the link may be there: snapshots, their forks, mirrors leave exports out."""
    closure = find_closure(connection)
    if closure is not None and closure.reason in {"snapshot", "mirror"}:
        return LARGEST_NUMBER
    fork = read_newest_fork(connection)
    if fork is None or read_snapshot_timezone(connection) is None:
        return 0
    newest = sa.select(schema.seal.c.export).where(schema.seal.c.revision == fork.recorded_in)
    return connection.execute(newest).scalar() or 0


def read_end_of_kept_exports(connection: sa.Connection) -> int:
    """Return the last export that no snapshot leaves out: sealed by its newest revision, or that of a fork.

    A mirror has none.
    """
    closure = find_closure(connection)
    if closure is not None and closure.reason == "mirror":
        return 0
    revision, lineage = schema.revision, schema.lineage
    newest = sa.select(sa.func.max(revision.c.number)).scalar_subquery()
    fork = (
        sa.select(sa.func.min(lineage.c.recorded_in) - 1).where(lineage.c.reason == "fork").scalar_subquery()
    )
    query = sa.select(schema.seal.c.export).where(schema.seal.c.revision == sa.func.coalesce(fork, newest))
    return connection.execute(query).scalar() or 0


def has_gaps_between_exports(connection: sa.Connection) -> bool:
    """Tell whether it is a snapshot from before there were seals: it has not even the links of exports left out."""
    closure = find_closure(connection)
    is_snapshot = closure is not None and closure.reason == "snapshot"
    return is_snapshot and read_snapshot_timezone(connection) is None


def _select_forks() -> sa.Select[Any]:
    return sa.select(schema.lineage).where(schema.lineage.c.reason == "fork")
