"""The counts of what is recorded, read at the ends of indexes: as quick in a large registry as in a small one."""

from __future__ import annotations

import sqlalchemy as sa

from registry import schema
from registry.records import Counts

MAX_FILES_COUNTED = 100_000


def count_records(connection: sa.Connection) -> Counts:
    """Return the numbers of live facts, of exports and of files; files only up to `MAX_FILES_COUNTED`."""
    blob = schema.blob
    some = sa.select(blob.c.size).limit(MAX_FILES_COUNTED + 1).subquery()
    files, size = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(some.c.size), 0)).select_from(some)
    ).one()
    is_whole = files <= MAX_FILES_COUNTED
    return Counts(
        panels=_read_last(connection, schema.panel),
        versions=_count_live(connection, schema.version),
        runs=_count_live(connection, schema.run),
        exports=_read_last(connection, schema.export),
        files=files if is_whole else None,
        file_bytes=int(size) if is_whole else None,
    )


def _read_last(connection: sa.Connection, table: sa.Table) -> int:
    """Return the greatest number of a table, which is that of its rows: they are numbered without gaps."""
    return int(connection.execute(sa.select(sa.func.max(table.c.id))).scalar() or 0)


def _count_live(connection: sa.Connection, table: sa.Table) -> int:
    # A range, because SQLite does not look up what is not NULL in an index.
    withdrawn = sa.select(sa.func.count()).select_from(table).where(table.c.withdrawn_in > 0)
    return _read_last(connection, table) - int(connection.execute(withdrawn).scalar_one())
