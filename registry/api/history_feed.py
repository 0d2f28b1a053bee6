"""The history as a mirror follows it: revisions with the texts of their seals, and the lines of what they recorded."""

from __future__ import annotations

from registry.api.backend import Backend
from registry.errors import RequestError
from registry.heads import LARGEST_NUMBER, Head
from registry.lookup.history_pages import HistoryPage, read_history_page
from registry.lookup.quoted_heads import find_number_of_head
from registry.lookup.revisions import RevisionRef, read_newest_revision, unknown_revision_error


def read_history(backend: Backend, after: Head | int = 0, *, skip: int = 0, limit: int = 100) -> HistoryPage:
    """Return the revisions after one.

    Parameters
    ----------
    after
        A number, after which there may be nothing yet; or a head, which must be part of the history.
    skip
        How many lines of the first revision a former page has.
    limit
        The most revisions; fewer are returned where they are too large for one page.

    Raises
    ------
    RequestError
        The limit is 0.
    ConflictError, NotFoundError
        The head is of another history, or the history does not reach it.
    CorruptionError
        The revision after it has no seal.
    """
    if limit < 1:
        raise RequestError("the limit of a page is a number of at least 1", limit=limit)
    with backend.read_transaction() as view:
        number: int | None
        if isinstance(after, Head):
            number = find_number_of_head(view.connection, after, read_newest_revision(view.connection))
            if number is None:
                raise unknown_revision_error(
                    RevisionRef("head", after), read_newest_revision(view.connection)
                )
        else:
            number = min(after, LARGEST_NUMBER)
        return read_history_page(view.connection, number, skip, limit)
