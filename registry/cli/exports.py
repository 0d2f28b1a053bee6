"""``calreg export`` and ``calreg provenance``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.application import create_group
from registry.cli.options import AsOf, At, Json, Source, Timezone, Types, open_from_context
from registry.cli.reports import report_verification
from registry.errors import RequestError
from registry.identifiers import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.provenance import Document
    from registry.provenance.document import InputConstants
    from registry.records import Export

provenance = create_group(help="The document that explains an export.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="A provenance document.")]
Folder = Annotated[Path, typer.Option("--output", metavar="DIR", help="The folder to write to.")]
Force = Annotated[bool, typer.Option("--force", help="Replace existing files.")]

_FORMATS = ("text", "json", "prov-json")


def export(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="DATASET|DETECTOR_ID", help="exp=xcsls3716:run=631, or panel Ids joined by _."
        ),
    ],
    folder: Folder,
    source: Source = None,
    at: At = None,
    types: Types = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    format: Annotated[  # noqa: A002 - the option's name
        str, typer.Option(metavar="npy|psana|lcls2|hdf5", help="psana: a calibration directory.")
    ] = "npy",
    first_run: Annotated[
        int | None,
        typer.Option(
            "--first-run",
            min=0,
            metavar="RUN",
            help="psana, lcls2: valid from this run on; default: DATASET's.",
        ),
    ] = None,
    last_run: Annotated[
        int | None,
        typer.Option(
            "--last-run", min=0, metavar="RUN", help="psana, lcls2: valid up to this run; default: open."
        ),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Write the constants of a run or a detector.

    The provenance document is written beside the arrays.
    """
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
            force=force,
            progress=output.show_progress,
        )
    _report_export(result, as_json=json)


def _report_export(result: Export, *, as_json: bool) -> None:
    output.print_answer(result, _print_export, as_json=as_json)
    output.print_notes(result.notes, result.warnings)


def _print_export(result: Export) -> None:
    rows = [(row.type, row.dtype, row.shape, row.path) for row in result.outputs]
    output.print_table(("type", "dtype", "shape", "path"), rows)
    output.print_text(
        f"provenance {result.provenance}, of {result.instant}, as of revision {result.revision}"
    )


@provenance.command("show")
def show_provenance(
    file: File,
    format: Annotated[  # noqa: A002 - the option's name
        str, typer.Option(metavar="text|json|prov-json", help="prov-json: W3C PROV.")
    ] = "text",
    json: Json = False,
) -> None:
    """Show a provenance document."""
    from registry.provenance import encode, prov_json, read

    if format not in _FORMATS:
        raise RequestError(
            f"{quote(format)} is not a format of provenance documents; known: {', '.join(_FORMATS)}"
        )
    document = read(file)
    if format == "prov-json":
        typer.echo(prov_json.build_prov_json(document), nl=False)
    elif json or format == "json":
        typer.echo(encode(document), nl=False)
    else:
        _print_document(document)


@provenance.command("replay")
def replay_export(
    ctx: typer.Context,
    file: File,
    folder: Folder,
    force: Force = False,
    json: Json = False,
) -> None:
    """Repeat an export: write the same bytes, or refuse.

    Only the document and the store are read, not the database.
    """
    from registry.api.replays import replay

    result = replay(file, folder, ctx.obj.database, ctx.obj.store, force=force, progress=output.show_progress)
    _report_export(result, as_json=json)


def _describe_export(document: Document) -> Iterator[tuple[str, str]]:
    """Yield names and values that describe the export as a whole."""
    request, resolution, origin = document.request, document.resolution, document.created_by
    yield "request", request.target + (f", source {request.source}" if request.source else "")
    yield "constants of", f"{resolution.instant} ({resolution.instant_is})"
    yield "answered by", f"registry {document.registry.id}, revision {document.registry.revision}"
    yield "written", f"{document.created_at} by {origin.author} on {origin.host}"
    yield "command", origin.command
    yield "software", ", ".join(f"{name} {version}" for name, version in document.software.items())
    if run := resolution.run:
        yield "run", f"{run.experiment} {run.run}, begin {run.begin or 'not known'}"
    if configuration := resolution.configuration:
        last = "end" if configuration.last_run is None else configuration.last_run
        runs = f"{configuration.first_run}-{last}"
        yield "detector", f"{configuration.source} in {configuration.experiment}, runs {runs}"
    if document.deployment:
        yield "files for", f"runs {document.deployment.runs} of {document.deployment.source}"


def _print_document(document: Document) -> None:
    output.print_fields(_describe_export(document))
    for panel in document.resolution.panels:
        output.print_text()
        output.print_text(f"segment {panel.position}: {panel.panel}  {panel.alias or ''}".rstrip())
        for constants in panel.constants:
            _print_constants(constants)
    output.print_text()
    rows = [(row.type, row.unit, row.dtype, row.shape, (row.sha256 or "")[:16]) for row in document.outputs]
    output.print_table(("output", "unit", "dtype", "shape", "sha256"), rows)
    for warning in document.warnings:
        output.print_text(f"warning: {warning}")


def _print_constants(constants: InputConstants) -> None:
    start = constants.valid_from or "beginning"
    end = f"until {constants.valid_to}" if constants.valid_to else "still valid"
    output.print_text(f"  {constants.kind}: version {constants.version}, valid from {start}, {end}")
    stamp = constants.registered
    comment = f": {stamp.comment}" if stamp.comment else ""
    registered = f"revision {stamp.revision}, {stamp.recorded_at}, {stamp.author}{comment}"
    output.print_text(f"    registered in {registered}")
    if constants.conversion:
        output.print_text(
            f"    converted from {constants.conversion.file}, sha256 {constants.conversion.sha256}"
        )
    rows = [
        (row.gain_range, _format_number(row.statistics.median), row.statistics.zeros, row.sha256[:16])
        for row in constants.files
    ]
    output.print_table(("gain range", "median", "zeros", "sha256"), rows, indent="    ")


def _format_number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


@provenance.command("verify")
def verify_provenance(ctx: typer.Context, file: File, json: Json = False) -> None:
    """Verify that an export is what its document says.

    This checks its outputs, its inputs in the store, and the registry's answer.
    """
    from registry.api.export_verification import verify_export

    report_verification(verify_export(file, ctx.obj.database, ctx.obj.store), as_json=json)
