"""Open a registry for a service: it can only be read, in the database's own sense; and tell what it is now."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from registry.api.registry import Registry
from registry.api.stale_copies import StoreWitness
from registry.database.closing import Closure, find_closure
from registry.database.migrations import has_own_schema
from registry.database.roles import find_writing_right
from registry.database.seals import find_head, read_head, read_registry_id, read_seal
from registry.errors import BehindError, Remedy, RequestError, UnavailableError
from registry.heads import Head
from registry.lookup.quoted_heads import find_number_of_head
from registry.lookup.revisions import AsOf
from registry.lookup.timezones import read_timezone
from registry.permissions import has_log, may
from registry.settings import Settings, sqlite_file


def open_to_serve(settings: Settings, *, writer_allowed: bool = False) -> Registry:
    """Open a registry that only reads, with texts in UTC.

    With `writer_allowed` PostgreSQL's role may be one that could write; nothing is written all the same.

    Raises
    ------
    UnavailableError
        SQLite's user may not write beside the file, which readers of a file with a write-ahead log must.
    RequestError
        PostgreSQL's role may write.
    """
    file = sqlite_file(settings.database)
    if (
        file is not None
        and file.is_file()
        and may(file, os.R_OK)
        and has_log(file)
        and not may(file.parent, os.W_OK | os.X_OK)
    ):
        raise UnavailableError(
            f"readers of {str(file)!r} write beside it, where its log is, and this user may not; serve a snapshot of"
            " the registry, or a mirror",
            path=str(file),
        )
    registry = Registry(settings, timezone="UTC", read_only=True)
    try:
        if file is None and not writer_allowed:
            _refuse_writer(registry)
    except BaseException:
        registry.close()
        raise
    return registry


def _refuse_writer(registry: Registry) -> None:
    backend = registry._backend  # noqa: SLF001 - of this package
    with backend.database.autocommit_read() as connection:
        right = find_writing_right(connection)
    if right is not None:
        raise RequestError(
            f"the database role {right} may write the registry, and a service must not: use one that may only read it",
            remedy=Remedy.GRANT_RIGHTS,
            role=right,
        )


@dataclass(frozen=True, slots=True)
class PresentState:
    """A database as it describes itself at one moment.

    Attributes
    ----------
    head
        The newest revision, or the one that was asked for.
    closure
        Why it takes no writes; None where it takes them.
    warnings
        Sentences on a database that lacks what was committed to its store.
    """

    registry_id: str
    head: Head
    timezone: str
    closure: Closure | None
    warnings: tuple[str, ...]


def read_present_state(registry: Registry, as_of: AsOf = None, known: Head | None = None) -> PresentState:
    """Return what the database says now, in one transaction.

    Parameters
    ----------
    known
        A revision that who asks has seen: a database that does not know it yet is refused as `refuse_unknown_heads`
        does.
    """
    backend = registry._backend  # noqa: SLF001 - of this package
    witness = StoreWitness(backend, as_of)
    with backend.read_transaction() as view:
        connection = view.connection
        refuse_later_heads(connection, [] if known is None else [known])
        head = find_head(connection, view.find_revision_number(as_of))
        return PresentState(
            read_registry_id(connection) or registry.id,
            head,
            read_timezone(connection),
            find_closure(connection),
            tuple(witness.list_warnings(connection)),
        )


def find_newest_head(registry: Registry, known: Head | None) -> Head | None:
    """Return the newest head; None where the database is not what was opened, or its history lacks a known head.

    It is not where it has another schema, is another registry's, takes no writes any more, or takes them again.
    """
    backend = registry._backend  # noqa: SLF001 - of this package
    with backend.database.read_transaction() as connection:
        if not has_own_schema(connection) or read_registry_id(connection) != registry.id:
            return None
        if find_closure(connection) != registry.closure:
            return None
        if known is not None and read_seal(connection, known.number) != known.seal:
            return None
        return read_head(connection)


def refuse_unknown_heads(registry: Registry, heads: Iterable[Head]) -> None:
    """Refuse heads after the newest revision: they come from another server of the registry, and come here, too.

    Raises
    ------
    BehindError
        A head is newer than this database.
    ConflictError
        A head is of another history.
    """
    with registry._backend.database.read_transaction() as connection:  # noqa: SLF001 - of this package
        refuse_later_heads(connection, heads)


def refuse_later_heads(connection: sa.Connection, heads: Iterable[Head]) -> None:
    """Refuse heads that this history does not have, as `refuse_unknown_heads` does."""
    newest = None
    for head in heads:
        newest = newest or read_head(connection)
        if head.number > newest.number:
            raise BehindError(
                f"revision {head.number} is not known here yet: this server ends with revision {newest.number},"
                " and may lag behind another one",
                revision=head.number,
                newest=newest.number,
            )
        find_number_of_head(connection, head, newest.number)
