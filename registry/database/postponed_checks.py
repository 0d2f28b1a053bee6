"""Indexes and references of a PostgreSQL database that is filled: made when all rows are there, not row by row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from registry import schema

_OURS = "relnamespace = quote_ident(current_schema()::text)::regnamespace AND relname = ANY(:tables)"
_REFERENCES = f"""
    SELECT relname, conname, pg_get_constraintdef(pg_constraint.oid) AS definition
    FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid
    WHERE contype = 'f' AND {_OURS} ORDER BY pg_constraint.oid"""
_INDEXES = f"""
    SELECT indexrelid::regclass::text AS name, pg_get_indexdef(indexrelid) AS definition
    FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE {_OURS} AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
    ORDER BY indexrelid"""


@contextmanager
def postpone_checks(connection: sa.Connection) -> Iterator[None]:
    """Drop the indexes and references of the registry's tables, and make them again at the end, which checks all rows.

    All in the transaction of the caller. A key keeps its index. SQLite is left as it is.
    """
    if connection.dialect.name == "sqlite":
        yield
        return
    tables = {"tables": list(schema.metadata.tables)}
    references = connection.execute(sa.text(_REFERENCES), tables).all()
    indexes = connection.execute(sa.text(_INDEXES), tables).all()
    for reference in references:
        _execute(connection, f'ALTER TABLE {reference.relname} DROP CONSTRAINT "{reference.conname}"')
    for index in indexes:
        _execute(connection, f"DROP INDEX {index.name}")
    yield
    for index in indexes:
        _execute(connection, index.definition)
    for reference in references:
        added = f'ADD CONSTRAINT "{reference.conname}" {reference.definition}'
        _execute(connection, f"ALTER TABLE {reference.relname} {added}")


def _execute(connection: sa.Connection, statement: str) -> None:
    connection.exec_driver_sql(statement.replace("%", "%%"))
