"""Many rows inserted at once: the guards that ask each row are lifted, and the same rules are asked of all together.

A trigger takes longer than the row that it asks about. Nothing is ever committed without the guards: they are lifted
and restored in one transaction, which nobody else sees, and in which nobody else writes to the table. Only guards that
are those of this software are lifted, since the rules are its own; where they are not, or cannot be, each row is asked
as ever.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from registry.database.guards import postgresql, sqlite
from registry.database.guards.rules import CLOSED, Rule, list_batch_queries, list_batch_rules
from registry.errors import ConflictError
from registry.identifiers import format_count

_CACHE = -16 * 1024  # KiB of the file: each index is written in places all over it
_FIND_FUNCTIONS = sa.text(
    # Every type is the function's or operator's own: one that somebody added for another type would be preferred.
    """SELECT tgname, prosrc, quote_ident(nspname::text) AS name
    FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid JOIN pg_class ON pg_class.oid = tgrelid
      JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE tgrelid = CAST(:table AS regclass)::oid AND tgname = ANY(CAST(:names AS name[])) AND tgenabled = 'A'
      AND nspname = current_schema() AND pg_has_role(relowner, 'USAGE'::text)"""
)
_SET_PATH = sa.text("SELECT set_config('search_path', :path, true)")


@dataclass(frozen=True, slots=True)
class LiftedGuards:
    """The guards of a table that were lifted.

    Attributes
    ----------
    restoration
        The statements that bring them back.
    name
        The schema of the tables on a server, empty on SQLite.
    """

    connection: sa.Connection
    table: sa.Table
    restoration: Sequence[str]
    name: str = ""

    def restore(self, first: int, count: int) -> None:
        """Ask what the guards would have asked of the `count` rows from number `first` on, and bring them back.

        Raises
        ------
        ConflictError
            The guards would have refused a row: the transaction must not be committed.
        """
        with _ignore_added_operators(self.connection):
            problem = next(self._list_problems(first, count), None)
        if problem is not None:
            raise ConflictError(
                f"the database refuses this: append-only: {self.table.name}: {problem}", table=self.table.name
            )
        for statement in self.restoration:
            self.connection.exec_driver_sql(statement)

    def _list_problems(self, first: int, count: int) -> Iterator[str]:
        totals, *comparisons = _build_questions(self.connection.dialect.name, self.table)
        row = self._ask(totals, first)
        if row.is_closed:
            yield "the registry is closed to writes"
        if row.problem is not None:
            yield row.problem
        if row.total != count:
            yield f"{format_count(row.total, 'row')} added instead of {count}"
        for comparison in comparisons:
            if self._ask(comparison).has_wrong:
                yield comparison.sentence

    def _ask(self, question: Rule, *parameters: int) -> sa.Row[Any]:
        text = question.condition.replace(postgresql.SCHEMA, self.name)
        return self.connection.exec_driver_sql(text, parameters).one()


@contextmanager
def _ignore_added_operators(connection: sa.Connection) -> Iterator[None]:
    """Let nothing that somebody added to a schema stand for an operator or a function of PostgreSQL's own."""
    if connection.dialect.name == "sqlite":
        yield
        return
    path = connection.execute(sa.text("SELECT current_setting('search_path')")).scalar_one()
    connection.execute(_SET_PATH, {"path": "pg_catalog, pg_temp"})
    yield
    connection.execute(_SET_PATH, {"path": path})


def lift_guards(connection: sa.Connection, table: sa.Table) -> LiftedGuards | None:
    """Lift the guards that ask each new row of a table of facts; None where they stay.

    On a server only the tables' owner can lift them, and only while nobody else writes to the table.
    """
    if connection.dialect.name == "sqlite":
        return _drop_triggers(connection, table)
    return _disable_triggers(connection, table)


