"""One change of the registry: everything that is recorded in it bears one revision's number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from registry import instants, schema
from registry.authorship import Signature
from registry.database.closing import database_role, refuse_closed
from registry.secrets import masked

Row = dict[str, Any]


class Change:
    """A writer's transaction, and the revision that it becomes if it changes anything.

    The revision is recorded with the first fact, so a change that finds everything stated already
    leaves no trace. The writers' lock is held: ``newest`` + 1 is this revision's number, and ids are
    counted on from the largest.

    Raises
    ------
    ClosedError
        The database takes no writes.
    """

    def __init__(self, connection: sa.Connection, signature: Signature, comment: str | None) -> None:
        refuse_closed(connection)
        self.connection = connection
        self.signature = signature
        self.comment = comment and masked(comment)
        self.role = database_role(connection)
        last = connection.execute(
            sa.select(schema.revision.c.number, schema.revision.c.recorded_at)
            .order_by(schema.revision.c.number.desc())
            .limit(1)
        ).one_or_none()
        self.newest: int = last.number if last else 0
        # A clock that was set back does not turn the order of revisions around.
        self.instant = instants.Instant(max(instants.now(), last.recorded_at if last else instants.BEGINNING))
        self.revision: int | None = None
        self.recorded: set[str] = set()  # names of the tables into which it put facts
        self.withdrawn: set[str] = set()  # names of those of which it withdrew some
        self.unchanged: list[int] = []  # numbers of versions that state already what was asked
        self.notes: list[str] = []
        self.warnings: list[str] = []

    @property
    def view(self) -> int:
        """The revision as of which look-ups inside the change see what it did so far."""
        return self.newest if self.revision is None else self.revision

    def _number(self) -> int:
        if self.revision is None:
            self.revision = self.newest + 1
            self.connection.execute(
                schema.revision.insert(),
                {
                    "number": self.revision,
                    "recorded_at": self.instant,
                    "author": self.signature.author,
                    "database_role": self.role,
                    "host": self.signature.host,
                    "command": self.signature.command,
                    "comment": self.comment,
                    "software": self.signature.software,
                },
            )
        return self.revision

    def record(self, table: sa.Table, rows: Sequence[Row]) -> list[int]:
        """Insert the rows into a table of facts or constants of nature; return their ids, if it has ids."""
        if not rows:
            return []
        self.recorded.add(table.name)
        return self.add(table, rows, recorded_in=self._number())

    def add(self, table: sa.Table, rows: Sequence[Row], **shared: int) -> list[int]:
        """Insert rows that carry no revision of their own; return their ids, if the table has ids."""
        if not rows:
            return []
        complete = [{**row, **shared} for row in rows]
        for row in complete if "comment" in table.c else ():
            row["comment"] = row["comment"] and masked(row["comment"])
        ids: list[int] = []
        if "id" in table.c:
            first = self._next_id(table)
            ids = list(range(first, first + len(rows)))
            for row, given in zip(complete, ids, strict=True):
                row["id"] = given
        self.connection.execute(table.insert(), complete)
        return ids

    def withdraw(self, table: sa.Table, ids: Iterable[int]) -> None:
        """Withdraw the facts with these ids in this revision."""
        number = self._number()
        self.withdrawn.add(table.name)
        self.connection.execute(
            table.update().where(table.c.id == sa.bindparam("row")).values(withdrawn_in=number),
            [{"row": given} for given in ids],
        )

    def _next_id(self, table: sa.Table) -> int:
        return (self.connection.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0) + 1
