"""Detector configurations: the panels that are read out by a source over a range of runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from msgspec.structs import replace

from registry.api.backend import Noun
from registry.database.change import Change
from registry.detectors import parse_detector_id, parse_segment_numbers
from registry.identifiers import (
    Dataset,
    is_detector_name,
    parse_detector_name,
    parse_experiment,
    parse_run_number,
    parse_source,
)
from registry.lookup import runs
from registry.lookup.detector_names import find_named_detector, list_detector_names
from registry.lookup.readout_warnings import list_run_readout_warnings
from registry.lookup.revisions import AsOf, require_comment
from registry.records import Configuration, Detector, DetectorName, Outcome
from registry.records.record_lists import RecordList
from registry.registration.configuration_withdrawal import withdraw_configuration
from registry.registration.configurations import ConfigurationStatement, record_configurations
from registry.registration.detector_names import record_detector_name, withdraw_detector_name


class Detectors(Noun):
    """``registry.detectors``: record which panels are read out in which runs."""

    def configure(
        self,
        experiment: str,
        source: str,
        detector_id: str,
        *,
        first_run: int,
        last_run: int | None = None,
        segments: str | Sequence[int] | None = None,
        supersede: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Record the panels read out by a source over a range of runs.

        Parameters
        ----------
        detector_id
            The panel Ids in segment order, joined by ``_``; or the short name of a detector.
        first_run, last_run
            The range, inclusive; without `last_run` it is open.
        segments
            The segment numbers of the panels, ascending: ``"0-3,8"`` or a list. By default those of a whole detector
            (Jungfrau: 1, 2, 8 or 32 panels) are 0, 1, 2 ...; those of any other are recorded as not known.

        Raises
        ------
        IdentifierError
            The detector Id has a panel twice.
        ConflictError
            The range overlaps a recorded one, also one with other segment numbers, and `supersede` is not set.
        RequestError
            The last run is before the first one. The source is of a detector type that is not known, or not of that
            of the panels. The segment numbers are not one for each panel, ascending, of a detector of this type.
        """
        _refuse_invalid_run_numbers(first_run, last_run)
        is_name = is_detector_name(detector_id)
        stated = ConfigurationStatement(
            experiment=parse_experiment(experiment),
            source=parse_source(source),
            first_run=first_run,
            last_run=last_run,
            panels=() if is_name else tuple(parse_detector_id(detector_id)),
            segments=None if segments is None else parse_segment_numbers(segments),
        )
        if not is_name:
            stated.refuse_contradiction()

        def record(change: Change) -> None:
            statement = stated
            if is_name:
                named = find_named_detector(change.connection, detector_id, change.visible_revision)
                statement = dataclasses.replace(stated, panels=named.panels)
            record_configurations(change, [statement], supersede=supersede)

        return self._backend.record_revision(record, comment, dry_run=dry_run)

    def name(
        self,
        name: str,
        detector_id: str,
        *,
        supersede: bool = False,
        comment: str | None = None,
        dry_run: bool = False,
    ) -> Outcome:
        """Give a detector a short name, which is then taken wherever its Id is.

        Parameters
        ----------
        name
            Letters, digits, ``_`` and ``.``, a letter first; not like an M-number.
        supersede
            Give the name to this detector instead of another; needs a comment.

        Raises
        ------
        NotFoundError
            A panel is not known.
        ConflictError
            The name is that of another detector, or was withdrawn, and `supersede` is not set.
        """
        name, panels = parse_detector_name(name), parse_detector_id(detector_id)
        return self._backend.record_revision(
            lambda change: record_detector_name(change, name, panels, supersede=supersede),
            comment,
            dry_run=dry_run,
        )

    def withdraw_name(self, name: str, *, comment: str, dry_run: bool = False) -> Outcome:
        """Withdraw the short name of a detector.

        Raises
        ------
        NotFoundError
            No detector has the name; similar ones are named.
        ConflictError
            It was withdrawn before.
        """
        name = parse_detector_name(name)
        require_comment(comment, "a withdrawal")
        return self._backend.record_revision(
            lambda change: withdraw_detector_name(change, name), comment, dry_run=dry_run
        )

    def names(self, *, withdrawn: bool = False, as_of: AsOf = None) -> RecordList[DetectorName]:
        """Return the short names of detectors in their order, with `withdrawn` those too."""
        with self._backend.read_transaction(as_of) as view:
            known = list_detector_names(view.connection, view.revision, withdrawn=withdrawn)
            return RecordList(DetectorName, known)

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
        """Withdraw the configuration that starts with `first_run`.

        Raises
        ------
        NotFoundError
            No configuration starts there; those that are recorded are named.
        ConflictError
            It was withdrawn before.
        """
        experiment, source = parse_experiment(experiment), parse_source(source)
        _refuse_invalid_run_numbers(first_run, last_run)
        require_comment(comment, "a withdrawal")

        def record(change: Change) -> None:
            withdraw_configuration(change, experiment, source, first_run, last_run)

        return self._backend.record_revision(record, comment, dry_run=dry_run)

    def list(
        self, experiment: str | None = None, *, withdrawn: bool = False, as_of: AsOf = None
    ) -> RecordList[Configuration]:
        """Return the configurations by experiment, source and first run, with `withdrawn` those too."""
        experiments = None if experiment is None else {parse_experiment(experiment)}
        with self._backend.read_transaction(as_of) as view:
            known = runs.list_configurations(view.connection, view.revision, experiments, withdrawn=withdrawn)
            return RecordList(Configuration, known)

    def show(self, dataset: str, *, source: str | None = None, as_of: AsOf = None) -> Detector:
        """Return the panels read out in a run, in segment order.

        Parameters
        ----------
        source
            The source, or a part that only one of the run's sources contains; not needed for a run of one detector.

        Raises
        ------
        NotFoundError
            The run or the source is not known; those that are known are named.
        RequestError
            Several sources fit.
        """
        with self._backend.read_transaction(as_of) as view:
            detector = runs.find_detector(view.connection, Dataset.parse(dataset), source, view.revision)
            warnings = list_run_readout_warnings(view.connection, detector, detector.run, view.revision)
            return replace(detector, warnings=tuple(warnings))


def _refuse_invalid_run_numbers(first_run: int, last_run: int | None) -> None:
    for number in (first_run, last_run):
        if number is not None:
            parse_run_number(str(number))
