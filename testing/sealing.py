"""Revisions recorded by raw SQL, and sealed as the registry seals its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from registry import schema
from registry.database.engine import write_transaction
from registry.database.guards.installation import disable_guards
from registry.database.seal_text import SealText, seal_text
from registry.database.seals import read_registry_seal, read_seal
from registry.lookup.sealed_rows import read_facts
from testing.registries import RegistryLocation

_BATCH_SIZE = 10_000


@contextmanager
def record_raw_revision(
    place: sa.Engine | RegistryLocation, **values: Any
) -> Iterator[tuple[sa.Connection, int]]:
    """Open a transaction, and the next revision in it, for rows that are inserted by hand; seal it at the end.

    ``values`` are of the row of the revision.
    """
    engine = place.engine() if isinstance(place, RegistryLocation) else place
    row = {"author": "ana", "host": "beamline", "command": "calreg", "software": "calreg 0"} | values
    with write_transaction(engine) as connection:
        newest = connection.execute(
            sa.select(schema.revision.c.number, schema.revision.c.recorded_at).order_by(
                schema.revision.c.number.desc()
            )
        ).first()
        number = 1 if newest is None else newest.number + 1
        row = {"number": number, "recorded_at": 0 if newest is None else newest.recorded_at} | row
        connection.execute(schema.revision.insert(), row)
        yield connection, number
        seal_newest_revision(connection)
    if engine is not place:
        engine.dispose()


def seal_newest_revision(connection: sa.Connection) -> None:
    """Seal the newest revision, whose rows were inserted by hand."""
    *_, (number, facts) = read_facts(connection, lambda _rows=1: None)
    previous = read_seal(connection, number - 1)
    newest = sa.select(schema.export_seal).order_by(schema.export_seal.c.export.desc()).limit(1)
    export = connection.execute(newest).one_or_none()
    exports = None if export is None else (export.export, export.link)
    text = str(SealText(number, str(previous), facts, exports))
    quoted = None if export is None else export.export
    row = {"revision": number, "digest": seal_text(text), "text": text, "export": quoted}
    connection.execute(schema.seal.insert(), row)


def seal_loaded_revisions(connection: sa.Connection) -> None:
    """Seal all revisions of a registry that was filled behind its guards; nothing was exported from it."""
    previous = read_registry_seal(connection)
    rows: list[dict[str, Any]] = []
    with disable_guards(connection):
        for number, facts in read_facts(connection, lambda _rows=1: None):
            text = str(SealText(number, previous, facts))
            previous = seal_text(text)
            rows.append({"revision": number, "digest": previous, "text": text})
            if len(rows) == _BATCH_SIZE:
                connection.execute(schema.seal.insert(), rows)
                rows = []
        if rows:
            connection.execute(schema.seal.insert(), rows)
