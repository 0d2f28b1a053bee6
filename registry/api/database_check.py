"""The comparison of a database that cannot be opened as a registry, because a part of it is missing."""

from __future__ import annotations

from registry.database.catalogue.differences import find_differences
from registry.database.engine import open_engine, read_transaction


def check_database(url: str, *, thorough: bool = False) -> list[str]:
    """Return the differences between the database's schema and this software's, one sentence for each."""
    with open_engine(url) as engine, read_transaction(engine) as connection:
        return find_differences(connection, thorough=thorough)
