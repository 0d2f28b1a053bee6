"""Write revisions of another database into a mirror: their rows with their numbers, their links and their seals.

The guards, which let rows come into the newest revision only, are disabled for that, within the transaction of the
caller, who has compared the rows with the seals, and does so again afterwards. What no guard looks at then holds by the
tables' own constraints, and is looked at here: what is withdrawn, and the latest start, which no seal has.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.closing import MirrorNote, write_place
from registry.database.guards.installation import disable_guards
from registry.database.sealed_lines import Row, list_columns
from registry.database.sealed_tables import RECORDED_TABLES
from registry.database.transfer import insert_rows, translate_value_errors
from registry.errors import CorruptionError
from registry.identifiers import format_count

_CHUNK_SIZE = 2000


@dataclass(slots=True)
class MirroredRows:
    """The rows of revisions that follow each other, by the names of their tables.

    Attributes
    ----------
    rows
        Those of the revisions and of all that they recorded; values in the order of `list_columns`.
    withdrawn
        The numbers of the facts that were withdrawn, with the revision that did.
    links
        Exports with their digests and links.
    seals
        Revisions with their seals, the texts of these, the newest export and who sealed them late.
    parts
        By the name of a part, such as a table, the revisions that have it, and its digests as their seals have them.
    """

    rows: dict[str, list[Row]] = field(default_factory=dict)
    withdrawn: dict[str, dict[int, int]] = field(default_factory=dict)
    links: list[Row] = field(default_factory=list)
    seals: list[Row] = field(default_factory=list)
    parts: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)

    def count_by_table(self) -> dict[str, int]:
        """Return the number of rows by table."""
        counts = {name: len(rows) for name, rows in self.rows.items()}
        counts |= {schema.seal.name: len(self.seals), schema.export_seal.name: len(self.links)}
        return {name: count for name, count in counts.items() if count}


def write_mirrored_rows(connection: sa.Connection, batch: MirroredRows) -> None:
    """Write the rows after those that are there.

    Raises
    ------
    CorruptionError
        They withdraw what is not there or was withdrawn before, or the tables do not permit them.
    RequestError
        The database cannot hold a value.
    """
    tables = {*batch.rows, *batch.withdrawn, schema.seal.name, schema.export_seal.name}
    with _refuse_impossible_rows(), disable_guards(connection, tables):
        revision = schema.revision.name
        _insert(connection, revision, list_columns(revision), batch.rows.get(revision, ()))
        _insert(connection, schema.export_seal.name, ("export", "digest", "link"), batch.links)
        for name, table in RECORDED_TABLES.items():
            rows = batch.rows.get(name, [])
            if table.info.get("fact"):
                _write_facts(connection, table, rows, batch.withdrawn.get(name, {}))
            else:
                _insert(connection, name, list_columns(name), rows)
        columns = ("revision", "digest", "text", "export", "late")
        _insert(connection, schema.seal.name, columns, batch.seals)


def renew_mirror_note(connection: sa.Connection, place: str, note: MirrorNote) -> None:
    """Replace the state of a mirror, and the place that it follows."""
    table = schema.closure
    newest = sa.select(sa.func.max(table.c.number)).where(table.c.opened_at.is_(None)).scalar_subquery()
    with disable_guards(connection, {table.name}):
        connection.execute(
            table.update().where(table.c.number == newest).values(place=write_place(place, None, note))
        )


def _insert(connection: sa.Connection, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    if rows:
        chunks = (rows[start : start + _CHUNK_SIZE] for start in range(0, len(rows), _CHUNK_SIZE))
        with translate_value_errors(connection, table):
            insert_rows(connection, table, columns, chunks)


def _write_facts(
    connection: sa.Connection, table: sa.Table, rows: Sequence[Row], withdrawn: Mapping[int, int]
) -> None:
    """Write facts: those that are withdrawn first, since two live ones cannot be at one place."""
    columns = list_columns(table.name)
    place = columns.index("id")
    new = {row[place] for row in rows}
    _withdraw(connection, table, {number: by for number, by in withdrawn.items() if number not in new})
    complete = [(*row, withdrawn.get(row[place])) for row in rows]
    columns = [*columns, "withdrawn_in"]
    if table is schema.version:
        complete = _add_latest_starts(connection, columns, complete)
        columns = [*columns, "latest_start"]
    _insert(connection, table.name, columns, complete)


def _withdraw(connection: sa.Connection, table: sa.Table, withdrawn: Mapping[int, int]) -> None:
    if not withdrawn:
        return
    query = (
        table.update()
        .where(table.c.id == sa.bindparam("withdrawn_row"), table.c.withdrawn_in.is_(None))
        .values(withdrawn_in=sa.bindparam("withdrawn_by"))
    )
    rows = [{"withdrawn_row": number, "withdrawn_by": revision} for number, revision in withdrawn.items()]
    changed = connection.execute(query, rows).rowcount
    if changed != len(rows):
        raise CorruptionError(
            f"of {table.name}, {format_count(len(rows) - changed, 'row')} of those that are withdrawn are not there, or"
            " were withdrawn before",
            table=table.name,
        )


def _add_latest_starts(connection: sa.Connection, columns: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    """Return versions, in the order of their numbers, with the greatest start of their panel and kind until then."""
    panel, kind, begin = (columns.index(name) for name in ("panel_id", "kind", "valid_from"))
    known: dict[tuple[Any, Any], Any] = {}
    complete: list[Row] = []
    version = schema.version.c
    query = (
        sa.select(version.latest_start)
        .where(version.panel_id == sa.bindparam("panel"), version.kind == sa.bindparam("kind"))
        .order_by(version.recorded_in.desc(), version.latest_start.desc())
        .limit(1)
    )
    is_empty = connection.execute(sa.select(version.id).limit(1)).first() is None
    for row in rows:
        key = row[panel], row[kind]
        if key not in known:
            parameters = {"panel": key[0], "kind": key[1]}
            known[key] = None if is_empty else connection.execute(query, parameters).scalar()
        former = known[key]
        known[key] = row[begin] if former is None else max(former, row[begin])
        complete.append((*row, known[key]))
    return complete


@contextmanager
def _refuse_impossible_rows() -> Iterator[None]:
    try:
        yield
    except sa.exc.IntegrityError as error:
        reason = str(error.orig).strip().split("\n", maxsplit=1)[0]
        raise CorruptionError(f"rows come that a registry cannot have: {reason}") from error
