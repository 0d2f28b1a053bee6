"""Rows that were recorded later than a copy of the same registry: the copy is continued with them alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import sqlalchemy as sa

from registry import schema
from registry.database.guards.installation import disable_guards
from registry.database.seals import read_head, read_newest_link, read_seal
from registry.database.transfer import require_rows, send_rows
from registry.errors import ConflictError
from registry.heads import Head
from registry.parallel import Progress

_Withdrawn = list[tuple[int, int]]


class CopyPoint(NamedTuple):
    """The point up to which a copy has everything: the head, and the number of the newest export."""

    head: Head
    export: int


def read_copy_point(copy: sa.Connection) -> CopyPoint:
    """Return the point up to which a database has everything."""
    link = read_newest_link(copy)
    return CopyPoint(read_head(copy), 0 if link is None else link[0])


def is_recorded_since(table: sa.Table, revision: int, export: int = 0) -> sa.ColumnElement[bool]:
    """Return the condition of the rows that later revisions recorded, and of later exports; of others, of all."""
    condition: sa.ColumnElement[bool] = sa.true()
    if table is schema.revision:
        condition = table.c.number > revision
    elif table is schema.seal:
        condition = table.c.revision > revision
    elif table is schema.export:
        condition = table.c.id > export
    elif table is schema.export_seal:
        condition = table.c.export > export
    elif "export_id" in table.c:
        condition = table.c.export_id > export
    elif "recorded_in" in table.c:
        condition = table.c.recorded_in > revision
    elif "parent" in table.info:
        name, key = table.info["parent"]
        parent = schema.metadata.tables[name]
        condition = table.c[key].in_(sa.select(parent.c.id).where(parent.c.recorded_in > revision))
    return condition


def copy_later_rows(source: sa.Connection, target: sa.Connection, progress: Progress) -> int:
    """Add to a copy what was recorded and withdrawn since, and replace its closures; return the number of new rows.

    Both have the schema of this software. What the copy has already is not read: it must have been compared. Where its
    database does not refuse references to nothing, the caller does.

    Raises
    ------
    ConflictError
        The source has not the history of the copy, or the copy has other rows at the end than it was given.
    """
    point = read_copy_point(target)
    if read_seal(source, point.head.number) != point.head.seal:
        raise ConflictError(f"the database does not contain {point.head}, with which its copy ends")
    tables = {table.name: table for table in schema.metadata.sorted_tables if table is not schema.registry}
    queries = {
        name: sa.select(table).where(is_recorded_since(table, point.head.number, point.export))
        for name, table in tables.items()
    }
    revision = schema.revision.name
    first = {revision: queries.pop(revision)}
    facts = [table for table in tables.values() if table.info.get("fact")]
    with progress("copying what is new", len(tables)) as advance:

        def ignore(_steps: int = 1) -> None:
            """Take no notice of rows: how many there are is not known."""

        with disable_guards(target):
            target.execute(schema.closure.delete())
            sent = send_rows(source, target, first, tables, ignore)
            withdrawn = {table.name: _list_withdrawn(source, table, point.head.number) for table in facts}
            for table in facts:  # before their successors come: two live facts cannot be at one place
                _withdraw(target, table, withdrawn[table.name])
            for name, query in queries.items():
                sent |= send_rows(source, target, {name: query}, tables, ignore)
                advance()
        require_rows(target, sent, first | queries, tables, ignore)
        for table in facts:
            if _list_withdrawn(target, table, point.head.number) != withdrawn[table.name]:
                raise ConflictError(
                    f"the copy keeps other withdrawals of {table.name} than it was given", table=table.name
                )
    return sum(checksum.rows for name, checksum in sent.items() if name != schema.closure.name)


def _list_withdrawn(connection: sa.Connection, table: sa.Table, revision: int) -> _Withdrawn:
    """Return the numbers of the facts that were known at a revision and were withdrawn since, with the revisions."""
    since = sa.and_(table.c.withdrawn_in > revision, table.c.recorded_in <= revision)
    query: sa.Select[Any] = sa.select(table.c.id, table.c.withdrawn_in).where(since).order_by(table.c.id)
    return [(row.id, row.withdrawn_in) for row in connection.execute(query)]


def _withdraw(target: sa.Connection, table: sa.Table, withdrawn: _Withdrawn) -> None:
    if withdrawn:
        query = (
            table.update()
            .where(table.c.id == sa.bindparam("fact"))
            .values(withdrawn_in=sa.bindparam("revision"))
        )
        target.execute(query, [{"fact": number, "revision": revision} for number, revision in withdrawn])


def count_rows(connection: sa.Connection) -> dict[str, int]:
    """Return the numbers of rows, by table."""
    return {
        table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
        for table in schema.metadata.sorted_tables
    }
