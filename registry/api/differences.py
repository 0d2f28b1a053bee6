"""The requests of an open registry that compare two of its revisions."""

from __future__ import annotations

from collections.abc import Sequence

from registry.api.administration import Administration
from registry.api.backend import InstantLike
from registry.lookup.revisions import AsOf
from registry.records import AffectedRun, AffectedRuns, DetectorDifference
from registry.records.record_lists import RecordList


class Differences(Administration):
    """The differences between two revisions: for one detector, and for all recorded runs."""

    def diff(
        self,
        target: str,
        *,
        before: AsOf,
        after: AsOf = None,
        source: str | None = None,
        at: InstantLike | None = None,
    ) -> DetectorDifference:
        """Return the panels and kinds of a detector that change between two revisions, with their pixels' differences.

        Raises
        ------
        NotFoundError, NotValidError
            The request fails as of both revisions.
        """
        from registry.api.comparison import diff_detector
        from registry.lookup.resolution import ArrayRequest

        request = ArrayRequest(target, source, self._backend.parse_optional_instant(at, after))
        return diff_detector(self._backend, request, before, after)

    def list_affected_runs(
        self,
        since: AsOf,
        *,
        as_of: AsOf = None,
        kinds: Sequence[str] | None = None,
        experiment: str | None = None,
        panel: str | None = None,
    ) -> RecordList[AffectedRun]:
        """Return the registered runs that get something else than as of a revision, whatever changed since.

        By experiment, run and source.

        Parameters
        ----------
        kinds
            Compare only these kinds of constants; by default all.
        experiment, panel
            Return only runs of this experiment, and runs for which something changed in this panel Id or M-number.

        Raises
        ------
        RequestError
            The revision `since` is later than `as_of`, or a kind is not known.
        NotFoundError
            The experiment or the panel is not known.
        """
        from registry.api.affected import AffectedRequest, list_affected_runs

        request = AffectedRequest(since, as_of, kinds, experiment, panel)
        return RecordList(AffectedRun, list_affected_runs(self._backend, request))

    def group_affected_runs(
        self,
        since: AsOf,
        *,
        as_of: AsOf = None,
        kinds: Sequence[str] | None = None,
        experiment: str | None = None,
        panel: str | None = None,
    ) -> AffectedRuns:
        """Return what `list_affected_runs` does, in groups of runs of which the same is to be said.

        ``kinds`` of the answer are those that were compared.
        """
        from registry.api.affected import AffectedRequest, group_affected_runs

        return group_affected_runs(self._backend, AffectedRequest(since, as_of, kinds, experiment, panel))
