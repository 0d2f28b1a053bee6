"""The names that begin like what is searched for; see `lookup.name_search`."""

from __future__ import annotations

from registry.api.backend import Backend
from registry.lookup.name_search import FoundName
from registry.lookup.name_search import search_names as search_names_of
from registry.lookup.revisions import AsOf


def search_names(backend: Backend, prefix: str, *, as_of: AsOf = None) -> dict[str, list[FoundName]]:
    """Return by category the names that begin with a text as of a revision, a few of each at most."""
    with backend.read_transaction(as_of) as view:
        return search_names_of(view.connection, prefix, view.revision)
