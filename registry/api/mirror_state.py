"""The distance of a mirror from the registry that it follows: asked now, else as it was when it followed last."""

from __future__ import annotations

import sqlalchemy as sa

from registry.database.closing import find_closure, find_mirror_note
from registry.database.seals import read_head, read_seal
from registry.errors import RegistryError, UnavailableError
from registry.heads import Head
from registry.instants import Instant
from registry.records import MirrorState
from registry.secrets import drop_masked_passwords


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
    """Return the newest head; a password, which is not recorded, is for the driver to find.

    Raises
    ------
    RegistryError
        It cannot be asked.
    """
    from registry.api.upstreams import open_upstream

    url = drop_masked_passwords(place)
    if url is None:
        raise UnavailableError(
            "it cannot be asked, because its URL has a password that is not recorded: only"
            " the command that follows it is given that"
        )
    try:
        with open_upstream(url, attempts=1) as upstream:
            return upstream.head
    except RegistryError as error:
        if url != place:
            error.message += "; its password is not recorded: PGPASSWORD or the file PGPASSFILE may have it"
        raise
