"""A provenance document held against the history of the registry: the seal that it quotes."""

from __future__ import annotations

import sqlalchemy as sa

from registry.database.seals import read_seal
from registry.provenance.document import RegistryReference

_OTHER_HISTORY = (
    "the document is of another history (a fork, or a restored copy that was written on), or it was edited"
)


def find_history_problem(connection: sa.Connection, reference: RegistryReference, newest: int) -> str | None:
    """Return why the revision of a document is not in this history, None where it is.

    A document of format 1 quotes no seal: only its number can be compared with the `newest` revision.
    """
    if reference.revision > newest:
        behind = "or this database lags behind"
        return f"the registry knows revisions up to {newest} only: {_OTHER_HISTORY}, {behind}"
    if reference.head is None:
        return None
    seal = read_seal(connection, reference.revision)
    if seal is None:
        return f"the document quotes the seal {reference.head.seal}, and here the revision was never sealed"
    if seal != reference.head.seal:
        return f"the document quotes the seal {reference.head.seal}, here it is {seal}: {_OTHER_HISTORY}"
    return None


def describe_unchecked_history(reference: RegistryReference) -> str:
    """Return the clause about the seal of a document that cannot be held against the registry, if it has one."""
    return (
        "" if reference.head is None else f", and the seal of revision {reference.revision} was not compared"
    )
