"""A SQLite database, copied page by page as one transaction sees it; writers do not wait for that, nor it for them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.catalogue.differences import find_differences
from registry.database.later_rows import count_rows, is_recorded_since
from registry.database.plain_values import has_plain_values
from registry.database.refusals import translate_database_errors
from registry.database.transfer import read_rows, refuse_dangling
from registry.errors import CorruptionError
from registry.parallel import Progress

_PAGES_AT_ONCE = 4096


def can_copy_pages(connection: sa.Connection) -> bool:
    """Tell whether a database is a SQLite file with the tables and guards of this software, and nothing else."""
    return connection.dialect.name == "sqlite" and not find_differences(connection)


def copy_pages(source: sa.Connection, file: Path, progress: Progress) -> dict[str, int]:
    """Copy all pages into an empty file, without a write-ahead log; return the numbers of rows, by table."""
    pages = source.exec_driver_sql("PRAGMA page_count").scalar_one()
    driver: Any = source.connection.driver_connection
    left = pages
    with progress("copying the database", pages) as advance:

        def count(_status: int, remaining: int, _total: int) -> None:
            nonlocal left
            advance(left - remaining)
            left = remaining

        with (
            translate_database_errors(f"sqlite:///{file}"),
            closing(sqlite3.connect(file, isolation_level=None)) as target,
        ):
            target.execute("PRAGMA synchronous = OFF")  # the file is put on the disk before it gets its name
            driver.backup(target, pages=_PAGES_AT_ONCE, progress=count)
            target.execute("PRAGMA journal_mode = DELETE")
    return count_rows(source)


def check_pages(copy: sa.Connection, origin: str, checked: int | None) -> None:
    """Refuse a copy of damaged pages, of values of other types than their columns, or of references to nothing.

    Parameters
    ----------
    origin
        The database that the pages are of, for the message.
    checked
        The revision up to which the rows have been checked before: of those only the pages are checked. None without.

    Raises
    ------
    CorruptionError
        Something of this is wrong.
    """
    try:
        damage = [text for text in copy.exec_driver_sql("PRAGMA quick_check").scalars() if text != "ok"]
        if damage:
            raise CorruptionError(f"the database {origin} is damaged: {damage[0]}")
        for table in schema.metadata.sorted_tables:
            condition = sa.true() if checked is None else is_recorded_since(table, checked)
            if not has_plain_values(copy, table, _write(copy, condition)):
                for _ in read_rows(copy, sa.select(table), table):
                    pass
        if checked is None:
            refuse_dangling(copy)
    except (sa.exc.DatabaseError, sqlite3.DatabaseError) as error:
        raise CorruptionError(f"the database {origin} is damaged: {getattr(error, 'orig', error)}") from error


def _write(connection: sa.Connection, condition: sa.ColumnElement[bool]) -> str:
    return str(condition.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
