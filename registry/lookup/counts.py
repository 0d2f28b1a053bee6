"""The counts of what is recorded, read at the ends of indexes: as quick in a large registry as in a small one."""

from __future__ import annotations

import sqlalchemy as sa

from registry import schema
from registry.database.closing import find_mirror_note
from registry.records import Counts

MAX_FILES_COUNTED = 100_000


def count_records(connection: sa.Connection, revision: int) -> Counts:
    """Return the numbers of facts that are live as of a revision, of files, and of all exports.

    Files are counted up to `MAX_FILES_COUNTED`.
    """
    blob = schema.blob
    some = (
        sa.select(blob.c.size).where(blob.c.recorded_in <= revision).limit(MAX_FILES_COUNTED + 1).subquery()
    )
    files, size = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(some.c.size), 0)).select_from(some)
    ).one()
    is_whole = files <= MAX_FILES_COUNTED
    return Counts(
        panels=_read_last(connection, schema.panel, revision),
        versions=_count_live(connection, schema.version, revision),
        runs=_count_live(connection, schema.run, revision),
        exports=None if find_mirror_note(connection) is not None else _count_exports(connection),
        files=files if is_whole else None,
        file_bytes=int(size) if is_whole else None,
    )


def _count_exports(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.max(schema.export.c.id))).scalar() or 0)


def _read_last(connection: sa.Connection, table: sa.Table, revision: int) -> int:
    """Return the greatest number in a table as of a revision, which is that of its rows: there are no gaps."""
    query = (
        sa.select(table.c.id)
        .where(table.c.recorded_in <= revision)
        .order_by(table.c.recorded_in.desc(), table.c.id.desc())
        .limit(1)
    )
    return int(connection.execute(query).scalar() or 0)


def _count_live(connection: sa.Connection, table: sa.Table, revision: int) -> int:
    # A range, because SQLite does not look up what is not NULL in an index.
    is_withdrawn = table.c.withdrawn_in.between(1, revision)
    withdrawn = sa.select(sa.func.count()).select_from(table).where(is_withdrawn)
    return _read_last(connection, table, revision) - int(connection.execute(withdrawn).scalar_one())
