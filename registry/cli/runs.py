"""``calreg run`` and ``calreg detector``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.application import create_group
from registry.cli.options import (
    AsOf,
    Comment,
    DryRun,
    IncludeWithdrawn,
    Json,
    RequiredComment,
    Source,
    Supersede,
    Timezone,
    open_from_context,
)
from registry.cli.reports import print_outcome
from registry.identifiers import suggestion

if TYPE_CHECKING:
    from registry.records import Configuration, Run

run = create_group(help="Runs, and when they began.")
detector = create_group(help="Which panels answered for a source, over which runs.")

Dataset = Annotated[str, typer.Argument(metavar="DATASET", help="As in exp=xcsls3716:run=631.")]
Experiment = Annotated[str, typer.Argument(metavar="EXPERIMENT", help="As in xcsls3716.")]
FullSource = Annotated[str, typer.Argument(metavar="SOURCE", help="As in XcsEndstation.0:Jungfrau.0.")]
ExperimentFilter = Annotated[
    str | None, typer.Option("--experiment", metavar="E", help="Of this experiment only.")
]
FirstRun = Annotated[int, typer.Option("--first-run", metavar="RUN", help="The first run.")]
LastRun = Annotated[
    int | None, typer.Option("--last-run", metavar="RUN", help="The last run; default: open.")
]


@run.command("import")
def import_runs(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table of datasets, or a logbook's list of runs (JSON).")
    ],
    experiment: Annotated[
        str | None,
        typer.Option(
            "--experiment", metavar="E", help="Whose runs the logbook lists; a table says it itself."
        ),
    ] = None,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record the runs and detectors that a file lists.

    A table of datasets has both; a logbook's list has the runs of one experiment, and when they began.
    """
    with open_from_context(ctx) as registry:
        if experiment is None:
            outcome = registry.runs.import_table(file, comment=comment, dry_run=dry_run)
        else:
            outcome = registry.runs.import_logbook(file, experiment, comment=comment, dry_run=dry_run)
    print_outcome(outcome, as_json=json)


@run.command("add")
def add_run(
    ctx: typer.Context,
    dataset: Dataset,
    begin: Annotated[str, typer.Option(metavar="T", help="When it began.")],
    end: Annotated[str | None, typer.Option(metavar="T", help="When it ended.")] = None,
    timezone: Timezone = None,
    supersede: Supersede = False,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record when a run began."""
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.runs.add(
            dataset, begin=begin, end=end, supersede=supersede, comment=comment, dry_run=dry_run
        )
    print_outcome(outcome, as_json=json)


@run.command("withdraw")
def withdraw_run(
    ctx: typer.Context,
    dataset: Dataset,
    comment: RequiredComment,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Withdraw what is known of a run."""
    with open_from_context(ctx) as registry:
        outcome = registry.runs.withdraw(dataset, comment=comment, dry_run=dry_run)
    print_outcome(outcome, as_json=json)


@run.command("list")
def list_runs(
    ctx: typer.Context,
    experiment: ExperimentFilter = None,
    every: IncludeWithdrawn = False,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the registered runs."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.runs.list(experiment, withdrawn=every, as_of=as_of)
        known = () if found or experiment is None else registry.runs.list(as_of=as_of)
    if json:
        output.print_json(found)
    else:
        headings = ("experiment", "run", "begin", "end", "revision", *(("withdrawn in",) if every else ()))
        rows = [
            (
                each.experiment,
                each.run,
                each.begin or "not known",
                each.end,
                each.recorded_in,
                each.withdrawn_in,
            )
            for each in found
        ]
        output.print_table(headings, [row[: len(headings)] for row in rows])
        _hint_if_empty(found, known, experiment, "run list", as_of)


@run.command("show")
def show_run(
    ctx: typer.Context, dataset: Dataset, as_of: AsOf = None, timezone: Timezone = None, json: Json = False
) -> None:
    """Show a registered run."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.runs.show(dataset, as_of=as_of)
    if json:
        output.print_json(found)
        return
    output.print_text(f"experiment   {found.experiment}")
    output.print_text(f"run          {found.run}")
    output.print_text(f"begin        {found.begin or 'not known'}")
    output.print_text(f"end          {found.end or 'not known'}")
    output.print_text(f"recorded in  revision {found.recorded_in}")


def _hint_if_empty(
    found: Sequence[object],
    known: Iterable[Run | Configuration],
    experiment: str | None,
    verb: str,
    as_of: str | None,
) -> None:
    experiments = {each.experiment for each in known}
    if experiment is not None and experiments:
        near = suggestion(experiment, experiments)
        output.print_notes(notes=[f"nothing of experiment {experiment} is recorded{near}"])
    else:
        output.hint_if_empty(found, verb, as_of=as_of)


@detector.command("configure")
def configure(
    ctx: typer.Context,
    experiment: Experiment,
    source: FullSource,
    detector_id: Annotated[
        str, typer.Argument(metavar="DETECTOR_ID", help="Panel Ids joined by _, in segment order.")
    ],
    first_run: FirstRun,
    last_run: LastRun = None,
    supersede: Supersede = False,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record which panels answered, over which runs."""
    with open_from_context(ctx) as registry:
        outcome = registry.detectors.configure(
            experiment,
            source,
            detector_id,
            first_run=first_run,
            last_run=last_run,
            supersede=supersede,
            comment=comment,
            dry_run=dry_run,
        )
    print_outcome(outcome, as_json=json)


@detector.command("withdraw")
def withdraw_configuration(
    ctx: typer.Context,
    experiment: Experiment,
    source: FullSource,
    first_run: FirstRun,
    comment: RequiredComment,
    last_run: LastRun = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Withdraw the configuration that begins with a run."""
    with open_from_context(ctx) as registry:
        outcome = registry.detectors.withdraw(
            experiment, source, first_run=first_run, last_run=last_run, comment=comment, dry_run=dry_run
        )
    print_outcome(outcome, as_json=json)


@detector.command("list")
def list_configurations(
    ctx: typer.Context,
    experiment: ExperimentFilter = None,
    every: IncludeWithdrawn = False,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the configurations."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.detectors.list(experiment, withdrawn=every, as_of=as_of)
        known = () if found or experiment is None else registry.detectors.list(as_of=as_of)
    if json:
        output.print_json(found)
        return
    for each in found:
        withdrawn = f", withdrawn in {each.withdrawn_in}" if each.withdrawn_in else ""
        output.print_text(
            f"{each.experiment}  {each.source}  runs {each.runs}  (revision {each.recorded_in}{withdrawn})"
        )
        for panel in each.panels:
            output.print_text(f"  {panel}")
        if not each.panels:
            output.print_text(f"  {each.object_name}: no panel Ids")
    _hint_if_empty(found, known, experiment, "detector list", as_of)


@detector.command("show")
def show_detector(
    ctx: typer.Context,
    dataset: Dataset,
    source: Source = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Show which panels answered in a run, in segment order."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.detectors.show(dataset, source=source, as_of=as_of)
    if json:
        output.print_json(found)
        return
    output.print_text(f"experiment  {found.experiment}")
    output.print_text(f"run         {found.run}")
    output.print_text(f"source      {found.source}")
    output.print_text(f"begin       {found.begin or 'not known'}")
    if found.panels:
        rows = [(position, panel) for position, panel in enumerate(found.panels)]
        output.print_table(("segment", "panel"), rows)
    else:
        output.print_text(f"panels      not known: {found.object_name} carries no panel Ids")
