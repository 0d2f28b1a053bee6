"""Runs and configurations from the files that people and programs keep: tables of datasets, lists of a logbook."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from registry import schema
from registry.database.change import Change
from registry.errors import ConflictError, Remedy
from registry.identifiers import Dataset, format_count, shorten
from registry.registration.configurations import ConfigurationStatement, record_configurations
from registry.registration.runs import RunStatement, record_runs
from registry.run_ranges import format_datasets, format_runs


def record_dataset_table(
    change: Change,
    configurations: Sequence[ConfigurationStatement],
    runs: Sequence[RunStatement],
    *,
    supersede: bool,
) -> None:
    """Record the configurations and the runs of a table; a `ConflictError` lists the conflicts of both."""
    refusals = []
    try:
        record_configurations(change, configurations, supersede=supersede)
    except ConflictError as refusal:
        refusals.append(refusal)
    try:
        record_runs(change, runs, supersede=supersede, from_file=True)
    except ConflictError as refusal:
        refusals.append(refusal)
    if len(refusals) == 1:
        raise refusals[0]
    if refusals:
        conflicts = [text for refusal in refusals for text in refusal.details or (refusal.message,)]
        raise ConflictError.combine(
            "configurations and runs conflict", conflicts, remedy=Remedy.SUPERSEDE, conflicts=conflicts
        )
    _note_corrections(change)


def record_logbook(change: Change, runs: Sequence[RunStatement], *, supersede: bool) -> None:
    """Record the runs that a logbook lists for one experiment, with a note on recorded runs that it leaves out."""
    record_runs(change, runs, supersede=supersede, from_file=True)
    _note_corrections(change)
    _note_absent_runs(change, runs)


def _note_corrections(change: Change) -> None:
    corrected = [
        Dataset(run.experiment, run.run)
        for run in change.superseded_runs
        if run.previous_begin not in (None, run.begin) or run.previous_end not in (None, run.end)
    ]
    if corrected:
        runs = shorten(format_datasets(corrected))
        change.notes.append(f"{format_count(len(corrected), 'run')} recorded anew with other times: {runs}")


def _note_absent_runs(change: Change, runs: Sequence[RunStatement]) -> None:
    listed = {statement.dataset.run for statement in runs}
    experiment = runs[0].dataset.experiment
    run = schema.run
    query = sa.select(run.c.number).where(
        run.c.experiment == experiment,
        run.c.number.between(min(listed), max(listed)),
        run.c.withdrawn_in.is_(None),
    )
    absent = {number for number in change.connection.execute(query).scalars() if number not in listed}
    if absent:
        change.notes.append(
            f"{format_count(len(absent), 'recorded run')} of {experiment} from run {min(listed)} to {max(listed)}"
            f" not in the list, left unchanged: {format_runs(absent)}"
        )
