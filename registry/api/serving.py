"""Open a registry for a service: it can only be read, in the database's own sense."""

from __future__ import annotations

import os

from registry.api.registry import Registry
from registry.database.roles import find_writing_right
from registry.errors import RequestError, UnavailableError
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
    if file is not None and file.exists() and has_log(file) and not may(file.parent, os.W_OK | os.X_OK):
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
            role=right,
        )
