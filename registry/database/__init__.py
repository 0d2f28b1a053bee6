"""The database of one registry: readers' and writers' transactions behind a guard for its schema."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import sqlalchemy as sa

from registry import instants, schema
from registry.authorship import Signature
from registry.database import migrations, roles
from registry.database.change import Change, Row
from registry.database.closing import Closure, find_closure, refuse_closed
from registry.database.engine import (
    glance,
    make_engine,
    readers_view,
    refusals,
    use_write_ahead_log,
    writers_turn,
)
from registry.database.location import network_file_system
from registry.errors import ConflictError, UnavailableError
from registry.secrets import masked
from registry.settings import sqlite_file

__all__ = ["Change", "Closure", "Database", "Row", "cautions", "create_database", "upgrade_database"]


class Database:
    """An open database whose schema is the one of this software.

    Attributes
    ----------
    registry_id
        The id that the store must bear too.
    closure
        Why it took no writes when it was opened; None where it did.

    Raises
    ------
    UnavailableError
        It is not there, or does not answer.
    SchemaError
        Its schema is older, newer, or not a registry's.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = make_engine(url)
        try:
            with refusals(url):
                _refuse_missing_file(url)
                self.registry_id, self.closure = self._guard()
        except BaseException:
            self._engine.dispose()
            raise

    def _guard(self) -> tuple[str, Closure | None]:
        with readers_view(self._engine) as connection:
            migrations.refuse_other_schema(migrations.schema_revision(connection))
            found = connection.execute(sa.select(schema.registry.c.id)).scalar_one_or_none()
            if found is None:  # the tables were made, but by no `calreg init`
                migrations.refuse_other_schema(None)
            return str(found), find_closure(connection)

    @property
    def name(self) -> str:
        """The URL without its password."""
        return masked(self.url)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Open a reader's transaction: one moment of the database, whatever writers do meanwhile."""
        with refusals(self.url), readers_view(self._engine) as connection:
            yield connection

    @contextmanager
    def glancing(self) -> Iterator[sa.Connection]:
        """Hand out a connection for one SELECT, without the cost of a transaction."""
        with refusals(self.url), glance(self._engine) as connection:
            yield connection

    @contextmanager
    def writing(
        self, signature: Signature, comment: str | None = None, *, dry_run: bool = False
    ) -> Iterator[Change]:
        """Open a writer's transaction: committed as one revision at the end, or not at all.

        Parameters
        ----------
        dry_run
            Do everything, and roll it back at the end: what would be refused is, and what would be
            recorded is handed out.

        Raises
        ------
        ClosedError
            The database takes no writes.
        """
        if self.closure is not None:
            # The file of a snapshot cannot be written: it is asked before its lock is. A copy may be open by now.
            with self.glancing() as connection:
                refuse_closed(connection)
        with refusals(self.url), writers_turn(self._engine, dry_run=dry_run) as connection:
            change = Change(connection, signature, comment)
            change.warnings += cautions(self.url)
            yield change

    def differences(self) -> list[str]:
        """Return in a line each how the live schema differs from the one of this software."""
        with self.reading() as connection:
            return migrations.differences(connection)

    def grant(self, readers: Sequence[str], writers: Sequence[str], *, apply: bool) -> list[str]:
        """Return the statements that make roles readers and writers, executed if asked; see `roles.grants`."""
        with refusals(self.url), writers_turn(self._engine) as connection:
            statements = roles.grants(connection, readers, writers)
            if apply:
                roles.apply_grants(connection, statements)
        return statements

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def cautions(url: str) -> list[str]:
    """Return what is risky about the place of a database, a sentence each."""
    file = sqlite_file(url)
    sort = None if file is None else network_file_system(file)
    if sort is None:
        return []
    caution = (
        f"{file} lies on {sort}, a file system of a network, where SQLite's locks may not hold:"
        " two writers can damage it; use a local disk, or PostgreSQL"
    )
    return [caution]


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
        It cannot be made; no part of a SQLite file is left behind.
    """
    file = sqlite_file(url)
    new = file is not None and not file.exists()
    engine = make_engine(url, create=True)
    try:
        with refusals(url):
            if file is not None:
                _make_folder(file.parent)
                use_write_ahead_log(engine)
            with migrations.upgrading(engine) as upgrade:
                return _identify(upgrade.connection, store_owner)
    except BaseException:
        engine.dispose()
        if new and file is not None:
            _remove_empty(file)
        raise
    finally:
        engine.dispose()


def upgrade_database(url: str) -> tuple[str | None, str | None]:
    """Upgrade the schema of an existing registry; return its revisions before and after.

    Raises
    ------
    SchemaError
        The database holds no registry, somebody else's tables, or a newer schema.
    UnavailableError
        It is not there, or does not answer.
    """
    _refuse_missing_file(url)
    engine = make_engine(url)
    try:
        with refusals(url), migrations.upgrading(engine) as upgrade:
            if upgrade.before is None:
                migrations.refuse_other_schema(None)
            return upgrade.before, upgrade.after
    finally:
        engine.dispose()


def _identify(connection: sa.Connection, store_owner: str | None) -> str:
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


def _refuse_missing_file(url: str) -> None:
    file = sqlite_file(url)
    if file is not None and not file.exists():
        raise UnavailableError(f"there is no database {file}; calreg init makes one")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"the folder {folder} cannot be made: {error.strerror}") from None


def _remove_empty(file: Path) -> None:
    """Remove a SQLite file that this process began, unless another has made a registry of it since."""
    if not file.exists():
        return
    engine = make_engine(f"sqlite:///{file}")
    try:
        with suppress(sa.exc.DBAPIError), writers_turn(engine) as connection:
            if not sa.inspect(connection).get_table_names():
                for suffix in ("", "-wal", "-shm"):
                    file.with_name(file.name + suffix).unlink(missing_ok=True)
    finally:
        engine.dispose()
