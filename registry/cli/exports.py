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
    from registry.records import Export

provenance = create_group(help="The document that explains an export.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="A provenance document.")]

_FORMATS = ("text", "json", "prov-json")


def export(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="DATASET|DETECTOR_ID", help="exp=xcsls3716:run=631, or panel Ids joined by _."
        ),
    ],
    folder: Annotated[Path, typer.Option("--output", metavar="DIR", help="Where to write.")],
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
            help="psana, lcls2: good from this run on; default: DATASET's.",
        ),
    ] = None,
    last_run: Annotated[
        int | None,
        typer.Option(
            "--last-run", min=0, metavar="RUN", help="psana, lcls2: good up to this run; default: to the end."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    json: Json = False,
) -> None:
    """Write the constants of a run or a detector.

    The provenance document is written beside the arrays.
    """
    with open_from_context(ctx, timezone) as registry:
        done = registry.export(
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
    _print_export(done, as_json=json)


def _print_export(done: Export, *, as_json: bool) -> None:
    if as_json:
        output.print_json(done)
    else:
        rows = [(each.type, each.dtype, each.shape, each.path) for each in done.outputs]
        output.print_table(("type", "dtype", "shape", "path"), rows)
        output.print_text(f"provenance {done.provenance}, of {done.instant}, as of revision {done.revision}")
    output.print_notes(done.notes, done.warnings)


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
        known = ", ".join(_FORMATS)
        raise RequestError(f"{quote(format)} is no format of a provenance document; known: {known}")
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
    folder: Annotated[Path, typer.Option("--output", metavar="DIR", help="Where to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    json: Json = False,
) -> None:
    """Make an export again: the same bytes, or a refusal.

    From the document and the store alone; the database is not asked.
    """
    from registry.api.replays import replay

    _print_export(
        replay(file, folder, ctx.obj.database, ctx.obj.store, force=force, progress=output.show_progress),
        as_json=json,
    )


def _describe_export(document: Document) -> Iterator[tuple[str, str]]:
    """Return what the document says of the whole export, line by line."""
    asked, answered = document.request, document.resolution
    yield "request", asked.target + (f", source {asked.source}" if asked.source else "")
    yield "constants of", f"{answered.instant} ({answered.instant_is})"
    yield "answered by", f"registry {document.registry.id}, revision {document.registry.revision}"
    yield "made", f"{document.created_at} by {document.created_by.author} on {document.created_by.host}"
    yield "command", document.created_by.command
    yield "software", ", ".join(f"{name} {version}" for name, version in document.software.items())
    if answered.run:
        begin = answered.run.begin or "not known"
        yield "run", f"{answered.run.experiment} {answered.run.run}, begin {begin}"
    if answered.configuration:
        found = answered.configuration
        runs = f"{found.first_run}-{'end' if found.last_run is None else found.last_run}"
        yield "detector", f"{found.source} in {found.experiment}, runs {runs}"
    if document.deployment:
        yield "files for", f"runs {document.deployment.runs} of {document.deployment.source}"


def _print_document(document: Document) -> None:
    answered = document.resolution
    for name, value in _describe_export(document):
        output.print_text(f"{name:<13} {value}")
    for panel in answered.panels:
        output.print_text()
        output.print_text(f"segment {panel.position}: {panel.panel}  {panel.alias or ''}".rstrip())
        for constants in panel.constants:
            start = constants.valid_from or "beginning"
            end = f"until {constants.valid_to}" if constants.valid_to else "still valid"
            output.print_text(f"  {constants.kind}: version {constants.version}, valid from {start}, {end}")
            stamp = constants.registered
            why = f": {stamp.comment}" if stamp.comment else ""
            output.print_text(
                f"    registered in revision {stamp.revision}, {stamp.recorded_at}, {stamp.author}{why}"
            )
            if constants.conversion:
                made = constants.conversion
                output.print_text(f"    converted from {made.file}, sha256 {made.sha256}")
            rows = [
                (
                    file.gain_range,
                    _format_number(file.statistics.median),
                    file.statistics.zeros,
                    file.sha256[:16],
                )
                for file in constants.files
            ]
            output.print_table(("gain range", "median", "zeros", "sha256"), rows, indent="    ")
    output.print_text()
    written = [
        (each.type, each.unit, each.dtype, each.shape, (each.sha256 or "")[:16]) for each in document.outputs
    ]
    output.print_table(("output", "unit", "dtype", "shape", "sha256"), written)
    for warning in document.warnings:
        output.print_text(f"warning: {warning}")


def _format_number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


@provenance.command("verify")
def verify_provenance(ctx: typer.Context, file: File, json: Json = False) -> None:
    """Prove that an export is what its document says.

    Its outputs, its inputs in the store, and the registry's answer.
    """
    from registry.api.export_verification import verify_export

    report_verification(verify_export(file, ctx.obj.database, ctx.obj.store), as_json=json)
