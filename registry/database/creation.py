"""Create, upgrade, downgrade or populate a database: all of it, or nothing is left behind."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from registry import instants, schema
from registry.database import migrations
from registry.database.closing import find_closure
from registry.database.engine import (
    make_engine,
    open_engine,
    read_transaction,
    use_write_ahead_log,
    write_transaction,
)
from registry.database.seals import read_owner, read_registry_id
from registry.database.writability import refuse_other_encoding, refuse_read_only
from registry.errors import ConflictError, Remedy, RequestError, UnavailableError
from registry.files import translate_os_errors
from registry.identifiers import quote
from registry.parallel import Progress, no_progress
from registry.secrets import mask_url
from registry.settings import refuse_pin, sqlite_file
from registry.sql import sa


def create_database(
    url: str, store_owner: str | None, record: Callable[[sa.Connection], None] | None = None
) -> str:
    """Create the database, or upgrade it; return the registry's Id, a new one if it has none.

    Parameters
    ----------
    store_owner
        The Id of the registry to which the store belongs; None where there is no store yet.
    record
        Records facts in the same transaction, under the writers' lock.

    Raises
    ------
    ConflictError
        The store belongs to another registry; the database is left as it was.
    SchemaError
        The database holds other tables, or a newer schema.
    UnavailableError
        It cannot be created; a SQLite file is removed again, or has no tables where the disk is full.
    """
    with _create_or_upgrade(url, write_ahead_log=True) as upgrade:
        registry_id = _ensure_registry_id(upgrade.connection, store_owner)
        if record is not None:
            record(upgrade.connection)
        return registry_id


@contextmanager
def populate_database(
    url: str, registry_id: str, revision: str = schema.REVISION, *, write_ahead_log: bool = True
) -> Iterator[sa.Connection]:
    """Create a database for rows from elsewhere: committed at the end, or no part of it is left.

    Raises as `create_database`, and `ConflictError` where the database holds a registry already.

    Parameters
    ----------
    registry_id
        The registry of the rows. An unfinished copy of the same registry is replaced.
    revision
        The schema of the rows; `migrations.upgrade_to_current` upgrades it.
    write_ahead_log
        For a registry in use; without it a SQLite database is a single file, readable where nothing can be written.
    """
    with _create_or_upgrade(url, revision, write_ahead_log=write_ahead_log) as upgrade:
        _refuse_occupied(upgrade.connection, registry_id, mask_url(url))
        yield upgrade.connection


@contextmanager
def _create_or_upgrade(
    url: str, target: str = "head", *, write_ahead_log: bool
) -> Iterator[migrations.Upgrade]:
    """Create the database, or upgrade it, in the transaction of the upgrade; on an error a new file is removed."""
    file = sqlite_file(url)
    new = _is_missing_file(url)
    try:
        with open_engine(url, create=True) as engine:
            if file is not None:
                with translate_os_errors("made", file.parent):
                    file.parent.mkdir(parents=True, exist_ok=True)
                if new:  # by the umask: SQLite would let nobody of a group write it
                    with translate_os_errors("made", file):
                        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o666))
                if write_ahead_log:
                    use_write_ahead_log(engine, is_new=new)
            with migrations.upgrade_transaction(engine, target) as upgrade:
                yield upgrade
    except BaseException:
        if new and file is not None:
            _remove_empty_file(file)
        raise


def refuse_occupied(url: str, registry_id: str) -> None:
    """Refuse, before any work, a database that `populate_database` would refuse; raises the same errors."""
    if _is_missing_file(url):
        return
    with open_engine(url) as engine, read_transaction(engine) as connection:
        refuse_read_only(connection)
        if migrations.read_schema_revision(connection) is not None:
            _refuse_occupied(connection, registry_id, mask_url(url))
        else:
            refuse_other_encoding(connection)


def _refuse_occupied(connection: sa.Connection, registry_id: str, url: str) -> None:
    owner = read_owner(connection)
    if owner is None:
        return
    closure = None
    if owner == registry_id and sa.inspect(connection).has_table("closure"):
        closure = find_closure(connection)
    if closure is None or closure.reason != "arrival":
        raise ConflictError(f"the database {url} holds registry {owner} already", database=owner)


def upgrade_database(url: str, *, progress: Progress = no_progress) -> tuple[str | None, str | None]:
    """Upgrade the schema of an existing registry; return its revisions before and after.

    Raises
    ------
    CorruptionError
        It holds values that cannot be sealed.
    SchemaError
        The database holds no registry, other tables, or a newer schema.
    UnavailableError
        It is not there, or does not answer.
    """
    refuse_pin("upgrade the schema")
    refuse_missing_file(url)
    with open_engine(url) as engine, migrations.upgrade_transaction(engine, progress=progress) as upgrade:
        if upgrade.before is None:
            migrations.refuse_other_schema(None)
        return upgrade.before, upgrade.after


def downgrade_database(url: str, target: str) -> tuple[str | None, str]:
    """Take the schema back to an older revision, where that loses nothing; return the revisions before and after.

    Raises
    ------
    RequestError
        There is no such revision, or it is newer than that of the database.
    ConflictError
        Rows would be lost.
    SchemaError
        The database holds no registry, other tables, or a newer schema.
    UnavailableError
        It is not there, or does not answer.
    """
    refuse_pin("take the schema back")
    refuse_missing_file(url)
    with open_engine(url) as engine:
        with read_transaction(engine) as connection:
            before = migrations.read_schema_revision(connection)
        if before is None or not migrations.is_known_schema(before):
            migrations.refuse_other_schema(before)
        known = [f"{number:04}" for number in range(1, int(before or 0) + 1)]
        if target not in known:
            raise RequestError(
                f"the database has schema {before}, and cannot go back to {quote(target)}; known: {', '.join(known)}",
                known=known,
            )
        try:
            migrations.downgrade(engine, target)
        except RuntimeError as error:  # from a migration, which imports nothing of this package
            raise ConflictError(f"{error}; nothing was changed") from None
        return before, target


def _ensure_registry_id(connection: sa.Connection, store_owner: str | None) -> str:
    registry_id = read_registry_id(connection)
    if store_owner is not None and registry_id != store_owner:
        holds = f"registry {registry_id}" if registry_id else "none yet"
        raise ConflictError(
            f"the store belongs to registry {store_owner}, the database holds {holds}",
            store=store_owner,
            database=registry_id,
        )
    if store_owner is None and connection.execute(sa.select(schema.blob.c.sha256).limit(1)).first():
        raise UnavailableError(
            "the registry has files, and its store is not there; nothing was made in its place:"
            " mount it, or restore it from a backup"
        )
    if registry_id is None:
        registry_id = str(uuid.uuid4())
        connection.execute(schema.registry.insert(), {"id": registry_id, "created_at": instants.now()})
    return str(registry_id)


def refuse_missing_file(url: str) -> None:
    """Raise `UnavailableError` for a SQLite file that is not there; SQLite would create it."""
    if _is_missing_file(url):
        raise UnavailableError(f"there is no database {sqlite_file(url)}", remedy=Remedy.GIVE_DATABASE)


def _is_missing_file(url: str) -> bool:
    file = sqlite_file(url)
    if file is None:
        return False
    # The system does not tell where a folder may not be searched, or a name is too long.
    with translate_os_errors("used", file, f"the database {file}"):
        return not file.exists()


def _remove_empty_file(file: Path) -> None:
    """Remove a SQLite file that this process created, unless another process has created a registry in it since."""
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
