"""Tags: names for revisions."""

from __future__ import annotations

from registry.api.backend import Backend
from registry.database.change import Change
from registry.errors import RequestError
from registry.lookup import revisions
from registry.lookup.revisions import AsOf
from registry.records import Outcome, Tag
from registry.registration.tags import add_tag


class Tags:
    """``registry.tags``."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def list(self, *, as_of: AsOf = None) -> list[Tag]:
        """Return the tags, in the order of the revisions that they name."""
        with self._backend.read_transaction(as_of) as view:
            return revisions.list_tags(view.connection, view.revision)

    def add(
        self, name: str, *, as_of: AsOf = None, comment: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Name a revision, by default the newest before this one.

        Raises
        ------
        RequestError
            The name looks like a number or a time, or there is no revision to name.
        ConflictError
            The name is taken: a tag never moves.
        """

        def act(change: Change) -> None:
            number = revisions.find_revision_number(change.connection, as_of, self._backend.timezone)
            if number == 0:
                raise RequestError("there is no revision yet that could be named", tag=name)
            add_tag(change, name, number)

        return self._backend.record_revision(act, comment, dry_run=dry_run)
