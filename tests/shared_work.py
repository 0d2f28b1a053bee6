"""Work that is done once for all tests of a process: compiling SQL statements, building the command line, migrating."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import groupby
from typing import Any

import sqlalchemy as sa
import typer.testing
from sqlalchemy.util import LRUCache
from typer.main import get_command

from registry.cli.application import LazyCommand
from registry.database import migrations, transfer
from registry.database.forks import SQLiteConnection
from registry.parallel import Progress

Statement = tuple[str, tuple[Any, ...]]
"""What a driver executes: the text, and the parameters if it has any."""

_COUNT_TABLES = {
    "sqlite": "SELECT count(*) FROM sqlite_master",
    "postgresql": "SELECT count(*) FROM pg_class WHERE relnamespace = quote_ident(current_schema())::regnamespace",
}
# Of the tables of the current schema: all that a reflection of them depends on.
_READ_TABLES = {
    "sqlite": "SELECT group_concat(sql, ';') FROM sqlite_master WHERE type = 'table'",
    "postgresql": """
        SELECT string_agg(line, ';' ORDER BY line) FROM (
            SELECT concat_ws(
                ' ', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull
            ) line
            FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
            WHERE relnamespace = quote_ident(current_schema())::regnamespace AND attnum > 0 AND NOT attisdropped
            UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
            FROM pg_constraint WHERE connamespace = quote_ident(current_schema())::regnamespace
        ) lines
    """,
}


class SharedStatements(LRUCache[Any, Any]):
    """Compiled statements by the kind of dialect, which is the same for many engines."""

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(_replace_dialect(key), default)

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(_replace_dialect(key), value)


def _replace_dialect(key: Any) -> Any:
    dialect, *statement = key
    return type(dialect), dialect.statement_compiler, dialect.server_version_info, *statement


def share_statements() -> None:
    """Let every engine that is made from now on use one cache: most tests run the same statements."""
    shared = SharedStatements(3000)
    initialise = sa.Engine.__init__

    def initialise_shared(engine: sa.Engine, *arguments: Any, **options: Any) -> None:
        initialise(engine, *arguments, **options)
        engine._compiled_cache = shared

    sa.Engine.__init__ = initialise_shared  # type: ignore[method-assign]


def share_program() -> None:
    """Build the program and each verb once, when it is first called in this process."""
    typer.testing._get_command = cache(get_command)
    LazyCommand.load = cache(LazyCommand.load)  # type: ignore[method-assign]


def share_migrations() -> None:
    """Run the migrations on the first empty database of a sort; make every other one as that one came out.

    A database that holds tables is always upgraded by the migrations themselves.
    """
    upgrade = migrations._upgrade
    scripts: dict[tuple[Any, ...], list[Statement]] = {}

    def upgrade_shared(connection: sa.Connection, target: str, progress: Progress) -> None:
        dialect = connection.dialect
        sort = dialect.name, dialect.default_schema_name, migrations.migrations_folder(), target
        if connection.exec_driver_sql(_COUNT_TABLES[dialect.name]).scalar_one():
            upgrade(connection, target, progress)
        elif sort in scripts:
            for statement, parameters in scripts[sort]:
                connection.connection.cursor().execute(statement, *parameters)
        elif dialect.name == "sqlite":
            upgrade(connection, target, progress)
            scripts[sort] = list(_dump_sqlite(connection))
        else:
            with _record_changes(connection) as statements:
                upgrade(connection, target, progress)
            scripts[sort] = list(_join_statements(statements))

    migrations._upgrade = upgrade_shared


def _dump_sqlite(connection: sa.Connection) -> Iterator[Statement]:
    """Yield the statements that make a database again; its triggers come after its rows."""
    number = connection.exec_driver_sql("PRAGMA application_id").scalar_one()
    yield f"PRAGMA application_id = {number}", ()
    query = "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
    objects = connection.exec_driver_sql(query).all()
    for kind in ("table", "index", "view", "trigger"):
        yield from ((statement, ()) for sort, _, statement in objects if sort == kind)
        for _, name, _ in [row for row in objects if row[0] == kind == "table"]:
            for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"'):
                yield f'INSERT INTO "{name}" VALUES ({", ".join("?" * len(row))})', (tuple(row),)


def _join_statements(statements: Iterable[tuple[str, Any]]) -> Iterator[Statement]:
    """Yield statements of psycopg, those without parameters together: the server takes them at once."""
    for has_parameters, group in groupby(statements, lambda pair: bool(pair[1])):
        if has_parameters:
            yield from ((statement, (parameters,)) for statement, parameters in group)
        else:
            yield ";\n".join(statement.replace("%%", "%") for statement, _ in group), ()


@contextmanager
def _record_changes(connection: sa.Connection) -> Iterator[list[tuple[str, Any]]]:
    """Record the statements that a connection executes and that do more than read."""
    statements: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA")):
            statements.append((statement, parameters))

    sa.event.listen(connection, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        sa.event.remove(connection, "before_cursor_execute", note)


def share_reflections() -> None:
    """Reflect tables once for all databases that have the same ones: a third of the time of a copy of a few rows."""
    reflect = transfer._reflect_tables
    known: dict[tuple[Any, ...], sa.MetaData] = {}

    def reflect_shared(connection: sa.Connection) -> sa.MetaData:
        dialect = connection.dialect
        tables = connection.exec_driver_sql(_READ_TABLES[dialect.name]).scalar_one()
        sort = dialect.name, dialect.default_schema_name, tables
        if sort not in known:
            known[sort] = reflect(connection)
        return known[sort]

    transfer._reflect_tables = reflect_shared


def forgo_the_disk() -> None:
    """Let no commit on SQLite wait for the disk, five milliseconds each; `test_database` checks that they would."""
    execute = SQLiteConnection.execute

    def execute_soon(connection: SQLiteConnection, statement: str, *parameters: Any) -> sqlite3.Cursor:
        return execute(connection, statement.replace("synchronous = FULL", "synchronous = OFF"), *parameters)

    SQLiteConnection.execute = execute_soon  # type: ignore[method-assign]
