"""``calreg export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.conditions import Condition, add_condition
from registry.cli.options import AsOf, At, Context, Json, Source, Timezone, Types, open_from_context
from registry.detectors import format_segment_numbers

if TYPE_CHECKING:
    from registry.records import Export

Folder = Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="The folder to write to.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace existing files.")]


def export(
    ctx: Context,
    target: Annotated[
        str, typer.Argument(metavar="DATASET|DETECTOR_ID", help="A run, or panel Ids joined by _.")
    ],
    folder: Folder,
    source: Source = None,
    at: At = None,
    types: Types = None,
    condition: Condition = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    format: Annotated[  # noqa: A002 - the option's name
        str, typer.Option(metavar="npy|psana|lcls2|hdf5", help="psana: a calibration directory.")
    ] = "npy",
    first_run: Annotated[
        int | None,
        typer.Option(min=0, metavar="RUN", help="psana, lcls2: valid from this run on; default: DATASET's."),
    ] = None,
    last_run: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="RUN", help="psana, lcls2: valid up to this run; default: as long as known."
        ),
    ] = None,
    short_name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="lcls2: the detector's number, jungfrau_000003; default: as recorded."
        ),
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="EXPERIMENT", help="lcls2: whose runs, with a DETECTOR_ID.")
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write the constants of a run or a detector.

    The provenance document is written beside the arrays.
    """
    _, types = add_condition(condition, None, types)
    with open_from_context(ctx, timezone) as registry:
        result = registry.export(
            target,
            folder,
            source=source,
            at=at,
            types=types,
            as_of=as_of,
            format=format,
            first_run=first_run,
            last_run=last_run,
            short_name=short_name,
            experiment=experiment,
            force=force,
            progress=output.show_progress,
        )
    output.print_answer(result, print_export, as_json=json)


def print_export(result: Export) -> None:
    """Print the files that an export wrote."""
    rows = [(row.type, row.dtype, row.shape, row.path) for row in result.outputs]
    output.print_table(("type", "dtype", "shape", "path"), rows)
    if result.absent_segments:
        absent = format_segment_numbers(result.absent_segments)
        output.print_text(f"absent segments, zeros in the arrays: {absent}")
    output.print_text(
        f"provenance {result.provenance}, of {result.instant}, as of revision {result.revision}"
    )
