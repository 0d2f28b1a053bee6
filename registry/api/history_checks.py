"""The history of a restored registry: every seal, and the head that the backup quotes."""

from __future__ import annotations

import sqlalchemy as sa

from registry.database.seals import find_head
from registry.errors import CorruptionError
from registry.heads import Head
from registry.lookup.broken_seals import find_broken_seals
from registry.lookup.revisions import read_newest_revision
from registry.parallel import Progress

_MAX_PROBLEMS = 20


def check_history(connection: sa.Connection, revision: int, seal: str | None, progress: Progress) -> Head:
    """Compute every seal anew and return the head; refuse one that is not what was quoted.

    Backups from before there were seals quote none: then only the number of the newest revision is compared.
    """
    broken = find_broken_seals(connection, progress)[:_MAX_PROBLEMS]
    if broken:
        raise CorruptionError.combine(
            "parts of the history are not as they were sealed",
            [problem.problem for problem in broken],
            revision=broken[0].revision,
        )
    head = find_head(connection, read_newest_revision(connection))
    if (head.number, head.seal) != (revision, seal or head.seal):
        quoted = f"revision {revision}" if seal is None else Head(revision, seal)
        raise CorruptionError(
            f"the backup's description quotes {quoted}, the newest revision of its database is {head}",
            revision=head.number,
            seal=head.seal,
            quoted=str(quoted),
        )
    return head
