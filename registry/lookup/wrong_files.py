"""Warnings on the deployed files that serve runs wrongly after a change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace

import sqlalchemy as sa

from registry import schema
from registry.identifiers import format_count, shorten
from registry.lookup.answers import Source
from registry.lookup.deployed_files import WrongFile, list_wrong_files


def describe_wrong_files(
    connection: sa.Connection, runs: Iterable[tuple[Source, int]], revision: int, *, new_runs: bool
) -> list[str]:
    """Return warnings on the deployed files that serve some of these runs wrongly as of a revision.

    Those that did so before it are named apart. With `new_runs` also those that serve the runs wrongly that the
    revision recorded.
    """
    wanted: defaultdict[Source, set[int]] = defaultdict(set)
    for source, run in runs:
        wanted[source].add(run)
    for source, run in _list_new_runs(connection, revision) if new_runs else ():
        wanted[source].add(run)
    new: list[WrongFile] = []
    old: list[WrongFile] = []
    for source, numbers in sorted(wanted.items()):
        wrong = list_wrong_files(connection, source, revision, runs=numbers)
        if wrong:
            before = list_wrong_files(connection, source, revision - 1, runs=numbers)
            runs_before = {(file.path, file.type): set(file.runs) for file in before}
            for file in wrong:
                known = runs_before.get((file.path, file.type), set())
                new += _select_runs(file, set(file.runs) - known)
                old += _select_runs(file, known)
    return [
        *_summarise(new, "would be read wrongly from now on"),
        *_summarise(old, "would still be read wrongly"),
    ]


def _select_runs(file: WrongFile, runs: Set[int]) -> list[WrongFile]:
    selected = tuple(run for run in file.runs if run in runs)
    return [replace(file, runs=selected)] if selected else []


def _summarise(files: list[WrongFile], consequence: str) -> list[str]:
    if not files:
        return []
    noun = format_count(len(files), "deployed file")
    return [f"{noun} {consequence}: {shorten([str(file) for file in files])}"]


def _list_new_runs(connection: sa.Connection, revision: int) -> Iterator[tuple[Source, int]]:
    """Yield the runs that a revision recorded, for every source of their experiment with deployed files."""
    run, export = schema.run, schema.export
    new = sa.select(run.c.experiment).where(run.c.recorded_in == revision)
    deployed = (
        sa.select(export.c.experiment, export.c.source)
        .distinct()
        .where(export.c.experiment.in_(new), export.c.first_run.is_not(None), export.c.source.is_not(None))
    )
    for source in connection.execute(deployed).all():
        numbers = sa.select(run.c.number).where(
            run.c.recorded_in == revision, run.c.experiment == source.experiment
        )
        for number in connection.execute(numbers).scalars():
            yield (source.experiment, source.source), number
