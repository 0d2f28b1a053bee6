"""The question of a shell that completes a word; see `questions`."""

from __future__ import annotations

from msgspec import Struct

from registry.api.backend import Backend
from registry.database.served_names import list_served_names
from registry.errors import RequestError
from registry.lookup.revisions import AsOfRef


class OfferedName(Struct, frozen=True):
    """A name, and a description of a word or two."""

    text: str
    description: str


def list_names(
    backend: Backend, category: str, *, prefix: str = "", experiment: str = "", as_of: AsOfRef = None
) -> list[OfferedName]:
    """Return names of a category that start with a prefix, a few at most, as they are now."""
    if as_of is not None:
        raise RequestError("the names that a shell offers are those of now, not of a revision")
    with backend.database.autocommit_read() as connection:
        names = list_served_names(connection, category, prefix, experiment)
    return [OfferedName(name.text, name.description) for name in names]
