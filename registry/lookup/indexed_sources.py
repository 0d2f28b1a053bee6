"""The rows of some revisions in tables without an index of revisions: found by the numbers of the constants.

The writer numbers constants in the order of their revisions, and records a file with the first constants that have it.
Whether all rows were found so is for the caller to check: what somebody put there by hand may be otherwise.
"""

from __future__ import annotations

import sqlalchemy as sa

from registry import schema
from registry.lookup.sealed_sources import Source

UNINDEXED = frozenset({"blob", "constants", "constants_file"})


def narrow(source: Source, ids: tuple[int, int]) -> Source:
    """Return the source with a condition by which an index finds its rows: the numbers of their constants."""
    part = schema.constants_file.c
    if source.table is schema.constants:
        condition: sa.ColumnElement[bool] = schema.constants.c.id.between(*ids)
    elif source.table is schema.constants_file:
        condition = part.constants_id.between(*ids)
    else:
        files = sa.select(part.sha256).where(part.constants_id.between(*ids))
        condition = schema.blob.c.sha256.in_(files)
    return source._replace(query=source.query.where(condition))


def find_constants(connection: sa.Connection, numbers: tuple[int, int]) -> tuple[int, int]:
    """Return the first and the last number of the constants that the first to the last of some revisions recorded."""
    newest = connection.execute(sa.select(sa.func.max(schema.constants.c.id))).scalar() or 0
    first, last = numbers
    return _find_first(connection, first, newest), _find_first(connection, last + 1, newest) - 1


def _find_first(connection: sa.Connection, revision: int, newest: int) -> int:
    """Return the number of the first constants that were recorded in a revision or later."""
    constants = schema.constants.c
    low, high = 1, newest + 1
    query = sa.select(constants.recorded_in).where(constants.id == sa.bindparam("number"))
    while low < high:
        middle = (low + high) // 2
        recorded_in = connection.execute(query, {"number": middle}).scalar()
        if recorded_in is not None and recorded_in < revision:
            low = middle + 1
        else:
            high = middle
    return low
