"""Tags: names of revisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.api.backend import Noun
from registry.errors import RequestError
from registry.lookup.revisions import AsOf, find_revision_number
from registry.lookup.tags import list_tags
from registry.records import Outcome, Tag
from registry.records.record_lists import RecordList

if TYPE_CHECKING:
    from registry.database.change import Change


class Tags(Noun):
    """``registry.tags``: name revisions."""

    def list(self, *, as_of: AsOf = None) -> RecordList[Tag]:
        """Return the tags in the order of the revisions that they name."""
        with self._backend.read_transaction(as_of) as view:
            return RecordList(Tag, list_tags(view.connection, view.revision))

    def add(
        self, name: str, *, as_of: AsOf = None, comment: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Name a revision, by default the newest one; no change where the same person has done just that.

        Raises
        ------
        RequestError
            The name looks like a number or a time, or nothing is recorded yet.
        ConflictError
            The name is taken: a tag never moves.
        """
        from registry.registration.tags import add_tag

        def record(change: Change) -> None:
            reference = self._backend.read_as_of(as_of, change.connection)
            number = find_revision_number(change.connection, reference)
            if number == 0:
                known = f"at {reference.value}" if reference.by == "instant" else "yet"
                raise RequestError(f"nothing is recorded {known}: no revision can be named", tag=name)
            add_tag(change, name, number, is_newest=as_of is None)

        return self._backend.record_revision(record, comment, dry_run=dry_run)
