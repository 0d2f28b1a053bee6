"""The distance of a mirror from the registry that it follows: asked now, else as it was when it followed last."""

from __future__ import annotations

import sqlalchemy as sa

from registry.database.closing import find_closure, find_mirror_note
from registry.database.seals import read_head, read_seal
from registry.errors import RegistryError
from registry.heads import Head
from registry.instants import Instant
from registry.records import MirrorState


def find_mirror_state(connection: sa.Connection) -> MirrorState | None:
    """Return what a mirror follows, and how far it is behind as far as is known; None of any other database."""
    closure, note = find_closure(connection), find_mirror_note(connection)
    if closure is None or note is None:
        return None
    problem = None
    newest = Head(note.revision, note.seal)
    try:
        newest = _ask_newest(closure.place)
    except RegistryError as error:
        problem = str(error)
    own = read_head(connection)
    if newest.number <= own.number and read_seal(connection, newest.number) != newest.seal:
        problem = f"it has another history: its revision {newest.number} has the seal {newest.seal}"
    return MirrorState(
        upstream=closure.place,
        followed_at=Instant(note.followed_at),
        upstream_revision=newest.number,
        behind=max(0, newest.number - own.number),
        with_files=not note.without_files,
        problem=problem,
    )


def _ask_newest(place: str) -> Head:
    from registry.api.upstreams import open_upstream

    with open_upstream(place, attempts=1) as upstream:
        return upstream.head
