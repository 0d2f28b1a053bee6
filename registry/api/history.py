"""The log of an open registry, and the changes of its revisions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from registry.api.administration import Administration
from registry.api.backend import InstantLike
from registry.lookup.revisions import AsOf
from registry.records import Revision
from registry.records.record_lists import RecordIterator, RecordList


class History(Administration):
    """The requests of an open registry for its revisions."""

    def log(
        self,
        target: str | None = None,
        *,
        panels: Sequence[str] = (),
        experiment: str | None = None,
        author: str | None = None,
        since: InstantLike | None = None,
        until: InstantLike | None = None,
        after: AsOf = None,
        as_of: AsOf = None,
        before: int | None = None,
        limit: int | None = None,
        max_changes: int | None = None,
    ) -> RecordList[Revision]:
        """Return the revisions, newest first: those that meet every condition, of each the changes that are asked for.

        Parameters
        ----------
        target, panels
            Only changes of panels that have one of these names: a panel Id, an M-number, a detector or a dataset;
            among `panels` also patterns such as ``M0*``.
        experiment
            Only changes of runs and configurations of this experiment.
        author
            Only revisions that this user recorded. Authors are not indexed: all revisions down to the last one that is
            returned are looked at.
        since, until
            Only revisions that were recorded in this time, both ends included.
        after
            Only revisions after this one: with `as_of`, what came after one up to another.
        before
            Begin with the newest revision below this number; with the last number of a list the next one begins.
        limit
            Return at most so many. The cost does not grow with the number of the others.
        max_changes
            Return at most so many lines of a revision; ``change_count`` says how many it has.

        Raises
        ------
        RequestError
            `after` is later than `as_of`, or `since` than `until`.
        NotFoundError
            A name, the experiment or a revision is not known.
        """
        return RecordList(
            Revision,
            self.iterate_log(
                target,
                panels=panels,
                experiment=experiment,
                author=author,
                since=since,
                until=until,
                after=after,
                as_of=as_of,
                before=before,
                limit=limit,
                max_changes=max_changes,
            ),
        )

    def iterate_log(
        self,
        target: str | None = None,
        *,
        panels: Sequence[str] = (),
        experiment: str | None = None,
        author: str | None = None,
        since: InstantLike | None = None,
        until: InstantLike | None = None,
        after: AsOf = None,
        as_of: AsOf = None,
        before: int | None = None,
        limit: int | None = None,
        max_changes: int | None = None,
    ) -> RecordIterator[Revision]:
        """Yield what `log` returns, page by page, so that a log of any length needs little memory.

        The first page is read when the first revision is asked for. No transaction stays open between two pages,
        and what is recorded meanwhile is not in them.
        """
        from registry.api.log_pages import LogRequest, iterate_log

        names = _list_names(target, panels)
        request = LogRequest(names, experiment, author, since, until, after, as_of)
        return RecordIterator(Revision, iterate_log(self._backend, request, before, limit, max_changes))

    def iterate_changes(
        self,
        revision: AsOf,
        target: str | None = None,
        *,
        panels: Sequence[str] = (),
        experiment: str | None = None,
        as_of: AsOf = None,
    ) -> Iterator[str]:
        """Yield the lines of one revision, page by page; those that `log` returns with the same arguments."""
        from registry.api.log_pages import LogRequest, iterate_changes

        request = LogRequest(_list_names(target, panels), experiment, as_of=as_of)
        return iterate_changes(self._backend, revision, request)


def _list_names(target: str | None, panels: Sequence[str]) -> list[str]:
    return [*([] if target is None else [target]), *panels]
