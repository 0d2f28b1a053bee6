"""The range of runs that the files of an export are for: chosen so that every run in it gets its own constants."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from registry import detectors
from registry.errors import NotValidError, RequestError
from registry.identifiers import MAX_RUN, format_count, parse_source
from registry.lookup.answers import Answer
from registry.lookup.source_runs import SourceRuns
from registry.provenance.document import Deployment, Resolution
from registry.run_ranges import RunRange, find_ranges, format_runs

StatedRuns = tuple[int | None, int | None]
"""The first and the last run of a range as the request states them."""


def find_deployment(
    connection: sa.Connection,
    resolution: Resolution,
    source: str | None,
    stated: StatedRuns,
    revision: int,
    *,
    by_segment: bool,
    experiment: str | None = None,
) -> tuple[Deployment | None, list[str]]:
    """Return the runs that an export's files are for, with warnings; None if neither they nor a source are known.

    By default from the run to the last recorded one that gets the same constants; to the end only if nothing is known
    to end that. Where an instant was asked for that is not the run's, the run alone. A detector Id is compared with
    runs only where the `experiment` is stated whose they are.

    Raises
    ------
    NotValidError
        The stated runs reach into other constants.
    """
    first, last = stated
    run, configuration = resolution.run, resolution.configuration
    if first is None and run is not None:
        first = run.run
    source = configuration.source if configuration else source
    if source is None or first is None:
        return None, []
    if not 0 <= first <= (MAX_RUN if last is None else last) <= MAX_RUN:
        raise RequestError(
            f"runs {first} to {'the end' if last is None else last} are not a range of runs: it has numbers from 0 to"
            f" {MAX_RUN}, in their order",
            first_run=first,
            last_run=last,
        )
    detectors.refuse_wrong_source(parse_source(source), [panel.panel for panel in resolution.panels])
    own = build_answer(resolution)
    if (
        run is None or configuration is None
    ):  # of a detector Id: without an experiment there are no runs to compare
        if experiment is None:
            return Deployment(source, first, last), []
        limits, key = (first, last), (experiment, source)
        runs = SourceRuns(connection, key, tuple(own.constants), revision, limits)
        _refuse_other_constants(runs, limits, own, None, by_segment=by_segment)
        return Deployment(source, first, last), _warn_without_start(runs, limits, None)
    by_hand = not is_of_run(resolution)
    key, kinds = (run.experiment, source), tuple(own.constants)
    if last is None:
        alike = None if by_hand else SourceRuns.read_alike(connection, key, kinds, revision, run.run)
        last = alike.find_last_run(run.run) if alike else run.run
        last = None if last is None else max(first, last)
    if stated == (None, None):
        return Deployment(source, first, last), []
    limits, exempt = (first, last), run.run if by_hand else None
    runs = SourceRuns(connection, key, kinds, revision, limits)
    _refuse_other_constants(runs, limits, own, exempt, by_segment=by_segment)
    return Deployment(source, first, last), _warn_without_start(runs, limits, exempt)


def is_of_run(resolution: Resolution) -> bool:
    """Tell whether the constants are those of the start of a run, not of another instant that was asked for."""
    run = resolution.run
    return run is not None and run.begin is not None and run.begin == resolution.instant


def build_answer(resolution: Resolution) -> Answer:
    """Return the panels and constants of a resolution as those of a run are compared."""
    kinds = dict.fromkeys(constants.kind for panel in resolution.panels for constants in panel.constants)
    return Answer(
        tuple(panel.panel for panel in resolution.panels),
        resolution.segments,
        {
            kind: tuple(
                constants.constants
                for panel in resolution.panels
                for constants in panel.constants
                if constants.kind == kind
            )
            for kind in kinds
        },
    )


def _refuse_other_constants(
    runs: SourceRuns, limits: RunRange, own: Answer, exempt: int | None, *, by_segment: bool
) -> None:
    wrong = runs.find_wrong_run(limits, own, exempt, by_segment=by_segment)
    if wrong is None:
        return
    if (
        exempt is not None
    ):  # The instant was asked for one run: where it is wrong, it is the first to be named.
        wrong = runs.find_wrong_run(limits, own, None, by_segment=by_segment) or wrong
    first, last = limits
    experiment, source = runs.source
    stated = Deployment(source, first, last).runs
    good = [run for segment in runs.segments if segment.answer == own for run in segment.runs]
    known = f"; of the recorded runs these constants are those of {format_runs(good)}" if good else ""
    raise NotValidError(
        f"runs {stated} of {source} in {experiment} reach into other constants: run {wrong.run} would be served"
        f" wrongly, because {wrong.reason}{known}",
        experiment=experiment,
        source=source,
        run=wrong.run,
        first_run=first,
        last_run=last,
        good_runs=[list(limits) for limits in find_ranges(good)],
    )


def _warn_without_start(runs: SourceRuns, limits: RunRange, exempt: int | None) -> list[str]:
    unknown: Sequence[int] = [run for run in runs.list_runs_without_start(limits) if run != exempt]
    if not unknown:
        return []
    verb = "is" if len(unknown) == 1 else "are"
    are_recorded = f"{format_count(len(unknown), 'run')} in the range {verb} recorded without a start time"
    return [
        f"{are_recorded}, so nobody knows whether these constants are right there: {format_runs(unknown)}"
    ]
