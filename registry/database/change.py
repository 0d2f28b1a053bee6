"""A change of the registry: everything that is recorded in it has the number of one revision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import asdict

from registry import instants, schema
from registry.authorship import Signature
from registry.database import seal_text
from registry.database.closing import refuse_closed, role_column
from registry.database.driver_writes import insert_tuples
from registry.database.kept_statements import keep_text
from registry.database.seal_text import NAMES_OF_EXPORT_TABLES
from registry.database.seals import SealDraft, missing_seal_error
from registry.heads import Head
from registry.records import SupersededRun
from registry.sql import sa

Row = dict[str, Any]

_CHUNK_SIZE = 1000  # Ids in one statement


class Change:
    """A writer's transaction, and the revision that it becomes if it changes anything.

    The revision is recorded with the first fact, so a change that has nothing to record leaves no trace. The
    writers' lock is held: this revision's number is ``newest`` + 1, and Ids continue from the largest.

    `seal` records the last row: the seal of the revision, or of an export.

    Parameters
    ----------
    known
        Heads that somebody knows, to be compared with the history: see `contains`.

    Raises
    ------
    ClosedError
        The database takes no writes.
    CorruptionError
        The newest revision has no seal.
    """

    def __init__(
        self, connection: sa.Connection, signature: Signature, comment: str | None, known: Sequence[Head] = ()
    ) -> None:
        numbers = [*(head.number for head in known), None, None][:2]
        parameters = dict(zip(("first_known", "second_known"), numbers, strict=True))
        state = connection.execute(_select_state(connection.dialect.name), parameters).one()
        if state.closure is not None:
            refuse_closed(connection)
        self.connection = connection
        self.signature = signature
        self.comment = comment
        self.role: str | None = state.role
        self.newest: int = state.number or 0
        self._seals = _read_seals(state, numbers)
        if self.newest not in self._seals:
            raise missing_seal_error(self.newest)
        self._export: tuple[int, str] | None = (
            None if state.link is None else (state.export_number, state.link)
        )
        self._recorded_export: int | None = None
        self._draft = SealDraft()
        # Revisions stay in the order of their times where the clock was set back.
        earliest = instants.BEGINNING if state.recorded_at is None else state.recorded_at
        self.instant = instants.Instant(max(instants.now(), earliest))
        largest = state._fields.index(_LAST_FIELD) + 1  # of the largest Ids, by table
        self._largest = {
            name: number or 0 for name, number in zip(state._fields[largest:], state[largest:], strict=True)
        }
        if self._export is not None:  # the fork of a snapshot has links of exports that it lacks
            self._largest["export"] = max(self._largest["export"], self._export[0])
        self.revision: int | None = None
        self.is_unguarded = False  # guards were lifted, and are not restored
        self.recorded: Counter[str] = Counter()  # rows recorded, by table
        self.withdrawn: Counter[str] = Counter()  # rows withdrawn, by table
        self.unchanged: list[int] = []  # numbers of the versions that were recorded already
        self.superseded_runs: list[SupersededRun] = []
        self.head: Head | None = None  # the revision with its seal, once it is sealed
        self.awaited: Head | None = (
            None  # a revision that another writer announced to the store, and did not commit
        )
        self.notes: list[str] = []
        self.warnings: list[str] = []

    @property
    def visible_revision(self) -> int:
        """The revision as of which look-ups see what this change has recorded so far."""
        return self.newest if self.revision is None else self.revision

    def ensure_revision(self) -> int:
        """Return the number of the revision, whose row is recorded with the first fact."""
        if self.revision is None:
            self.revision = self.newest + 1
            row = {
                "number": self.revision,
                "recorded_at": self.instant,
                "database_role": self.role,
                "comment": self.comment,
                **asdict(self.signature),
            }
            self.connection.execute(schema.revision.insert(), row)
            self._draft.add_rows(schema.revision.name, [row])
        return self.revision

    def record(self, table: sa.Table, rows: Sequence[Row]) -> list[int]:
        """Insert rows into a table with ``recorded_in``; return their Ids, if the table has Ids."""
        if not rows:
            return []
        self.recorded[table.name] += len(rows)
        return self.insert(table, rows, recorded_in=self.ensure_revision())

    def insert(self, table: sa.Table, rows: Sequence[Row], **shared: int) -> list[int]:
        """Insert rows with the `shared` values; return their Ids, if the table has Ids."""
        return self.insert_into(table.name, rows, **shared)

    def insert_into(self, table_name: str, rows: Sequence[Row], **shared: int) -> list[int]:
        """Insert rows as `insert` does into the table of this name."""
        if not rows:
            return []
        complete = [{**row, **shared} for row in rows]
        ids: list[int] = []
        if table_name in self._largest:
            first = self._largest[table_name] + 1
            ids = list(range(first, first + len(rows)))
            self._largest[table_name] = ids[-1]
            for row, number in zip(complete, ids, strict=True):
                row["id"] = number
        self.connection.execute(_insert_into(table_name), complete)
        self._draft.add_rows(table_name, complete)
        if table_name == "export":
            (self._recorded_export,) = ids
        return ids

    def get_next_id(self, table: sa.Table) -> int:
        """Return the Id of the next row of a table."""
        return self._largest[table.name] + 1

    def record_tuples(self, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert many rows with their Ids, from `get_next_id` on, and ``recorded_in``, as the driver takes them.

        First come the columns that are sealed, by their names; floats and bytes are not among them.
        """
        self.recorded[table.name] += len(rows)
        self._largest[table.name] += len(rows)
        insert_tuples(self.connection, table.name, columns, rows)
        self._draft.add_tuples(table, columns, rows)

    def withdraw(self, table: sa.Table, ids: Iterable[int]) -> None:
        """Withdraw the facts with these Ids in this revision."""
        rows = list(ids)
        self.withdrawn[table.name] += len(rows)
        self._draft.add_withdrawn(table, rows)
        withdrawal = table.update().where(table.c.id.in_(sa.bindparam("rows", expanding=True)))
        withdrawal = withdrawal.values(withdrawn_in=self.ensure_revision())
        for start in range(0, len(rows), _CHUNK_SIZE):
            self.connection.execute(withdrawal, {"rows": rows[start : start + _CHUNK_SIZE]})

    def contains(self, head: Head) -> bool:
        """Tell whether the history contains a head that was known before: the revision, with that seal."""
        return self._seals.get(head.number) == head.seal

    @property
    def newest_head(self) -> Head:
        """The newest revision before this one, with its seal."""
        return Head(self.newest, self._seals[self.newest])

    def seal(self) -> None:
        """Seal what was recorded: no row comes after."""
        if self.is_unguarded:
            raise RuntimeError("the guards were lifted and not restored: nothing may be committed")
        if self._recorded_export is not None:
            self._seal_export(self._recorded_export)
        if self.revision is not None:
            text = str(self._draft.build_text(self.revision, self._seals[self.newest], self._export))
            self.head = Head(self.revision, seal_text.seal_text(text))
            number = self._export[0] if self._export else None
            row = {"revision": self.revision, "digest": self.head.seal, "text": text, "export": number}
            self.connection.execute(schema.seal.insert(), row)

    def _seal_export(self, number: int) -> None:
        previous = self._export[1] if self._export else self._seals[0]
        digest = self._draft.export_digest
        link = seal_text.link_export(number, previous, digest)
        self.connection.execute(
            _insert_into("export_seal"), [{"export": number, "digest": digest, "link": link}]
        )
        self._export = (number, link)


