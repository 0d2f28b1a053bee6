"""A provenance document held against the history of the registry: the seal that it quotes."""

from __future__ import annotations

from contextlib import closing

import sqlalchemy as sa

from registry.database.seals import read_seal
from registry.errors import ConflictError, RegistryError
from registry.identifiers import quote
from registry.lookup.lineage import is_own_revision
from registry.provenance.document import Document, RegistryReference
from registry.settings import Settings

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


def refuse_other_registry(connection: sa.Connection, reference: RegistryReference, registry_id: str) -> None:
    """Refuse the document of another registry, unless its revision is of the history that a fork has in common."""
    if not is_own_revision(connection, reference.id, reference.revision):
        raise ConflictError(
            f"the document is of registry {quote(reference.id)}, the one that was opened is {registry_id}"
        )


def describe_ancestor(reference: RegistryReference, registry_id: str) -> list[str]:
    """Return a sentence about a document of the registry of which this one is a fork."""
    if reference.id == registry_id:
        return []
    fork = f"this registry {registry_id} is a fork of it"
    common = f"has the history until revision {reference.revision} in common with it"
    return [f"the document is of registry {quote(reference.id)}; {fork}, and {common}"]


def is_of_ancestor(document: Document, settings: Settings, owner: str) -> bool:
    """Tell whether the store's registry is a fork of the document's, made after its revision; its database knows."""
    from registry.database.transactions import Database  # a replay needs no database otherwise

    try:
        with (
            closing(Database(settings.database)) as database,
            database.read_transaction() as connection,
        ):
            reference = document.registry
            return database.registry_id == owner and is_own_revision(
                connection, reference.id, reference.revision
            )
    except RegistryError:
        return False
