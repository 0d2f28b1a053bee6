"""An open database: its schema is checked, then transactions read and write it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from typing import TYPE_CHECKING

from registry import schema
from registry.authorship import Signature, refuse_unrecordable
from registry.database import migrations
from registry.database.change import Change, is_recorded
from registry.database.closing import Closure, find_closure, open_for_writes, refuse_closed
from registry.database.creation import refuse_missing_file
from registry.database.driver_connections import DriverPool
from registry.database.engine import (
    autocommit_read,
    lift_idle_limit,
    make_engine,
    make_file_engine,
    read_transaction,
    write_transaction,
)
from registry.database.forks import close_connections
from registry.database.refusals import translate_database_errors
from registry.database.sealed_transactions import open_sealed_transaction
from registry.database.seals import read_registry_id
from registry.database.sqlite_files import SQLiteFile
from registry.database.writability import refuse_read_only
from registry.errors import RequestError
from registry.heads import Head, HeadFile
from registry.interruptions import note_attempt
from registry.secrets import mask_url
from registry.settings import location_warnings, sqlite_file

if TYPE_CHECKING:
    from registry.database.late_seals import LateSeal
from registry.sql import sa


class Database:
    """An open database whose schema is the one of this software.

    Parameters
    ----------
    head_file
        The head of the store, with which every writer compares the history; None where no facts are recorded.
    read_only
        Let nothing be written, whatever the user may do.

    Attributes
    ----------
    registry_id
        The Id that the store must have too.
    closure
        Why it took no writes when it was opened; None where it took them.
    pin
        The revision as of which the session answers, which then records nothing; None where it may.

    Raises
    ------
    UnavailableError
        It is not there, or does not answer.
    SchemaError
        Its schema is older, newer, or not a registry's.
    """

    def __init__(self, url: str, head_file: HeadFile | None = None, *, read_only: bool = False) -> None:
        self.url = url
        self.head_file = head_file
        self.pin: Head | None = None
        file = sqlite_file(url)
        self._pool = None
        if file is not None:
            opened = SQLiteFile(str(file), "rw", read_only=read_only)
            self._pool = DriverPool(opened, lambda: self._engine)
        self._made_engine: sa.Engine | None = None
        try:
            with translate_database_errors(url):
                refuse_missing_file(url)
                self.registry_id, self.closure = self._read_usual_state() or self._check_schema()
        except BaseException:
            self.close()
            raise

    @property
    def _engine(self) -> sa.Engine:
        """The engine, made when something needs SQLAlchemy, which then executes every statement."""
        if self._made_engine is None:
            pool = self._pool
            engine = (
                make_engine(self.url)
                if pool is None
                else make_file_engine(pool.file, self.url, connect=pool.take)
            )
            # Another thread may have made one meanwhile.
            self._made_engine = self._made_engine or engine
        return self._made_engine

    @property
    def _idle(self) -> DriverPool | None:
        """The driver's own connections, as long as nothing has needed the engine."""
        return self._pool if self._made_engine is None else None

    def _read_usual_state(self) -> tuple[str, Closure | None] | None:
        """Return the Id and the closure of a registry with the schema of this software; None for all else."""
        if self._idle is None:
            return None
        try:
            with self._idle.begin() as connection:
                if not migrations.has_own_schema(connection):
                    return None
                registry_id, closure = read_registry_id(connection), find_closure(connection)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                raise  # nobody waits twice
            return None  # `_check_schema` says what is wrong
        return None if registry_id is None else (registry_id, closure)

    def _check_schema(self) -> tuple[str, Closure | None]:
        with read_transaction(self._engine) as connection:
            migrations.refuse_other_schema(migrations.read_schema_revision(connection))
            registry_id = read_registry_id(connection)
            if registry_id is None:  # the tables were made by the migrations alone
                migrations.refuse_other_schema(None)
            return str(registry_id), find_closure(connection)

    @property
    def name(self) -> str:
        """The URL without its password."""
        return mask_url(self.url)

    @cached_property
    def _location_warnings(self) -> list[str]:
        return location_warnings(self.url)

    @contextmanager
    def read_transaction(self) -> Iterator[sa.Connection]:
        """Open a transaction that sees the database at one moment, whatever writers do meanwhile."""
        pool = self._idle
        with (
            translate_database_errors(self.url),
            read_transaction(self._engine) if pool is None else pool.begin() as connection,
        ):
            yield connection

    @contextmanager
    def autocommit_read(self) -> Iterator[sa.Connection]:
        """Open a connection for one SELECT, without the cost of a transaction."""
        pool = self._idle
        with (
            translate_database_errors(self.url),
            autocommit_read(self._engine) if pool is None else pool.begin(None) as connection,
        ):
            yield connection

    @contextmanager
    def _begin_writing(self, *, dry_run: bool = False) -> Iterator[sa.Connection]:
        pool = self._idle
        if pool is None:
            with write_transaction(self._engine, dry_run=dry_run) as connection:
                yield connection
            return
        # A writer takes the lock at once: a deferred one fails when another writer came first.
        with pool.begin("BEGIN IMMEDIATE", writing=True) as connection:
            yield connection
            if not dry_run:
                connection.commit()

    @contextmanager
    def write_transaction(
        self,
        signature: Signature,
        comment: str | None = None,
        *,
        dry_run: bool = False,
        lost: Head | None = None,
        of_export: bool = False,
    ) -> Iterator[Change]:
        """Open a writer's transaction: sealed and committed as one revision at the end, or not at all.

        Parameters
        ----------
        dry_run
            Roll it back at the end: everything is checked and returned, nothing is recorded.
        lost
            The head of the store that this history lacks, and goes on without.
        of_export
            An export is recorded, without a revision: it may be made as of a pinned one.

        Raises
        ------
        ConflictError
            The history lacks what was committed to the store.
        RequestError
            The session is pinned to a revision.
        """
        if not of_export:
            self._refuse_pinned()
        refuse_unrecordable(comment or "", "the comment")
        self.refuse_closed()
        with open_sealed_transaction(
            self._begin_writing(dry_run=dry_run),
            self.url,
            self.head_file,
            lambda connection, known: Change(connection, signature, comment, known),
            dry_run=dry_run,
            lost=lost,
        ) as change:
            change.warnings += self._location_warnings
            if not dry_run:
                note_attempt("the revision", lambda: self._describe_change(change))
            yield change

    def refuse_unwritable(self, signature: Signature, *, lost: Head | None = None) -> None:
        """Refuse what `write_transaction` would refuse whatever is recorded: it is tried, and rolled back."""
        with self.write_transaction(signature, dry_run=True, lost=lost) as change:
            change.ensure_revision()

    def _refuse_pinned(self) -> None:
        if self.pin is not None:
            raise RequestError(
                f"the session is pinned to {self.pin.pin}, and records nothing: leave the pin out to write",
                pin=self.pin.pin,
            )

    def late_seal_transaction(self, number: int) -> AbstractContextManager[LateSeal]:
        """Open a writer's transaction that seals a revision, which must be the newest and have no seal."""
        from registry.database.late_seals import LateSeal

        self._refuse_pinned()
        self.refuse_closed()

        return open_sealed_transaction(
            self._begin_writing(), self.url, self.head_file, partial(LateSeal, number=number)
        )

    def _describe_change(self, change: Change) -> str | None:
        """Return the clause about a change that may have been interrupted, None where nothing is recorded."""
        if change.revision is None:
            return None
        with self.open_after_interruption() as connection:
            return f"revision {change.revision} was recorded" if is_recorded(connection, change) else None

    @contextmanager
    def open_after_interruption(self) -> Iterator[sa.Connection]:
        """Open a transaction to read after an interruption: no commit is under way on a server any more."""
        close_connections()
        with translate_database_errors(self.url), self._begin_writing(dry_run=True) as connection:
            yield connection

    def refuse_closed(self) -> None:
        """Raise `ClosedError` where the database takes no writes."""
        if self.closure is not None:
            # Before the lock is requested: the file of a snapshot cannot be written. A copy may be finished by now.
            with self.autocommit_read() as connection:
                refuse_closed(connection)

    def refuse_move(self) -> None:
        """Refuse before files are copied what `exclusive_transaction` and a closure would refuse after it.

        Raises
        ------
        UnavailableError
            The server takes no writes, or the tables belong to another user.
        """
        if sqlite_file(self.url) is None:
            with self.autocommit_read() as connection:
                from registry.database import roles

                refuse_read_only(connection)
                roles.refuse_other_role(connection, "move it")

    @contextmanager
    def exclusive_transaction(self) -> Iterator[sa.Connection]:
        """Open a transaction during which nothing else writes, not even raw SQL."""
        with translate_database_errors(self.url), write_transaction(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                lift_idle_limit(connection)
                tables = ", ".join(schema.metadata.tables)
                connection.execute(sa.text(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE"))
            yield connection

    @contextmanager
    def mirror_transaction(self) -> Iterator[sa.Connection]:
        """Open a writer's transaction in which a mirror, which takes no writes, takes over what it follows.

        Raises
        ------
        UnavailableError
            The server takes no writes, or the tables belong to another user.
        """
        with translate_database_errors(self.url), write_transaction(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                from registry.database import roles

                lift_idle_limit(connection)
                roles.refuse_other_role(connection, "let it follow another registry")
            yield connection

    def open_for_writes(self) -> None:
        """Open the database that a copy has filled for writes."""
        with translate_database_errors(self.url), write_transaction(self._engine) as connection:
            open_for_writes(connection)

    @property
    def schema_name(self) -> str | None:
        """The schema of a PostgreSQL database in which the tables are, None on SQLite."""
        with self.read_transaction() as connection:
            is_server = connection.dialect.name == "postgresql"
            return connection.dialect.default_schema_name if is_server else None

    def find_differences(self, *, thorough: bool = False) -> list[str]:
        """Return a sentence for each difference of the live schema from that of this software; see `differences`."""
        from registry.database.catalogue.differences import find_differences

        with translate_database_errors(self.url), read_transaction(self._engine) as connection:
            return find_differences(connection, thorough=thorough)

    def mend_guards(self) -> list[str]:
        """Replace the guards and views where they are not this software's; return a sentence for each difference."""
        from registry.database.catalogue.mending import mend_guards

        self._refuse_pinned()
        with translate_database_errors(self.url), write_transaction(self._engine) as connection:
            return mend_guards(connection)

    def grant_roles(self, readers: Sequence[str], writers: Sequence[str], *, apply: bool) -> list[str]:
        """Return the statements that make roles readers and writers, and `apply` them; see `roles.build_grants`."""
        from registry.database import roles

        self._refuse_pinned()
        with translate_database_errors(self.url), write_transaction(self._engine) as connection:
            statements = roles.build_grants(connection, readers, writers)
            if apply:
                roles.apply_grants(connection, statements)
        return statements

    def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            self._pool.dispose()
        if self._made_engine is not None:
            self._made_engine.dispose()
