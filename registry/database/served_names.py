"""Names that start with a prefix, for the shells of those who read a registry through its service."""

from __future__ import annotations

import sqlalchemy as sa

from registry.database.completion_names import CATEGORIES, CompletionName, build_query
from registry.errors import RequestError
from registry.identifiers import quote


def list_served_names(
    connection: sa.Connection, category: str, prefix: str, experiment: str
) -> list[CompletionName]:
    """Return at most `MAX_NAMES` current names with this prefix; see `list_completion_names`."""
    if category not in CATEGORIES:
        raise RequestError(
            f"{quote(category)} is not a category of names; known: {', '.join(CATEGORIES)}",
            known=list(CATEGORIES),
        )
    query = build_query(category, prefix, experiment)
    if query is None:
        return []
    statement, values = query
    used = {name: value for name, value in values.items() if f":{name}" in statement}
    rows = connection.execute(sa.text(statement), used)
    return [CompletionName(str(name), str(description or "")) for name, description in rows]
