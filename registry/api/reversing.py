"""The request of an open registry that undoes a revision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.api.administration import Administration
from registry.errors import RequestError
from registry.lookup.revisions import find_revision_number, parse_as_of, require_comment
from registry.records import Outcome

if TYPE_CHECKING:
    from registry.database.change import Change


class Reversing(Administration):
    """The request of an open registry that undoes a revision."""

    def revert(self, revision: int | str, *, comment: str, dry_run: bool = False) -> Outcome:
        """Undo a revision by another one, which withdraws what it recorded and states again what it withdrew.

        The notes of the outcome tell what is valid from now on. Registered panels and stored files stay.

        Parameters
        ----------
        revision
            Its number, or ``NUMBER:SEAL``.

        Raises
        ------
        NotFoundError
            There is no such revision.
        RequestError
            Nothing in it can be undone: it made the registry, or recorded panels, tags or patterns alone.
        ConflictError
            Later revisions changed what it did, which is listed, or undid it.
        """
        from registry.registration.reversal import revert_revision

        require_comment(comment, "undoing a revision")
        if parse_as_of(revision, self._backend.find_timezone).by not in ("number", "head"):
            raise RequestError(f"a revision is undone by its number, or NUMBER:SEAL, not by {revision!r}")

        def record(change: Change) -> None:
            revert_revision(change, find_revision_number(change.connection, revision))

        return self._backend.record_revision(record, comment, dry_run=dry_run)
