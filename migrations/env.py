"""Run the migrations on the connection that `registry.database` passes, or on one that is opened here."""

from __future__ import annotations

from typing import Any

from alembic import context

from registry.database.migrations import migration_connection
from registry.schema import metadata


def _run(connection: Any) -> None:
    # Where the search path names several schemas, that of another registry is in a later one.
    own = connection.dialect.default_schema_name if connection.dialect.name == "postgresql" else None
    context.configure(
        connection=connection, target_metadata=metadata, compare_type=True, version_table_schema=own
    )
    context.run_migrations()


connection = context.config.attributes.get("connection")
if connection is not None:
    _run(connection)
else:  # for the `alembic` command of a developer; users run `calreg database upgrade`
    with migration_connection() as opened:
        _run(opened)
