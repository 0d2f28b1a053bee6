"""The database of a mirror: made with the first revisions, then continued, in one transaction each time."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from registry import instants, schema
from registry.api.mirror_chain import Link, SealChain
from registry.authorship import build_signature
from registry.database.closing import Closure, MirrorNote, find_closure, find_mirror_note, record_closure
from registry.database.creation import populate_database
from registry.database.engine import open_engine, read_transaction
from registry.database.histories import RecordedHistory
from registry.database.migrations import read_schema_revision
from registry.database.mirrored_rows import MirroredRows, renew_mirror_note, write_mirrored_rows
from registry.database.sealed_lines import Row, parse_registry
from registry.database.seals import read_head, read_newest_link, read_owner, read_registry_seal
from registry.database.store_heads import foreign_head_error
from registry.database.transactions import Database
from registry.database.transfer import refuse_dangling
from registry.errors import ConflictError, SchemaError
from registry.heads import Head, HeadFile, StoreHead
from registry.lookup.history_pages import find_source
from registry.lookup.sealed_rows import SealedRows
from registry.settings import mask_database_url, sqlite_file
from registry.storage import Place


class OvertakenError(Exception):
    """Another process has continued the mirror meanwhile: what was read is to be read anew from there."""


@dataclass(frozen=True, slots=True)
class MirrorPoint:
    """The point up to which a mirror follows.

    Attributes
    ----------
    origin
        Seal 0.
    place
        The registry that it followed last.
    """

    origin: str
    head: Head
    link: Link | None
    place: str
    note: MirrorNote

    def make_chain(self) -> SealChain:
        """Return the chain of seals that goes on here."""
        return SealChain(self.origin, self.head, self.link)


def open_mirror(url: str) -> Database | None:
    """Open the database of a mirror; None where there is nothing yet.

    Raises
    ------
    SchemaError
        Its schema is not the one of this software.
    """
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return None
    try:
        return Database(url)
    except SchemaError:
        with open_engine(url) as engine, read_transaction(engine) as connection:
            if read_schema_revision(connection) is None or read_owner(connection) is None:
                return None
        raise


def read_point(database: Database) -> MirrorPoint:
    """Return the point up to which a mirror follows; raise `ConflictError` where it is none."""
    with database.read_transaction() as connection:
        return _read_point(connection, mask_database_url(database.url))


def _read_point(connection: sa.Connection, url: str) -> MirrorPoint:
    closure, note = find_closure(connection), find_mirror_note(connection)
    if closure is None or note is None:
        raise _not_a_mirror_error(url, read_owner(connection), closure)
    return MirrorPoint(
        read_registry_seal(connection),
        read_head(connection),
        read_newest_link(connection),
        closure.place,
        note,
    )


def _not_a_mirror_error(url: str, owner: str | None, closure: Closure | None) -> ConflictError:
    what = "which is not a mirror" if closure is None else f"and {closure}"
    return ConflictError(
        f"the database {url} holds registry {owner} already, {what}: a mirror needs a database of its own",
        database=owner,
    )


def begin_mirror(
    url: str, registry: str, registry_id: str, place: str, note: MirrorNote, batch: MirroredRows
) -> None:
    """Make the database of a mirror, with the first revisions of the registry that it follows.

    Parameters
    ----------
    registry
        The text that seal 0 is the digest of.
    """
    first_id, created_at = parse_registry(registry)
    with populate_database(url, registry_id) as connection:
        if read_owner(connection) is not None:
            raise ConflictError(f"the database {mask_database_url(url)} holds a copy that is not finished")
        connection.execute(schema.registry.insert(), {"id": first_id, "created_at": created_at})
        _write(connection, batch)
        refuse_dangling(connection)
        record_closure(connection, "mirror", place, instants.now(), build_signature(), note=note)


def continue_mirror(
    database: Database, point: MirrorPoint, place: str, note: MirrorNote, batch: MirroredRows
) -> None:
    """Add revisions to a mirror, after the point at which it was; without any only its state is renewed.

    Raises
    ------
    OvertakenError
        It is at another point by now.
    """
    with database.mirror_transaction() as connection:
        present = _read_point(connection, mask_database_url(database.url))
        if present.head != point.head:
            raise OvertakenError
        _write(connection, batch)
        renew_mirror_note(connection, place, note)


def _write(connection: sa.Connection, batch: MirroredRows) -> None:
    """Write rows, and compute their seals from what the database has kept."""
    if not batch.seals:
        return
    write_mirrored_rows(connection, batch)
    numbers = batch.seals[0][0], batch.seals[-1][0]
    rows, wrong = SealedRows(connection, lambda _steps=1: None), []
    for name, parts in batch.parts.items():
        count = sum(int(digest.partition(" ")[0]) for _, _, digest in parts)
        source = find_source(connection, name, numbers, count)
        if list(rows.digest_parts(source)) != parts:
            wrong.append(name)
    if _read_seals(connection, numbers) != batch.seals:
        wrong.append(schema.seal.name)
    if wrong:
        raise ConflictError(
            f"the mirror keeps other rows of {', '.join(wrong)} than came: a trigger, a rule or a policy of somebody"
            " else's may change them",
            tables=wrong,
        )


def _read_seals(connection: sa.Connection, numbers: tuple[int, int]) -> list[Row]:
    seal = schema.seal.c
    query = sa.select(seal.revision, seal.digest, seal.text, seal.export, seal.late)
    query = query.where(seal.revision.between(*numbers)).order_by(seal.revision)
    return [tuple(row) for row in connection.execute(query)]


def refuse_other_store(database: Database, heads: HeadFile) -> None:
    """Refuse a store whose head is of another history than the mirror beside it; a later head of its own is not."""
    state = heads.read()
    if state is None:
        return
    with database.read_transaction() as connection:
        history, committed = RecordedHistory(connection), state.committed
        if committed.number <= history.newest_head.number and not history.contains(committed):
            raise foreign_head_error(committed, history.newest_head)


def advance_store_head(database: Database, store: Place) -> None:
    """Let the head of the store follow the mirror, unless it is ahead: the store may be that of the registry itself."""
    heads = HeadFile(store)
    with database.read_transaction() as connection, heads.lock():
        history, state = RecordedHistory(connection), heads.read()
        known = (
            [] if state is None else [head for head in (state.committed, state.coming) if head is not None]
        )
        head = history.newest_head
        if all(history.contains(one) for one in known) and (state is None or state != StoreHead(head)):
            heads.write(StoreHead(head))
