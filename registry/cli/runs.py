"""``calreg run`` and ``calreg detector``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output, reports
from registry.cli.application import create_group
from registry.cli.listing import Listing
from registry.cli.names import read_detector
from registry.cli.options import (
    AnyTime,
    AsOf,
    Comment,
    Context,
    DetectorWords,
    DryRun,
    ExperimentFilter,
    IncludeWithdrawn,
    Json,
    RequiredComment,
    Source,
    Supersede,
    Timezone,
    open_from_context,
)
from registry.identifiers import format_count, suggestion

if TYPE_CHECKING:
    from registry.records import Detector, DetectorName, Run

run = create_group(help="Runs, and their start times.")
detector = create_group(help="Configurations: which panels are read out for a source.")

Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="exp=xcsls3716:run=631 for example.")]
Experiment = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="xcsls3716 for example.")]
FullSource = Annotated[str, typer.Argument(metavar="SOURCE", help="XcsEndstation.0:Jungfrau.0 for example.")]
FirstRun = Annotated[int, typer.Option(metavar="RUN", help="The first run.")]
LastRun = Annotated[int | None, typer.Option(metavar="RUN", help="The last run; default: open.")]


@run.command("import")
def import_runs(
    ctx: Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table of datasets, or a logbook's list of runs (JSON).")
    ],
    experiment: Annotated[
        str | None,
        typer.Option(metavar="E", help="The experiment of a logbook's list; a table names it itself."),
    ] = None,
    any_time: AnyTime = False,
    supersede: Supersede = False,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record the runs and detectors that a file lists.

    A table of datasets has both; a logbook's list has the runs of one experiment, with their start times.
    Runs that a corrected list leaves out stay as they are.
    """
    with open_from_context(ctx) as registry:
        if experiment is None:
            outcome = registry.runs.import_table(file, supersede=supersede, comment=comment, dry_run=dry_run)
        else:
            outcome = registry.runs.import_logbook(
                file,
                experiment,
                any_time=any_time,
                supersede=supersede,
                comment=comment,
                dry_run=dry_run,
            )
    reports.print_outcome(outcome, as_json=json)


