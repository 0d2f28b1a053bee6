"""``calreg repair``: damaged and missing files of the store, mended from a copy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output, reports
from registry.cli.options import Context, DryRun, Json, open_from_context
from registry.identifiers import shorten

if TYPE_CHECKING:
    from registry.records import Repair

_LINES_SHOWN = 100


def repair(
    ctx: Context,
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="DIR|BUCKET", help="A backup, or the store of any copy of the registry."
        ),
    ],
    everything: Annotated[
        bool, typer.Option("--all", help="Bring also what a partial snapshot has left out.")
    ] = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Mend damaged or missing stored files from a backup or another copy.

    Everything is verified first. Only bytes with the recorded checksums are taken, and nothing is recorded.
    """
    with open_from_context(ctx) as registry:
        result = registry.repair(
            source, dry_run=dry_run, everything=everything, progress=output.show_progress
        )
    output.print_answer(result, _print_repair, as_json=json)
    reports.end_with_problems(reports.list_remaining_problems(result))


def _print_repair(result: Repair) -> None:
    done = "would be mended" if result.dry_run else "mended"
    unmended = f", {len(result.unmended)} not" if result.unmended else ""
    output.print_text(f"{result.checked} checked, {len(result.mended)} {done}{unmended}")
    if result.head is not None:
        output.print_text(f"head {result.head}")
    lines = [
        f"  {file.path}: {done}, {'is' if result.dry_run else 'was'} {file.was}; it is"
        f" {shorten(list(map(str, file.uses))) or 'of no version'}"
        for file in result.mended
    ]
    lines += [f"  {file.path}: not mended: {file.problem}" for file in result.unmended]
    lines += [f"  {problem.path}: {problem.problem}" for problem in result.problems]
    for line in lines[:_LINES_SHOWN]:
        output.print_text(line)
    if len(lines) > _LINES_SHOWN:
        output.print_text(f"... and {len(lines) - _LINES_SHOWN} more; --json lists all")
