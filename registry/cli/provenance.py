"""``calreg identify`` and ``calreg provenance``: where files come from."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output, reports
from registry.cli.application import create_group
from registry.cli.documents import print_document
from registry.cli.exports import Folder, Force, print_export
from registry.cli.options import AsOf, Context, Json, Timezone, open_from_context
from registry.errors import RequestError
from registry.identifiers import is_dataset, quote

if TYPE_CHECKING:
    from registry.records import IdentifiedPart, Identity, SensorMatch, Version

provenance = create_group(help="The document that explains an export.")

File = Annotated[Path, typer.Argument(metavar="FILE", help="A provenance document.")]

_FORMATS = ("text", "json", "prov-json")


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
        print_document(document)


@provenance.command("replay")
def replay_export(ctx: Context, file: File, folder: Folder, force: Force = False, json: Json = False) -> None:
    """Repeat an export: write the same bytes, or refuse.

    Only the document and the store are read, not the database.
    """
    from registry.api.replays import replay

    result = replay(file, folder, ctx.obj.database, ctx.obj.store, force=force, progress=output.show_progress)
    output.print_answer(result, print_export, as_json=json)


@provenance.command("verify")
def verify_provenance(ctx: Context, file: File, json: Json = False) -> None:
    """Verify that an export is what its document says.

    This checks its outputs, its inputs in the store, and the registry's answer.
    """
    from registry.api.export_verification import verify_export

    reports.report_verification(verify_export(file, ctx.obj.database, ctx.obj.store), as_json=json)


def identify(
    ctx: Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file; or a run, which is shown.")],
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Identify a file by its content.

    The answer is the constants and versions that contain it, or the export that wrote it; for another array, the
    constants that it holds, panel by panel; for an unknown gain map, the sensor that it looks like.
    """
    with open_from_context(ctx, timezone) as registry:
        if is_dataset(str(file)) and not file.exists():
            from registry.cli.show import print_subject

            print_subject(registry.show(str(file), as_of=as_of), as_json=json)
            return
        identity = registry.identify(file, as_of=as_of)
    output.print_answer(identity, print_identity, as_json=json)


def print_identity(identity: Identity) -> None:
    """Print where the content of a file is known from."""
    output.print_text(f"sha256 {identity.sha256}")
    for row in identity.inputs:
        output.print_text(f"{row.kind} of gain range {row.gain_range} in constants {row.constants}")
        _print_versions(row.versions)
    if identity.converted:
        output.print_text("the original file from which constants were converted")
        _print_versions(identity.converted)
    for file in identity.exports:
        export = f"{file.type} of export {file.export}, at {file.instant}, as of revision {file.revision}"
        output.print_text(export)
        output.print_text(f"  written {file.recorded_at} by {file.author} to {file.path}")
        output.print_text(f"  detector {file.detector_id}")
    if any(part.inputs for part in identity.parts):
        _print_parts(identity)
    if identity.looks_like:
        _print_sensors(identity)


def _print_versions(versions: Iterable[Version]) -> None:
    rows = [
        (version.version, version.panel, version.alias, version.valid_from, _format_withdrawal(version))
        for version in versions
    ]
    output.print_table(("version", "panel", "alias", "valid from", ""), rows, indent="  ")


def _print_parts(identity: Identity) -> None:
    known = "not written by a recorded export"
    if identity.upstream is not None:
        known = f"whether an export wrote it, only {identity.upstream} knows"
    output.print_text(f"{known}; identified by the values of its panels:")
    headings = ("position", "gain range", "is", "constants", "versions")
    for array, group in groupby(identity.parts, key=lambda part: part.type):
        if array is not None:
            output.print_text(f"  {array}")
        output.print_table(headings, [row for part in group for row in _format_part(part)], indent="  ")


def _print_sensors(identity: Identity) -> None:
    if len(identity.looks_like) == 1 and not identity.parts:
        output.print_text("not registered; by its pattern, it looks like this sensor:")
    else:
        output.print_text("by their patterns, the gain maps that are not registered look like these sensors:")
    headings = ("position", "looks like", "fit", "orientation", "versions")
    output.print_table(headings, map(_format_match, identity.looks_like), indent="  ")
    mixed_up = {
        " and ".join(sorted((match.module or "", *match.other_modules)))
        for match in identity.looks_like
        if match.other_modules
    }
    output.print_notes(
        warnings=[
            f"maps of the same sensor are live for {modules}; calreg verify --patterns lists such mix-ups"
            for modules in sorted(mixed_up)
        ]
    )


def _format_match(match: SensorMatch) -> tuple[object, ...]:
    fit = "" if match.correlation is None else f"{match.correlation:.2f}"
    if match.module is None:
        return match.position, "none" if match.correlation is not None else "no pattern", fit, "", ""
    versions = ", ".join(map(str, match.versions))
    return match.position, match.module, fit, match.orientation, f"{versions} of {match.panel}"


def _format_part(part: IdentifiedPart) -> list[tuple[object, ...]]:
    where = (part.position, part.gain_range)
    if not part.inputs:
        return [(*where, "", "", "not registered")]
    return [
        (*where, f"{row.kind} {row.gain_range}", row.constants[:8], _format_versions(row.versions))
        for row in part.inputs
    ]


def _format_versions(versions: Iterable[Version]) -> str:
    return ", ".join(
        f"{version.version} of {version.panel} {_format_withdrawal(version)}".rstrip() for version in versions
    )


def _format_withdrawal(version: Version) -> str:
    return f"withdrawn in {version.withdrawn_in}" if version.withdrawn_in else ""
