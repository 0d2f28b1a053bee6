"""A change of the registry: everything that is recorded in it has the number of one revision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cache
from typing import Any

import sqlalchemy as sa

from registry import instants, schema
from registry.authorship import Signature
from registry.database.closing import refuse_closed, role_column
from registry.records import SupersededRun
from registry.secrets import mask_passwords

Row = dict[str, Any]

_CHUNK_SIZE = 1000  # Ids in one statement


class Change:
    """A writer's transaction, and the revision that it becomes if it changes anything.

    The revision is recorded with the first fact, so a change that has nothing to record leaves no trace. The
    writers' lock is held: this revision's number is ``newest`` + 1, and Ids continue from the largest.

    Raises
    ------
    ClosedError
        The database takes no writes.
    """

    def __init__(self, connection: sa.Connection, signature: Signature, comment: str | None) -> None:
        state = connection.execute(_select_state(connection.dialect.name)).one()
        if state.closure is not None:
            refuse_closed(connection)
        self.connection = connection
        self.signature = signature
        self.comment = comment and mask_passwords(comment)
        self.role: str | None = state.role
        self.newest: int = state.number or 0
        # Revisions stay in the order of their times where the clock was set back.
        earliest = instants.BEGINNING if state.recorded_at is None else state.recorded_at
        self.instant = instants.Instant(max(instants.now(), earliest))
        self._largest = {
            name: number or 0
            for name, number in zip(_TABLES_WITH_IDS, state[-len(_TABLES_WITH_IDS) :], strict=True)
        }
        self.revision: int | None = None
        self.recorded: Counter[str] = Counter()  # rows recorded, by table
        self.withdrawn: Counter[str] = Counter()  # rows withdrawn, by table
        self.unchanged: list[int] = []  # numbers of the versions that were recorded already
        self.superseded_runs: list[SupersededRun] = []
        self.notes: list[str] = []
        self.warnings: list[str] = []

    @property
    def visible_revision(self) -> int:
        """The revision as of which look-ups see what this change has recorded so far."""
        return self.newest if self.revision is None else self.revision

    def _ensure_revision(self) -> int:
        if self.revision is None:
            self.revision = self.newest + 1
            self.connection.execute(
                schema.revision.insert(),
                {
                    "number": self.revision,
                    "recorded_at": self.instant,
                    "database_role": self.role,
                    "comment": self.comment,
                    **asdict(self.signature),
                },
            )
        return self.revision

    def record(self, table: sa.Table, rows: Sequence[Row]) -> list[int]:
        """Insert rows into a table with ``recorded_in``; return their Ids, if the table has Ids."""
        if not rows:
            return []
        self.recorded[table.name] += len(rows)
        return self.insert(table, rows, recorded_in=self._ensure_revision())

    def insert(self, table: sa.Table, rows: Sequence[Row], **shared: int) -> list[int]:
        """Insert rows with the `shared` values; return their Ids, if the table has Ids."""
        if not rows:
            return []
        complete = [{**row, **shared} for row in rows]
        for row in complete if "comment" in table.c else ():
            row["comment"] = row["comment"] and mask_passwords(row["comment"])
        ids: list[int] = []
        if "id" in table.c:
            ids = list(range(self._largest[table.name] + 1, self._largest[table.name] + 1 + len(rows)))
            self._largest[table.name] = ids[-1]
            for row, number in zip(complete, ids, strict=True):
                row["id"] = number
        self.connection.execute(table.insert(), complete)
        return ids

    def withdraw(self, table: sa.Table, ids: Iterable[int]) -> None:
        """Withdraw the facts with these Ids in this revision."""
        rows = list(ids)
        self.withdrawn[table.name] += len(rows)
        withdrawal = table.update().where(table.c.id.in_(sa.bindparam("rows", expanding=True)))
        withdrawal = withdrawal.values(withdrawn_in=self._ensure_revision())
        for start in range(0, len(rows), _CHUNK_SIZE):
            self.connection.execute(withdrawal, {"rows": rows[start : start + _CHUNK_SIZE]})


def is_recorded(connection: sa.Connection, change: Change) -> bool:
    """Tell whether the revision of this change was committed, and not another one with its number."""
    expected = {"recorded_at": change.instant, **asdict(change.signature)}
    query = sa.select(schema.revision).where(schema.revision.c.number == change.revision)
    row = connection.execute(query).mappings().one_or_none()
    return row is not None and all(row[name] == value for name, value in expected.items())


_TABLES_WITH_IDS = {
    name: table
    for name, table in schema.metadata.tables.items()
    if "id" in table.c and table is not schema.registry  # its Id is not a number
}


@cache
def _select_state(dialect: str) -> sa.Select[Any]:
    """Return the query with which a change begins: one statement, and so one round trip to a server."""
    revision, closure = schema.revision, schema.closure
    newest = sa.select(revision.c.recorded_at).order_by(revision.c.number.desc()).limit(1)
    closed = sa.select(sa.func.max(closure.c.number)).where(closure.c.opened_at.is_(None))
    return sa.select(
        role_column(dialect).label("role"),
        sa.select(sa.func.max(revision.c.number)).scalar_subquery().label("number"),
        newest.scalar_subquery().label("recorded_at"),
        closed.scalar_subquery().label("closure"),
        *(
            sa.select(sa.func.max(table.c.id)).scalar_subquery().label(name)
            for name, table in _TABLES_WITH_IDS.items()
        ),
    )
