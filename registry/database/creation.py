"""Databases made, upgraded, or filled with rows from elsewhere: all of it, or nothing is left behind."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from registry import instants, schema
from registry.database import migrations
from registry.database.closing import find_closure
from registry.database.engine import (
    make_engine,
    read_transaction,
    translate_database_errors,
    use_write_ahead_log,
    write_transaction,
)
from registry.errors import ConflictError, RequestError, UnavailableError
from registry.files import translate_os_errors
from registry.identifiers import quote
from registry.secrets import mask_passwords
from registry.settings import sqlite_file


def create_database(url: str, store_owner: str | None) -> str:
    """Make the database's schema, or upgrade it, and give it an id if it has none; return the id.

    Parameters
    ----------
    store_owner
        The id of the registry to which the store belongs already; None where there is no store yet.

    Raises
    ------
    ConflictError
        The store belongs to another registry; the database is left as it was.
    SchemaError
        The database holds somebody else's tables, or a newer schema.
    UnavailableError
        It cannot be made; no part of a SQLite file is left behind, or one without tables where the disk is full.
    """
    with _create_or_upgrade(url, write_ahead_log=True) as upgrade:
        return _ensure_registry_id(upgrade.connection, store_owner)


@contextmanager
def populate_database(
    url: str, registry_id: str, revision: str = schema.REVISION, *, write_ahead_log: bool = True
) -> Iterator[sa.Connection]:
    """Make a database for rows from elsewhere: committed when it is filled, or no part of it is left.

    Parameters
    ----------
    registry_id
        Whose rows they are. What an unfinished copy of the same registry left is filled anew.
    revision
        The schema that the rows have; `migrations.complete` brings it to that of this software.
    write_ahead_log
        For a registry at work; without it a SQLite database is one file, which can be read where nothing
        can be written.

    Raises
    ------
    ConflictError
        The database holds a registry already.
    SchemaError
        The database holds somebody else's tables, or a newer schema.
    UnavailableError
        It cannot be made.
    """
    with _create_or_upgrade(url, revision, write_ahead_log=write_ahead_log) as upgrade:
        _refuse_occupied(upgrade.connection, registry_id, mask_passwords(url))
        yield upgrade.connection


@contextmanager
def _create_or_upgrade(
    url: str, target: str = "head", *, write_ahead_log: bool
) -> Iterator[migrations.Upgrade]:
    """Make the database, or upgrade it, and hand out the transaction; no part of a new file is left behind."""
    file = sqlite_file(url)
    new = file is not None and not _exists(file)
    engine = make_engine(url, create=True)
    try:
        with translate_database_errors(url):
            if file is not None:
                _make_folder(file.parent)
                if write_ahead_log:
                    use_write_ahead_log(engine)
            with migrations.upgrade_transaction(engine, target) as upgrade:
                yield upgrade
    except BaseException:
        engine.dispose()
        if new and file is not None:
            _remove_empty_file(file)
        raise
    finally:
        engine.dispose()


def refuse_occupied(url: str, registry_id: str) -> None:
    """Refuse, before any work, a database that `filling` would refuse at its end.

    Raises
    ------
    ConflictError, SchemaError, UnavailableError
        As `filling`.
    """
    file = sqlite_file(url)
    if file is not None and not _exists(file):
        return
    engine = make_engine(url)
    try:
        with translate_database_errors(url), read_transaction(engine) as connection:
            if migrations.read_schema_revision(connection) is not None:
                _refuse_occupied(connection, registry_id, mask_passwords(url))
    finally:
        engine.dispose()


def _refuse_occupied(connection: sa.Connection, registry_id: str, place: str) -> None:
    found = connection.execute(sa.select(schema.registry.c.id)).scalar_one_or_none()
    if found is None:
        return
    closure = None
    if found == registry_id and sa.inspect(connection).has_table("closure"):
        closure = find_closure(connection)
    if closure is None or closure.reason != "arrival":
        raise ConflictError(f"the database {place} holds registry {found} already", database=found)


def upgrade_database(url: str) -> tuple[str | None, str | None]:
    """Upgrade the schema of an existing registry; return its revisions before and after.

    Raises
    ------
    SchemaError
        The database holds no registry, somebody else's tables, or a newer schema.
    UnavailableError
        It is not there, or does not answer.
    """
    refuse_missing_file(url)
    engine = make_engine(url)
    try:
        with translate_database_errors(url), migrations.upgrade_transaction(engine) as upgrade:
            if upgrade.before is None:
                migrations.refuse_other_schema(None)
            return upgrade.before, upgrade.after
    finally:
        engine.dispose()


def downgrade_database(url: str, target: str) -> tuple[str | None, str]:
    """Take the schema of a registry back to an older one, where that loses nothing; return what it was and is.

    Raises
    ------
    RequestError
        There is no such schema, or it is newer than that of the database.
    ConflictError
        Rows would be lost.
    SchemaError
        The database holds no registry, somebody else's tables, or a newer schema.
    UnavailableError
        It is not there, or does not answer.
    """
    refuse_missing_file(url)
    engine = make_engine(url)
    try:
        with translate_database_errors(url):
            with read_transaction(engine) as connection:
                before = migrations.read_schema_revision(connection)
            if before is None or not migrations.is_known_schema(before):
                migrations.refuse_other_schema(before)
            _refuse_unknown_schema(target, before or "")
            try:
                migrations.downgrade(engine, target)
            except RuntimeError as error:  # of a migration, which imports nothing of ours
                raise ConflictError(f"{error}; nothing was changed") from None
            return before, target
    finally:
        engine.dispose()


def _refuse_unknown_schema(target: str, now: str) -> None:
    known = [f"{number:04}" for number in range(1, int(now) + 1)]
    if target not in known:
        raise RequestError(
            f"the database has schema {now}, and cannot go back to {quote(target)}; known: {', '.join(known)}"
        )


def _ensure_registry_id(connection: sa.Connection, store_owner: str | None) -> str:
    found = connection.execute(sa.select(schema.registry.c.id)).scalar_one_or_none()
    if store_owner is not None and found != store_owner:
        holds = f"registry {found}" if found else "none yet"
        raise ConflictError(
            f"the store belongs to registry {store_owner}, the database holds {holds}",
            store=store_owner,
            database=found,
        )
    if store_owner is None and connection.execute(sa.select(schema.blob.c.sha256).limit(1)).first():
        raise UnavailableError(
            "the registry has files, and its store is not there; nothing was made in its place:"
            " mount it, or restore it from a backup"
        )
    if found is None:
        found = str(uuid.uuid4())
        connection.execute(schema.registry.insert(), {"id": found, "created_at": instants.now()})
    return str(found)


def refuse_missing_file(url: str) -> None:
    """Refuse a SQLite file that is not there, which SQLite would make.

    Raises
    ------
    UnavailableError
        It is not there.
    """
    file = sqlite_file(url)
    if file is not None and not _exists(file):
        raise UnavailableError(
            f"there is no database {file}; calreg init makes one, CALREG_DATABASE or --database names another"
        )


def _exists(file: Path) -> bool:
    """Tell whether a file is there.

    Raises
    ------
    UnavailableError
        The system does not say: a folder may not be looked into, or a name is too long.
    """
    with translate_os_errors("used", file, f"the database {file}"):
        return file.exists()


def _make_folder(folder: Path) -> None:
    with translate_os_errors("made", folder):
        folder.mkdir(parents=True, exist_ok=True)


def _remove_empty_file(file: Path) -> None:
    """Remove a SQLite file that this process began, unless another has made a registry of it since."""
    if not file.exists():
        return
    engine = make_engine(f"sqlite:///{file}")
    try:
        with suppress(sa.exc.DBAPIError), write_transaction(engine) as connection:
            if not sa.inspect(connection).get_table_names():
                for suffix in ("", "-wal", "-shm"):
                    file.with_name(file.name + suffix).unlink(missing_ok=True)
    finally:
        engine.dispose()
