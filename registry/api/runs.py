"""Runs and the detectors that answered in them."""

from __future__ import annotations

from pathlib import Path

from registry.api.backend import Backend, InstantLike
from registry.database.change import Change
from registry.detectors import parse_detector_id
from registry.identifiers import Dataset, parse_experiment, parse_run_number, parse_source
from registry.lookup import runs
from registry.lookup.revisions import AsOf, require_comment
from registry.records import Configuration, Detector, Outcome, Run
from registry.registration.configurations import (
    ConfigurationStatement,
    record_configurations,
    withdraw_configuration,
)
from registry.registration.runs import RunStatement, record_runs, withdraw_run


class Runs:
    """``registry.runs``: record the start and end times of runs."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def import_table(self, path: str | Path, *, comment: str | None = None, dry_run: bool = False) -> Outcome:
        """Record the runs and configurations of a table of datasets, as one revision.

        Raises
        ------
        RequestError
            Rows cannot be understood; all are listed.
        ConflictError
            Rows contradict each other or what is recorded; all are listed.
        """
        from registry.importers.dataset_table import read_dataset_table

        table = read_dataset_table(Path(path))

        def act(change: Change) -> None:
            record_configurations(change, table.configurations, supersede=False)
            record_runs(change, table.runs, supersede=False)

        return self._backend.record_revision(act, comment, dry_run=dry_run)

    def import_logbook(
        self, path: str | Path, experiment: str, *, comment: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Record the runs that a logbook lists for an experiment, as one revision.

        A run that is known without a begin or an end receives it; one that is known with other times is a
        conflict, and `add` supersedes it.

        Raises
        ------
        RequestError
            It is no logbook's list, or entries cannot be understood; all are listed.
        ConflictError
            Runs are known with other times; all are listed.
        """
        from registry.importers.logbook import read_logbook

        listed = read_logbook(Path(path), parse_experiment(experiment))

        def act(change: Change) -> None:
            change.notes += listed.notes
            record_runs(change, listed.runs, supersede=False)

        return self._backend.record_revision(act, comment, dry_run=dry_run)

    def add(
        self,
        dataset: str,
        *,
        begin: InstantLike | None = None,
        end: InstantLike | None = None,
        supersede: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Record a run; one that is known without a begin receives it.

        Raises
        ------
        ConflictError
            It is known with another begin or end, and `supersede` is not set.
        RequestError
            It ends before it begins; `supersede` without a comment.
        """
        statement = RunStatement(
            Dataset.parse(dataset),
            None if begin is None else self._backend.parse_instant(begin),
            None if end is None else self._backend.parse_instant(end),
        )
        return self._backend.record_revision(
            lambda change: record_runs(change, [statement], supersede=supersede), comment, dry_run=dry_run
        )

    def withdraw(self, dataset: str, *, comment: str, dry_run: bool = False) -> Outcome:
        """Withdraw what is known of a run.

        Raises
        ------
        NotFoundError
            It is not registered.
        ConflictError
            It was withdrawn already.
        RequestError
            There is no comment.
        """
        parsed = Dataset.parse(dataset)
        require_comment(comment, "a withdrawal")
        return self._backend.record_revision(
            lambda change: withdraw_run(change, parsed), comment, dry_run=dry_run
        )

    def list(
        self, experiment: str | None = None, *, withdrawn: bool = False, as_of: AsOf = None
    ) -> list[Run]:
        """Return the registered runs, by experiment and number; with the withdrawn statements, if asked.

        Raises
        ------
        IdentifierError
            An experiment cannot have that name.
        """
        experiments = None if experiment is None else {parse_experiment(experiment)}
        with self._backend.read_transaction(as_of) as view:
            return runs.list_runs(view.connection, view.revision, experiments, withdrawn=withdrawn)

    def show(self, dataset: str, *, as_of: AsOf = None) -> Run:
        """Return a registered run.

        Raises
        ------
        NotFoundError
            It is not registered; near ones are named.
        """
        with self._backend.read_transaction(as_of) as view:
            return runs.find_run(view.connection, Dataset.parse(dataset), view.revision)


class Detectors:
    """``registry.detectors``: record which panels are read out in which runs."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def configure(
        self,
        experiment: str,
        source: str,
        detector_id: str,
        *,
        first_run: int,
        last_run: int | None = None,
        supersede: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """State which panels, in segment order, answered for a source from one run to another (None: open).

        Raises
        ------
        IdentifierError
            A name is not canonical, or a panel stands in the detector twice.
        ConflictError
            The runs overlap a recorded range, and `supersede` is not set.
        RequestError
            The runs are out of order; `supersede` without a comment.
        """
        _refuse_invalid_run_numbers(first_run, last_run)
        statement = ConfigurationStatement(
            experiment=parse_experiment(experiment),
            source=parse_source(source),
            first_run=first_run,
            last_run=last_run,
            panels=tuple(parse_detector_id(detector_id)),
        )
        return self._backend.record_revision(
            lambda change: record_configurations(change, [statement], supersede=supersede),
            comment,
            dry_run=dry_run,
        )

    def withdraw(
        self,
        experiment: str,
        source: str,
        *,
        first_run: int,
        last_run: int | None = None,
        comment: str,
        dry_run: bool = False,
    ) -> Outcome:
        """Withdraw the configuration that begins with `first_run`.

        Raises
        ------
        NotFoundError
            None begins there; what is configured is named.
        ConflictError
            It was withdrawn already.
        RequestError
            There is no comment.
        """
        experiment, source = parse_experiment(experiment), parse_source(source)
        _refuse_invalid_run_numbers(first_run, last_run)
        require_comment(comment, "a withdrawal")

        def act(change: Change) -> None:
            withdraw_configuration(change, experiment, source, first_run, last_run)

        return self._backend.record_revision(act, comment, dry_run=dry_run)

    def list(
        self, experiment: str | None = None, *, withdrawn: bool = False, as_of: AsOf = None
    ) -> list[Configuration]:
        """Return the configurations, by experiment, source and first run; with the withdrawn, if asked.

        Raises
        ------
        IdentifierError
            An experiment cannot have that name.
        """
        experiments = None if experiment is None else {parse_experiment(experiment)}
        with self._backend.read_transaction(as_of) as view:
            return runs.list_configurations(view.connection, view.revision, experiments, withdrawn=withdrawn)

    def show(self, dataset: str, *, source: str | None = None, as_of: AsOf = None) -> Detector:
        """Return which panels answered in a run, in segment order.

        Parameters
        ----------
        source
            The source or a part that fits one of the run's; may be left out where the run has one detector.

        Raises
        ------
        NotFoundError
            The run or the source is not known; what is known is named.
        RequestError
            Several sources fit.
        """
        with self._backend.read_transaction(as_of) as view:
            return runs.find_detector(view.connection, Dataset.parse(dataset), source, view.revision)


def _refuse_invalid_run_numbers(first_run: int, last_run: int | None) -> None:
    for number in (first_run, last_run):
        if number is not None:
            parse_run_number(str(number))
