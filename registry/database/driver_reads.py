"""Statements that are executed by the database's driver alone.

For a hundred rows SQLAlchemy needs as long as the database: it makes its own rows of the driver's, and asks for each
execution what it has asked before. Here a statement is compiled once. Who listens to the statements of SQLAlchemy hears
these too, and errors are those that it raises.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from registry.database.driver_connections import DriverConnection
from registry.database.kept_statements import build_statement
from registry.sql import sa


class _Compiled(NamedTuple):
    """The text of a statement, its fixed parameters, how others are written, and their order where that counts."""

    text: str
    fixed: dict[str, Any]
    writers: dict[str, Callable[[Any], Any]]
    order: tuple[str, ...] | None


def read_rows(
    connection: sa.Connection, statement: sa.Select[Any], parameters: Mapping[str, Any]
) -> Sequence[tuple[Any, ...]]:
    """Return all rows, with the values as the driver gives them: SQLite's booleans are numbers.

    The statement is one that is kept and executed again, with other parameters.
    """
    source: Any = connection
    if isinstance(source, DriverConnection):
        kept = source.read_rows(statement, parameters)
        if kept is not None:
            return kept
        connection = source.become_sqlalchemy()
    compiled = _compile(build_statement(statement), connection.dialect)
    named = {**compiled.fixed, **parameters}
    for name, write in compiled.writers.items():
        named[name] = write(named[name])
    values = named if compiled.order is None else [named[name] for name in compiled.order]
    if not connection.in_transaction():
        connection.begin()
    cursor = connection.connection.cursor()
    text = compiled.text
    for listen in connection.dispatch.before_cursor_execute:
        listen(connection, cursor, text, values, None, False)
    try:
        cursor.execute(text, values)
        rows = cursor.fetchall()
    except connection.dialect.loaded_dbapi.Error as error:
        # Also lets no connection be used again that is lost.
        connection._handle_dbapi_exception(error, text, values, cursor, None)  # noqa: SLF001 - it has no other name
    finally:
        cursor.close()
    return rows


@lru_cache(maxsize=64)
def _compile(statement: sa.Select[Any], dialect: sa.Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    processors = {
        name: parameter.type.dialect_impl(dialect).bind_processor(dialect)
        for name, parameter in compiled.binds.items()
    }
    return _Compiled(
        str(compiled),
        {name: value for name, value in compiled.params.items() if value is not None},
        {name: write for name, write in processors.items() if write is not None},
        None if compiled.positiontup is None else tuple(compiled.positiontup),
    )