@run.command("add")
def add_run(
    ctx: Context,
    dataset: Dataset,
    begin: Annotated[str, typer.Option(metavar="T", help="The start time.")],
    end: Annotated[str | None, typer.Option(metavar="T", help="The end time.")] = None,
    timezone: Timezone = None,
    supersede: Supersede = False,
    any_time: AnyTime = False,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record the start time of a run."""
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.runs.add(
            dataset,
            begin=begin,
            end=end,
            supersede=supersede,
            any_time=any_time,
            comment=comment,
            dry_run=dry_run,
        )
    reports.print_outcome(outcome, as_json=json)


@run.command("withdraw")
def withdraw_run(
    ctx: Context,
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="A run, or ranges of runs: exp=xcsls3716:run=5-9,12.")
    ],
    comment: RequiredComment,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Withdraw a run and its start time, or all recorded runs in ranges."""
    with open_from_context(ctx) as registry:
        outcome = registry.runs.withdraw(dataset, comment=comment, dry_run=dry_run)
    reports.print_outcome(outcome, as_json=json)


@run.command("list")
def list_runs(
    ctx: Context,
    experiment: ExperimentFilter = None,
    every: IncludeWithdrawn = False,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the registered runs."""
    with open_from_context(ctx, timezone) as registry:
        runs = Listing(registry.runs.iterate(experiment, withdrawn=every, as_of=as_of), None)
        output.print_answer(runs, partial(_print_runs, every=every), as_json=json)
        if runs.last is None and not json:
            experiments = () if experiment is None else registry.runs.experiments(as_of=as_of)
            _hint_if_empty((), experiments, experiment, "run list", as_of)


def _print_runs(runs: Iterable[Run], *, every: bool) -> None:
    headings = ("experiment", "run", "begin", "end", "revision", *(("withdrawn in",) if every else ()))
    rows = (
        (row.experiment, row.run, row.begin or "not known", row.end, row.recorded_in, row.withdrawn_in)
        for row in runs
    )
    output.print_table(headings, (row[: len(headings)] for row in rows))


@run.command("show")
def show_run(
    ctx: Context, dataset: Dataset, as_of: AsOf = None, timezone: Timezone = None, json: Json = False
) -> None:
    """Show a registered run."""
    with open_from_context(ctx, timezone) as registry:
        record = registry.runs.show(dataset, as_of=as_of)
    output.print_answer(record, _print_run, as_json=json)


def _print_run(record: Run) -> None:
    output.print_fields(
        experiment=record.experiment,
        run=record.run,
        begin=record.begin or "not known",
        end=record.end or "not known",
        recorded_in=f"revision {record.recorded_in}",
    )


def _hint_if_empty(
    answer: Sequence[object],
    experiments: Collection[str],
    experiment: str | None,
    verb: str,
    as_of: str | None,
) -> None:
    """Print which experiment may be meant, if nothing of this one is recorded, or what would fill the answer."""
    if experiment is not None and experiments:
        near = suggestion(experiment, experiments)
        output.print_notes(notes=[f"nothing of experiment {experiment} is recorded{near}"])
    else:
        output.hint_if_empty(answer, verb, as_of=as_of)


@detector.command("configure")
def configure(
    ctx: Context,
    experiment: Experiment,
    source: FullSource,
    detector_id: DetectorWords,
    first_run: FirstRun,
    last_run: LastRun = None,
    segments: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBERS",
            help="Segment numbers of the panels, 0-3,8; default for a whole detector: 0, 1 ...",
        ),
    ] = None,
    supersede: Supersede = False,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record the panels of a source, over a range of runs."""
    with open_from_context(ctx) as registry:
        outcome = registry.detectors.configure(
            experiment,
            source,
            read_detector(detector_id),
            first_run=first_run,
            last_run=last_run,
            segments=segments,
            supersede=supersede,
            comment=comment,
            dry_run=dry_run,
        )
    reports.print_outcome(outcome, as_json=json)


@detector.command("withdraw")
def withdraw_configuration(
    ctx: Context,
    experiment: Experiment,
    source: FullSource,
    first_run: FirstRun,
    comment: RequiredComment,
    last_run: LastRun = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Withdraw the configuration that starts at a run."""
    with open_from_context(ctx) as registry:
        outcome = registry.detectors.withdraw(
            experiment, source, first_run=first_run, last_run=last_run, comment=comment, dry_run=dry_run
        )
    reports.print_outcome(outcome, as_json=json)


Name = Annotated[str, typer.Argument(metavar="NAME", help="jungfrau4M for example.")]


@detector.command("name")
def name_detector(
    ctx: Context,
    name: Name,
    detector_id: DetectorWords,
    supersede: Supersede = False,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Give a detector a short name.

    It is then taken wherever the Id of the detector is.
    """
    with open_from_context(ctx) as registry:
        outcome = registry.detectors.name(
            name, read_detector(detector_id), supersede=supersede, comment=comment, dry_run=dry_run
        )
    reports.print_outcome(outcome, as_json=json)


@detector.command("names")
def list_detector_names(
    ctx: Context,
    every: IncludeWithdrawn = False,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the short names of detectors."""
    with open_from_context(ctx, timezone) as registry:
        names = registry.detectors.names(withdrawn=every, as_of=as_of)
    output.print_answer(names, _print_names, as_json=json)
    if not json:
        output.hint_if_empty(names, "detector names", as_of=as_of)


def _print_names(names: Sequence[DetectorName]) -> None:
    for row in names:
        withdrawn = f", withdrawn in {row.withdrawn_in}" if row.withdrawn_in else ""
        panels = format_count(len(row.panels), "panel")
        output.print_text(f"{row.name}  {panels}  (revision {row.recorded_in}{withdrawn})")
        for position, panel in enumerate(row.panels):
            output.print_text(f"  {position:>2}  {panel}")


@detector.command("withdraw-name")
def withdraw_detector_name(
    ctx: Context, name: Name, comment: RequiredComment, dry_run: DryRun = False, json: Json = False
) -> None:
    """Withdraw the short name of a detector."""
    with open_from_context(ctx) as registry:
        outcome = registry.detectors.withdraw_name(name, comment=comment, dry_run=dry_run)
    reports.print_outcome(outcome, as_json=json)


@detector.command("list")
def list_configurations(
    ctx: Context,
    experiment: ExperimentFilter = None,
    every: IncludeWithdrawn = False,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the configurations."""
    with open_from_context(ctx, timezone) as registry:
        rows = registry.detectors.list(experiment, withdrawn=every, as_of=as_of)
        known = () if rows or experiment is None else registry.detectors.list(as_of=as_of)
    if json:
        output.print_json(rows)
        return
    for row in rows:
        withdrawn = f", withdrawn in {row.withdrawn_in}" if row.withdrawn_in else ""
        output.print_text(
            f"{row.experiment}  {row.source}  runs {row.runs}  (revision {row.recorded_in}{withdrawn})"
        )
        for segment, panel in zip(_label_segments(row.panels, row.segments), row.panels, strict=True):
            output.print_text(f"  {segment:>2}  {panel}")
        if not row.panels:
            output.print_text(f"  {row.object_name}: no panel Ids")
    _hint_if_empty(rows, {row.experiment for row in known}, experiment, "detector list", as_of)


@detector.command("show")
def show_detector(
    ctx: Context,
    dataset: Dataset,
    source: Source = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Show which panels were read out in a run, in segment order."""
    with open_from_context(ctx, timezone) as registry:
        answer = registry.detectors.show(dataset, source=source, as_of=as_of)
    output.print_answer(answer, _print_detector, as_json=json)


def _print_detector(answer: Detector) -> None:
    output.print_fields(
        experiment=answer.experiment,
        run=answer.run,
        source=answer.source,
        begin=answer.begin or "not known",
        panels=None if answer.panels else f"not known: {answer.object_name} carries no panel Ids",
    )
    if answer.panels:
        rows = zip(_label_segments(answer.panels, answer.segments), answer.panels, strict=True)
        output.print_table(("segment", "panel"), list(rows))
    if answer.panels and answer.segments is None:
        output.print_notes(notes=["the segment numbers of these panels were not stated"])


def _label_segments(panels: Sequence[str], segments: Sequence[int] | None) -> list[str]:
    """Return the segment numbers as texts, a question mark where they are not known."""
    return ["?"] * len(panels) if segments is None else [str(number) for number in segments]
