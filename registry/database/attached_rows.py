"""Rows that SQLite takes from one of its databases into another by itself: they do not pass through Python.

The indexes of the target are made at the end, from the rows that have arrived: sorting once is quicker than finding a
place for each, and an index that contradicts its table in the source is not carried on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from registry.database.plain_values import has_plain_values
from registry.parallel import Advance

_SOURCE = "copied"  # the name of the attached database
_CACHE_KIB = 65_536  # to sort with, while indexes are made


def can_attach(source: sa.Connection, target: sa.Connection) -> bool:
    """Tell whether both are SQLite, and no trigger of somebody else's would change the rows on their way."""
    if {source.dialect.name, target.dialect.name} != {"sqlite"}:
        return False
    return target.exec_driver_sql("SELECT 1 FROM sqlite_master WHERE type = 'trigger'").first() is None


def copy_attached_rows(
    source: sa.Connection,
    target: sa.Connection,
    queries: Mapping[str, sa.Select[Any]],
    tables: Mapping[str, sa.Table],
    counts: Mapping[str, int],
    advance: Advance,
) -> bool:
    """Copy rows into empty tables without guards; return whether they are those that the source's transaction sees.

    They are not where somebody has written since that began, or where values are of other types than their columns.
    """
    target.exec_driver_sql(f"ATTACH ? AS {_SOURCE}", (source.get_execution_options()["uri"],))
    with _rebuild_indexes(target, counts, advance):
        for name, query in queries.items():
            columns = ", ".join(query.selected_columns.keys())
            inserted = target.exec_driver_sql(
                f"INSERT INTO main.{name} ({columns}) {_compile(target, query)}"
            )
            if inserted.rowcount != counts[name]:
                return False
            advance(counts[name])
    return all(has_plain_values(target, tables[name]) for name in queries)


def _compile(target: sa.Connection, query: sa.Select[Any]) -> str:
    """Return the text of a query of the attached database."""
    compiled = query.compile(
        dialect=target.dialect,
        schema_translate_map={None: _SOURCE},
        compile_kwargs={"literal_binds": True},
        render_schema_translate=True,
    )
    return str(compiled)


@contextmanager
def _rebuild_indexes(target: sa.Connection, counts: Mapping[str, int], advance: Advance) -> Iterator[None]:
    """Drop the indexes, and make them again at the end."""
    query = "SELECT name, tbl_name, sql FROM main.sqlite_master WHERE type = 'index' AND sql IS NOT NULL ORDER BY rowid"
    indexes = [row for row in target.exec_driver_sql(query).all() if row.tbl_name in counts]
    for index in indexes:
        target.exec_driver_sql(f'DROP INDEX main."{index.name}"')
    yield
    cache = target.exec_driver_sql("PRAGMA main.cache_size").scalar_one()
    target.exec_driver_sql(f"PRAGMA main.cache_size = -{_CACHE_KIB}")
    for index in indexes:
        target.exec_driver_sql(index.sql)
    target.exec_driver_sql(f"PRAGMA main.cache_size = {cache}")
    advance(sum(counts.values()))
