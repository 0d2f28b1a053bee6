"""The views of a database, made anew; the migrations keep a copy of their text."""

from __future__ import annotations

import sqlalchemy as sa

from registry.schema.views import APPLICATION_ID, build_views

_KIND_ON_POSTGRESQL = """
    SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END
    FROM pg_class WHERE relnamespace = quote_ident(current_schema()::text)::regnamespace AND relname = :name"""
_KIND_ON_SQLITE = "SELECT type FROM sqlite_master WHERE name = :name"


def replace_views(connection: sa.Connection) -> None:
    """Drop the views and make them anew, and let a SQLite file say what it is; a table in place of one stays."""
    dialect = connection.dialect.name
    for name, text in build_views(dialect).items():
        query = _KIND_ON_SQLITE if dialect == "sqlite" else _KIND_ON_POSTGRESQL
        kind = connection.execute(sa.text(query), {"name": name}).scalar_one_or_none()
        if kind == "table":
            continue
        if kind is not None:
            connection.exec_driver_sql(f"DROP {kind} {name}")
        statement = f"CREATE VIEW {name} AS\n{text}"
        connection.exec_driver_sql(statement.replace("%", "%%") if dialect == "postgresql" else statement)
    if dialect == "sqlite":
        connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
