"""Recorded exports, and which of them would be made from other constants now."""

from __future__ import annotations

from collections.abc import Iterator

from registry.api.backend import Noun
from registry.api.mirror_refusals import refuse_mirror
from registry.api.pages import parse_upper_end, refuse_invalid_limit
from registry.identifiers import parse_experiment
from registry.lookup.experiments import refuse_unknown_experiment
from registry.lookup.recorded_exports import list_recorded_exports
from registry.lookup.revisions import AsOf
from registry.records import RecordedExport
from registry.records.record_lists import RecordIterator, RecordList

_PAGE_SIZE = 100


class Exports(Noun):
    """``registry.exports``: what was exported."""

    def list(
        self,
        *,
        stale: bool = False,
        experiment: str | None = None,
        as_of: AsOf = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> RecordList[RecordedExport]:
        """Return the recorded exports, the newest first.

        Parameters
        ----------
        stale
            Return only those that would be made from other constants now, or refused; ``stale`` of each says why.
        experiment
            Return only those of runs of this experiment.
        as_of
            Return those that were made as of this revision or an earlier one, and what is stale as of it.
        before
            Begin with the newest export below this number; with the last number of a list the next one begins.
        limit
            Return at most so many.

        Raises
        ------
        NotFoundError
            The experiment is not known.
        ConflictError
            The database is a mirror, which has no exports.
        """
        items = self.iterate(stale=stale, experiment=experiment, as_of=as_of, before=before, limit=limit)
        return RecordList(RecordedExport, items)

    def iterate(
        self,
        *,
        stale: bool = False,
        experiment: str | None = None,
        as_of: AsOf = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> RecordIterator[RecordedExport]:
        """Yield what `list` returns, page by page, so that a list of any length needs little memory."""
        refuse_mirror(self._backend, "this list")
        refuse_invalid_limit(limit)
        below, name = parse_upper_end(before), None if experiment is None else parse_experiment(experiment)
        return RecordIterator(RecordedExport, self._iterate_pages(as_of, below, limit, name, stale=stale))

    def _iterate_pages(
        self, as_of: AsOf, below: int, limit: int | None, experiment: str | None, *, stale: bool
    ) -> Iterator[RecordedExport]:
        left, has_more = limit, True
        while has_more and left != 0:
            with self._backend.read_transaction(as_of) as view:
                as_of = view.revision
                if experiment is not None:
                    refuse_unknown_experiment(view.connection, experiment, as_of)
                page = list_recorded_exports(view.connection, as_of, below, _PAGE_SIZE, experiment)
            has_more = len(page) == _PAGE_SIZE
            below = page[-1].export if page else below
            wanted = [export for export in page if export.stale is not None or not stale][:left]
            left = None if left is None else left - len(wanted)
            yield from wanted
