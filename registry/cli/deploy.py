"""``calreg deploy``: the calibration directory of an experiment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.exports import Force
from registry.cli.options import AsOf, Context, DryRun, Json, Source, Timezone, Types, open_from_context
from registry.cli.quiet import is_quiet
from registry.errors import ConflictError, RequestError
from registry.run_ranges import format_runs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.records import Deployment, DeploymentCheck, ReadRuns


def deploy(
    ctx: Context,
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="The experiment.")],
    folder: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="The calibration directory to write to."),
    ] = None,
    check: Annotated[
        Path | None, typer.Option("--check", metavar="DIR", help="The calibration directory to check.")
    ] = None,
    source: Source = None,
    types: Types = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    dry_run: DryRun = False,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write or check the constants of all runs of an experiment.

    With --output, every calibration type gets one file per range of runs with the same constants. With --check,
    the answer is for every recorded run the file that the analysis framework reads, and whether it is the right
    one; the exit code is 5 if one is not.
    """
    if (folder is None) == (check is None):
        raise RequestError("give --output to write a calibration directory, or --check to check one")
    if check is not None and (dry_run or force):
        raise RequestError("--check writes nothing: it goes neither with --dry-run nor with --force")
    with open_from_context(ctx, timezone) as registry:
        if folder is not None:
            done = registry.deploy(
                experiment,
                folder,
                source=source,
                types=types,
                as_of=as_of,
                dry_run=dry_run,
                force=force,
                progress=output.show_progress,
            )
            output.print_answer(done, _print_deployment, as_json=json)
            return
        checked = registry.check_deployment(
            experiment, check or "", source=source, types=types, as_of=as_of, progress=output.show_progress
        )
    output.print_answer(checked, _print_check, as_json=json)
    if not checked.is_right:
        if is_quiet():
            raise ConflictError.combine("ranges of runs without the right file", _list_wrong_files(checked))
        raise typer.Exit(ConflictError.code)


def _print_deployment(deployment: Deployment) -> None:
    several = len({row.source for row in deployment.files}) > 1
    rows = [
        (
            row.type,
            f"{row.first_run}-{'end' if row.last_run is None else row.last_run}",
            row.action,
            f"{row.source}" if several else "",
        )
        for row in deployment.files
    ]
    if rows:
        output.print_table(("type", "runs", "file", ""), rows)
    for left_out in deployment.left_out:
        output.print_folded(
            f"no file for {_format_runs(left_out.runs)} of {left_out.source}: {left_out.reason}"
        )
    if not rows:
        output.print_text("no run of the experiment has constants")
    effect = "dry run: nothing was written" if deployment.dry_run else f"in {deployment.folder}"
    output.print_text(f"{effect}, as of revision {deployment.revision}")


def _print_check(check: DeploymentCheck) -> None:
    several = len({row.source for row in check.runs}) > 1
    rows = [
        (
            row.type,
            _format_ranges(row.runs),
            row.verdict,
            _format_file(row),
            *([row.source] if several else []),
            row.reason,
        )
        for row in check.runs
    ]
    output.print_table(("type", "runs", "is", "file", *(["source"] if several else []), ""), rows)
    output.print_text(f"as of revision {check.revision}")


def _list_wrong_files(check: DeploymentCheck) -> list[str]:
    return [
        f"{row.type} of {_format_ranges(row.runs)} from {row.source} is {row.verdict}: {row.reason}"
        for row in check.runs
        if row.verdict != "right"
    ]


def _format_file(row: ReadRuns) -> str:
    return "none" if row.path is None else Path(row.path).name


def _format_runs(ranges: Iterable[tuple[int, int]]) -> str:
    numbers = [run for first, last in ranges for run in range(first, last + 1)]
    return f"{'run' if len(numbers) == 1 else 'runs'} {format_runs(numbers)}"


def _format_ranges(ranges: Iterable[tuple[int, int]]) -> str:
    return format_runs(run for first, last in ranges for run in range(first, last + 1))
