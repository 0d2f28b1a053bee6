"""The guards of an existing database, replaced where they are not those of this software."""

from __future__ import annotations

import sqlalchemy as sa

from registry.database.catalogue.differences import find_guard_differences
from registry.database.roles import refuse_other_role


def mend_guards(connection: sa.Connection) -> list[str]:
    """Replace the guards where they differ; return a sentence for each difference that there was."""
    # Rarely needed: not loaded at start-up.
    from registry.database.guards.installation import replace_guards

    differences = find_guard_differences(connection)
    if differences:
        if connection.dialect.name == "postgresql":
            refuse_other_role(connection, "replace its guards")
        replace_guards(connection)
    return differences
