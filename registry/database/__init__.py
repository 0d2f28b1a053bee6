"""The database of one registry: readers' and writers' transactions behind a guard for its schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import sqlalchemy as sa

from registry import schema
from registry.authorship import Signature, refuse_unrecordable
from registry.database import migrations, roles
from registry.database.change import Change, Row
from registry.database.closing import Closure, find_closure, open_arrival, refuse_closed
from registry.database.creation import (
    create_database,
    downgrade_database,
    filling,
    refuse_missing_file,
    refuse_taken,
    upgrade_database,
)
from registry.database.engine import glance, make_engine, readers_view, refusals, writers_turn
from registry.database.location import cautions
from registry.secrets import masked

__all__ = [
    "Change",
    "Closure",
    "Database",
    "Row",
    "cautions",
    "create_database",
    "downgrade_database",
    "filling",
    "refuse_taken",
    "upgrade_database",
]


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
                refuse_missing_file(url)
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

    @cached_property
    def _cautions(self) -> list[str]:
        # Looked for once: a file that is open stays where it lies.
        return cautions(self.url)

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
        RequestError
            The comment is no text that databases keep.
        """
        refuse_unrecordable(comment or "", "the comment")
        self.refuse_closed()
        with refusals(self.url), writers_turn(self._engine, dry_run=dry_run) as connection:
            change = Change(connection, signature, comment)
            change.warnings += self._cautions
            yield change

    def refuse_closed(self) -> None:
        """Refuse where the database takes no writes.

        Raises
        ------
        ClosedError
            It is closed.
        """
        if self.closure is not None:
            # The file of a snapshot cannot be written: it is asked before its lock is. A copy may be open by now.
            with self.glancing() as connection:
                refuse_closed(connection)

    @contextmanager
    def frozen(self) -> Iterator[sa.Connection]:
        """Let nobody write, by raw SQL either, until the transaction that is handed out is committed."""
        with refusals(self.url), writers_turn(self._engine) as connection:
            if connection.dialect.name == "postgresql":
                tables = ", ".join(schema.metadata.tables)
                connection.execute(sa.text(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE"))
            yield connection

    def open_arrival(self) -> None:
        """Let the database that a copy has filled take writes."""
        with refusals(self.url), writers_turn(self._engine) as connection:
            open_arrival(connection)

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
