"""The registry and the store that a provenance document is held against: those of its service, where it has one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from registry.api.backend import Backend, open_backend
from registry.api.document_history import is_of_ancestor
from registry.api.document_questions import refuse_other_document
from registry.api.pins import choose_pin
from registry.errors import ConflictError, UnavailableError
from registry.identifiers import quote
from registry.provenance import Document
from registry.settings import Settings, find_service_url, find_settings
from registry.store import ContentStore


@contextmanager
def open_document_registry(
    document: Document, database: str | None, store: str | Path | None
) -> Iterator[Backend]:
    """Open the registry, or its service; it must be the document's."""
    url = find_service_url(database)
    if url is None:
        backend = open_backend(find_settings(database, store), None, pin=choose_pin(None))
    else:
        from registry.api.remote.registry import open_remote_backend

        backend = open_remote_backend(url, pin=choose_pin(None))
    try:
        if document.registry.id != backend.database.registry_id:
            backend.answer(refuse_other_document, document.registry.id, document.registry.revision)
        yield backend
    finally:
        backend.database.close()


@contextmanager
def open_document_store(
    document: Document, database: str | None, store: str | Path | None
) -> Iterator[ContentStore]:
    """Open the store of the document's registry: that of its service, where it has one.

    Raises
    ------
    ConflictError
        It is of another registry.
    UnavailableError
        It does not exist, or the service does not answer.
    """
    if find_service_url(database) is None:
        yield _find_store(document, find_settings(database, store))
    else:
        with open_document_registry(document, database, store) as backend:
            yield backend.store


def _find_store(document: Document, settings: Settings) -> ContentStore:
    """Return the store; refuse one that does not exist, or is not of the document's registry or a fork of it."""
    store = ContentStore(settings.store)
    owner = store.read_owner()
    if owner is None:
        raise UnavailableError(
            f"the store {store.place!r}, which should hold the document's inputs, does not exist",
            path=store.place,
        )
    if owner != document.registry.id and not is_of_ancestor(document, settings, owner):
        raise ConflictError(
            f"the document is of registry {quote(document.registry.id)}, the store {store.place!r} of registry {owner}",
            store=owner,
            document=document.registry.id,
        )
    return store