def is_recorded(connection: sa.Connection, change: Change) -> bool:
    """Tell whether the revision of this change was committed, and not another one with its number."""
    expected = {"recorded_at": change.instant, **asdict(change.signature)}
    query = sa.select(schema.revision).where(schema.revision.c.number == change.revision)
    row = connection.execute(query).mappings().one_or_none()
    return row is not None and all(row[name] == value for name, value in expected.items())


def _read_seals(state: Any, numbers: Sequence[int | None]) -> dict[int, str]:
    """Return the seals that are there, of the newest revision, of revision 0, and of those with these numbers."""
    seals = {0: seal_text.seal_registry(state.registry, state.created_at)}
    read = [(state.number, state.seal), *zip(numbers, (state.first_seal, state.second_seal), strict=True)]
    return seals | {number: seal for number, seal in read if number and seal is not None}


@keep_text(*({"table_name": name} for name in (*NAMES_OF_EXPORT_TABLES, "export_seal")))
def _insert_into(table_name: str) -> sa.Insert:
    return schema.metadata.tables[table_name].insert()


_LAST_FIELD = "closure"


@keep_text({"dialect": "sqlite"})
def _select_state(dialect: str) -> sa.Select[Any]:
    """Return the query with which a change begins: one statement, and so one round trip to a server."""
    revision, closure, registry = schema.revision, schema.closure, schema.registry
    newest = sa.select(revision.c.recorded_at).order_by(revision.c.number.desc()).limit(1)
    largest = sa.select(sa.func.max(revision.c.number)).scalar_subquery()
    link = sa.select(schema.export_seal).order_by(schema.export_seal.c.export.desc()).limit(1).subquery()
    closed = sa.select(sa.func.max(closure.c.number)).where(closure.c.opened_at.is_(None))
    return sa.select(
        role_column(dialect).label("role"),
        largest.label("number"),
        _select_seal(largest).label("seal"),
        _select_seal(sa.bindparam("first_known", type_=sa.Integer)).label("first_seal"),
        _select_seal(sa.bindparam("second_known", type_=sa.Integer)).label("second_seal"),
        sa.select(link.c.export).scalar_subquery().label("export_number"),
        sa.select(link.c.link).scalar_subquery().label("link"),
        sa.select(registry.c.id).scalar_subquery().label("registry"),
        sa.select(registry.c.created_at).scalar_subquery().label("created_at"),
        newest.scalar_subquery().label("recorded_at"),
        closed.scalar_subquery().label(_LAST_FIELD),
        *(
            sa.select(sa.func.max(table.c.id)).scalar_subquery().label(name)
            for name, table in schema.metadata.tables.items()
            if "id" in table.c and table is not registry  # its Id is not a number
        ),
    )


def _select_seal(number: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    return sa.select(schema.seal.c.digest).where(schema.seal.c.revision == number).scalar_subquery()
