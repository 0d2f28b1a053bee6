"""Runs, with their start and end times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from registry.api.backend import InstantLike, Noun
from registry.api.stated_instants import state_instant
from registry.database.change import Change
from registry.identifiers import Dataset, parse_experiment
from registry.lookup import runs
from registry.lookup.experiments import list_experiments
from registry.lookup.revisions import AsOf, require_comment
from registry.records import Outcome, Run
from registry.records.record_lists import RecordIterator, RecordList
from registry.registration.run_imports import record_dataset_table, record_logbook
from registry.registration.run_withdrawal import withdraw_runs
from registry.registration.runs import RunStatement, record_runs
from registry.run_ranges import RunSelection


class Runs(Noun):
    """``registry.runs``: record the start and end times of runs."""

    def import_table(
        self,
        path: str | Path,
        *,
        supersede: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Record the runs and configurations of a table of datasets, as one revision.

        With `supersede`, and a comment, configurations that the table contradicts are withdrawn and what is left
        of them is recorded anew, as `Detectors.configure` does.

        Raises
        ------
        RequestError
            Rows cannot be read; all are listed.
        ConflictError
            Rows conflict with each other, or with what is recorded and `supersede` is not set; all are listed.
        """
        from registry.importers.dataset_table import read_dataset_table

        if supersede:
            require_comment(comment, "superseding")
        table = read_dataset_table(Path(path))

        def record(change: Change) -> None:
            record_dataset_table(change, table.configurations, table.runs, supersede=supersede)

        return self._backend.record_revision(record, comment, dry_run=dry_run)

    def import_logbook(
        self,
        path: str | Path,
        experiment: str,
        *,
        supersede: bool = False,
        any_time: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Record the runs that a logbook lists for an experiment, as one revision.

        A registered run without a start or end time receives it. With `supersede`, and a comment, a run that is
        registered with other times is recorded anew, and one that was withdrawn comes back. Registered runs that
        the list leaves out stay as they are.

        Raises
        ------
        RequestError
            The file is not a logbook's list, or entries cannot be read, or their times are before 1990 or more than
            a year ahead and `any_time` is not set; all are listed.
        ConflictError
            Runs are registered with other times, or were withdrawn, and `supersede` is not set; all are listed.
        """
        from registry.importers.logbook import read_logbook

        if supersede:
            require_comment(comment, "superseding")
        logbook = read_logbook(Path(path), parse_experiment(experiment), any_time=any_time)

        def record(change: Change) -> None:
            change.notes += logbook.notes
            record_logbook(change, logbook.runs, supersede=supersede)

        return self._backend.record_revision(record, comment, dry_run=dry_run)

    def add(
        self,
        dataset: str,
        *,
        begin: InstantLike | None = None,
        end: InstantLike | None = None,
        supersede: bool = False,
        any_time: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Record a run with its start and end times; a registered run without them receives them.

        Raises
        ------
        ConflictError
            It is registered with other times, and `supersede` is not set.
        RequestError
            It ends before it starts; or a time is before 1990 or more than a year ahead, and `any_time` is not set.
        """
        parsed = Dataset.parse(dataset)
        times = [
            None if at is None else state_instant(self._backend, at, what, any_time=any_time)
            for at, what in ((begin, "the start of a run"), (end, "the end of a run"))
        ]

        def record(change: Change) -> None:
            begins, ends = (None if stated is None else stated.resolve(change) for stated in times)
            record_runs(change, [RunStatement(parsed, begins, ends)], supersede=supersede)

        return self._backend.record_revision(record, comment, dry_run=dry_run)

    def withdraw(self, dataset: str, *, comment: str, dry_run: bool = False) -> Outcome:
        """Withdraw registered runs, all of them or none.

        Parameters
        ----------
        dataset
            One run, or ranges of runs: ``exp=xcsls3716:run=5-9,12``. A number that stands alone must be a
            registered run; of a range all registered runs are withdrawn, and there must be at least one.

        Raises
        ------
        NotFoundError
            Runs are not registered; all are listed.
        ConflictError
            They were withdrawn before.
        """
        selection = RunSelection.parse(dataset)
        require_comment(comment, "a withdrawal")
        return self._backend.record_revision(
            lambda change: withdraw_runs(change, selection), comment, dry_run=dry_run
        )

    def list(
        self, experiment: str | None = None, *, withdrawn: bool = False, as_of: AsOf = None
    ) -> RecordList[Run]:
        """Return the registered runs by experiment and number, with `withdrawn` those too."""
        return RecordList(Run, self.iterate(experiment, withdrawn=withdrawn, as_of=as_of))

    def iterate(
        self, experiment: str | None = None, *, withdrawn: bool = False, as_of: AsOf = None
    ) -> RecordIterator[Run]:
        """Yield what `list` returns, page by page, as `Versions.iterate` does."""
        from registry.api.run_pages import iterate_runs

        return RecordIterator(Run, iterate_runs(self._backend, experiment, as_of, withdrawn=withdrawn))

    def experiments(self, *, as_of: AsOf = None) -> Sequence[str]:
        """Return the names of the experiments with registered runs, in their order."""
        with self._backend.read_transaction(as_of) as view:
            return list_experiments(view.connection, view.revision, with_configurations=False)

    def show(self, dataset: str, *, as_of: AsOf = None) -> Run:
        """Return a registered run; if it is not known, the `NotFoundError` names the nearest ones."""
        with self._backend.read_transaction(as_of) as view:
            return runs.find_run(view.connection, Dataset.parse(dataset), view.revision)