def _drop_triggers(connection: sa.Connection, table: sa.Table) -> LiftedGuards | None:
    query = sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND lower(tbl_name) = :table")
    present = {row.name: row.sql for row in connection.execute(query, {"table": table.name})}
    guards = {guard.name: guard.statements[0] for guard in sqlite.build_guards() if guard.table == table.name}
    if present != guards:
        return None
    lifted = [name for name in guards if name in _list_names(table)]  # in the order in which they are made
    for name in lifted:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    return LiftedGuards(connection, table, [*(guards[name] for name in lifted), _enlarge_cache(connection)])


def _enlarge_cache(connection: sa.Connection) -> str:
    """Enlarge the cache of SQLite; return the statement that restores its size, as a rollback does by itself."""
    former = connection.exec_driver_sql("PRAGMA cache_size").scalar_one()
    restoration = f"PRAGMA cache_size = {former}"
    connection.exec_driver_sql(f"PRAGMA cache_size = {_CACHE}")
    driver_connection: Any = connection.connection.driver_connection

    def restore(_connection: sa.Connection) -> None:
        with suppress(sqlite3.Error):  # why it is rolled back is the error to raise
            driver_connection.execute(restoration)

    sa.event.listen(connection, "rollback", restore)
    return restoration


def _disable_triggers(connection: sa.Connection, table: sa.Table) -> LiftedGuards | None:
    names = _list_names(table)
    rows = connection.execute(_FIND_FUNCTIONS, {"table": table.name, "names": list(names)}).all()
    functions = {function.name: function.body for function in postgresql.build_functions()}
    expected = {
        trigger.name: functions[trigger.function]
        for trigger in postgresql.build_triggers()
        if trigger.name in names
    }
    present = {row.tgname: row.prosrc for row in rows}
    name = rows[0].name if rows else ""
    if present != {trigger: body.replace(postgresql.SCHEMA, name) for trigger, body in expected.items()}:
        return None
    escaped = name.replace("%", "%%")
    change = f"ALTER TABLE {escaped}.{table.name}"
    savepoint = connection.begin_nested()
    try:
        # The lock by which triggers are disabled. Who waited for it would let others wait who write to the table.
        connection.exec_driver_sql(f"LOCK TABLE {escaped}.{table.name} IN SHARE ROW EXCLUSIVE MODE NOWAIT")
        for trigger in names:
            connection.exec_driver_sql(f"{change} DISABLE TRIGGER {trigger}")
    except sa.exc.DBAPIError:  # also where the administrator lets nobody change tables
        savepoint.rollback()
        return None
    savepoint.commit()
    return LiftedGuards(
        connection, table, [f"{change} ENABLE ALWAYS TRIGGER {trigger}" for trigger in names], escaped
    )


def _list_names(table: sa.Table) -> tuple[str, str]:
    return f"{table.name}_insert", f"{table.name}_closed_insert"


@cache
def _build_questions(dialect: str, table: sa.Table) -> tuple[Rule, ...]:
    """Return the questions: the first counts the rows, and finds what is wrong with one; each other compares them."""
    rules = [*(sqlite.list_type_rules(table) if dialect == "sqlite" else ()), *list_batch_rules(table)]
    cases = "".join(f"\n  WHEN {rule.condition} THEN '{rule.sentence}'" for rule in rules)
    totals = (
        f"SELECT count(*) AS total, min(CASE{cases}\n  END) AS problem, {CLOSED} AS is_closed"
        f" FROM [{table.name}] AS NEW WHERE NEW.id >= {'?' if dialect == 'sqlite' else '%s'}"
    )
    comparisons = [
        Rule(f"SELECT EXISTS (SELECT 1 FROM {rule.condition}) AS has_wrong", rule.sentence)
        for rule in list_batch_queries(table)
    ]
    translate = sqlite.translate if dialect == "sqlite" else postgresql.translate
    return tuple(
        rule._replace(condition=translate(rule.condition)) for rule in (Rule(totals, ""), *comparisons)
    )
