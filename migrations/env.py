"""Run the migrations on a connection of ours: `registry.database` hands it over, or it is opened here."""

from __future__ import annotations

from alembic import context

from registry.database.migrations import migration_connection
from registry.schema import metadata


def _run(connection: object) -> None:
    context.configure(connection=connection, target_metadata=metadata, compare_type=True)
    context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:  # a developer at the `alembic` command; the user's way is `calreg database upgrade`
    with migration_connection() as opened:
        _run(opened)
