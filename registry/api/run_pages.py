"""Lists of runs, read page by page."""

from __future__ import annotations

from collections.abc import Iterator

from registry.api.backend import Backend, ReadTransaction
from registry.api.pages import iterate_pages
from registry.identifiers import parse_experiment
from registry.lookup.revisions import AsOfRef
from registry.lookup.runs import list_runs_after
from registry.records import Run

_KeyedRun = tuple[int, Run]


def iterate_runs(
    backend: Backend, experiment: str | None, as_of: AsOfRef, *, withdrawn: bool
) -> Iterator[Run]:
    """Yield runs by experiment and number; see `Runs.list`."""
    of_experiment = None if experiment is None else parse_experiment(experiment)

    def read_page(view: ReadTransaction, last: _KeyedRun | None, count: int) -> tuple[list[_KeyedRun], bool]:
        page = list_runs_after(
            view.connection, view.revision, of_experiment, last, count, withdrawn=withdrawn
        )
        return page, len(page) == count

    return (run for _, run in iterate_pages(backend, as_of, None, read_page))
