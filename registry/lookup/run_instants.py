"""The starts of runs, where a run stands for an instant."""

from __future__ import annotations

from registry.errors import NotValidError, Remedy
from registry.identifiers import Dataset
from registry.instants import Instant
from registry.lookup.runs import find_run
from registry.records import Run
from registry.sql import sa


def find_run_start(connection: sa.Connection, dataset: Dataset, revision: int) -> Instant:
    """Return the start of a run; refuse a run that is not registered, or without a known start."""
    return require_start(find_run(connection, dataset, revision), dataset)


def require_start(run: Run, dataset: Dataset) -> Instant:
    """Return the start of a run; refuse one without a known start."""
    if run.begin is None:
        raise NotValidError(
            f"{dataset} is registered without a start time, and does not stand for an instant",
            dataset=str(dataset),
            remedy=Remedy.RECORD_START_TIME,
        )
    return run.begin
