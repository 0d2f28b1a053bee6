"""The guards and views of an existing database, replaced where they are not those of this software."""

from __future__ import annotations

import sqlalchemy as sa

from registry.database.catalogue.differences import find_guard_differences, find_view_differences
from registry.database.roles import refuse_other_role


def mend_guards(connection: sa.Connection) -> list[str]:
    """Replace the guards, or the views, where they differ; return a sentence for each difference that there was."""
    # Rarely needed: not loaded at start-up.
    from registry.database.guards.installation import replace_guards
    from registry.database.views import replace_views

    guards, views = find_guard_differences(connection), find_view_differences(connection)
    if (guards or views) and connection.dialect.name == "postgresql":
        refuse_other_role(connection, "replace its guards and views")
    if guards:
        replace_guards(connection)
    if views:
        replace_views(connection)
    return [*guards, *views]
