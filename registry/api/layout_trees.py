"""Trees of other systems: read by their layouts, with the runs that the registry knows, and converted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import tzinfo
from functools import cache
from pathlib import Path

from registry.api.backend import Backend
from registry.errors import RequestError
from registry.identifiers import parse_experiment
from registry.importers.gain_maps import make_conversion_folder
from registry.importers.layouts.contents import Context, KnownRun
from registry.importers.layouts.converted_tree import convert_tree
from registry.importers.layouts.known import find_layout
from registry.importers.panel_folders import CheckedTree
from registry.instants import Instant
from registry.lookup.runs import list_run_configurations, list_runs
from registry.parallel import Progress


def refuse_unfit_options(layout: str | None, experiment: str | None, *, same_module: bool) -> None:
    """Refuse a layout that is not known, and options that do not go with it."""
    if layout is None:
        if experiment is not None:
            raise RequestError(
                "an experiment is of a layout whose files name runs; a directory of links has none"
            )
        return
    find_layout(layout, experiment)
    if same_module:
        raise RequestError(
            f"the layout {layout} has no M-numbers, of which anything could be the same module"
        )


@contextmanager
def open_layout_tree(
    backend: Backend,
    root: Path,
    timezone: tzinfo,
    progress: Progress,
    *,
    layout: str,
    experiment: str | None,
    any_time: bool,
    allow_odd: bool,
) -> Iterator[CheckedTree]:
    """Read a tree, and convert its arrays to files, which are removed at the end."""
    reader = find_layout(layout, experiment)
    if experiment is not None:
        parse_experiment(experiment)

    @cache
    def list_recorded(experiment: str, source: str) -> list[KnownRun]:
        with backend.read_transaction() as view:
            return [
                KnownRun(run.run, run.begin, configuration.panels, configuration.segments)
                for run, configuration in list_run_configurations(
                    view.connection, view.revision, {experiment}
                )
                if configuration.source == source
            ]

    @cache
    def list_begins(experiment: str) -> dict[int, Instant | None]:
        with backend.read_transaction() as view:
            return {run.run: run.begin for run in list_runs(view.connection, view.revision, {experiment})}

    content = reader.find_entries(root, Context(timezone, any_time, experiment, list_recorded, list_begins))
    content.tree.has_local_times = reader.HAS_LOCAL_TIMES
    with make_conversion_folder() as folder:
        yield convert_tree(content, folder, progress, allow_odd=allow_odd)
