"""Work that is done once for all tests of a process: compiling SQL statements, building the command line, migrating."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import sqlalchemy as sa
import typer.testing
from sqlalchemy.util import LRUCache
from typer.main import get_command

from registry.cli.application import LazyCommand
from registry.database import migrations
from registry.parallel import Progress

_COUNT_TABLES = {
    "sqlite": "SELECT count(*) FROM sqlite_master",
    "postgresql": "SELECT count(*) FROM pg_class WHERE relnamespace = quote_ident(current_schema())::regnamespace",
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
    """Run the migrations on the first empty database of a sort; execute the same statements on every other one.

    A database that holds tables is always upgraded by the migrations themselves.
    """
    upgrade = migrations._upgrade
    recorded: dict[tuple[Any, ...], list[tuple[str, Any]]] = {}

    def upgrade_shared(connection: sa.Connection, target: str, progress: Progress) -> None:
        dialect = connection.dialect
        sort = dialect.name, dialect.default_schema_name, migrations.migrations_folder(), target
        if connection.exec_driver_sql(_COUNT_TABLES[dialect.name]).scalar_one():
            upgrade(connection, target, progress)
        elif sort in recorded:
            for statement, parameters in recorded[sort]:
                connection.exec_driver_sql(statement, parameters)
        else:
            with _record_changes(connection) as statements:
                upgrade(connection, target, progress)
            recorded[sort] = statements

    migrations._upgrade = upgrade_shared


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
