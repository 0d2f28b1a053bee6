"""The history as a mirror follows it: revisions with the texts of their seals, and the lines of what they recorded."""

from __future__ import annotations

from registry.api.backend import Backend
from registry.api.serving import refuse_later_heads
from registry.errors import RequestError
from registry.heads import LARGEST_NUMBER, Head
from registry.lookup.history_pages import HistoryPage, read_history_page
from registry.lookup.revisions import read_newest_revision


def read_history(
    backend: Backend, after: Head | int = 0, *, skip: int = 0, limit: int = 100, as_of: Head | None = None
) -> HistoryPage:
    """Return the revisions after one, as of a head those up to it.

    Parameters
    ----------
    after
        A number, after which there may be nothing yet; or a head, which must be part of the history.
    skip
        How many lines of the first revision a former page has.
    limit
        The most revisions; fewer are returned where they are too large for one page.
    as_of
        Where the history ends; so a page is the same for good, whatever is recorded later, or restored.

    Raises
    ------
    RequestError
        The limit is 0.
    BehindError
        A head is newer than this database.
    ConflictError
        A head is of another history.
    CorruptionError
        The revision after it has no seal.
    """
    if limit < 1:
        raise RequestError("the limit of a page is a number of at least 1", limit=limit)
    with backend.read_transaction() as view:
        connection = view.connection
        refuse_later_heads(connection, [head for head in (after, as_of) if isinstance(head, Head)])
        begin = after.number if isinstance(after, Head) else min(after, LARGEST_NUMBER)
        last = read_newest_revision(connection) if as_of is None else as_of.number
        return read_history_page(connection, begin, last, skip=skip, limit=limit)
