"""``calreg identify``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.options import AsOf, Json, Timezone, open_from_context

if TYPE_CHECKING:
    from registry.records import IdentifiedPart, Identity, Version


def identify(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file.")],
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Identify a file by its content.

    The answer is the constants and versions that contain it, or the export that wrote it; for another array, the
    constants that it holds, panel by panel.
    """
    with open_from_context(ctx, timezone) as registry:
        identity = registry.identify(file, as_of=as_of)
    output.print_answer(identity, _print_identity, as_json=json)


def _print_identity(identity: Identity) -> None:
    output.print_text(f"sha256 {identity.sha256}")
    for row in identity.inputs:
        output.print_text(f"{row.kind} of gain range {row.gain_range} in constants {row.constants}")
        _print_versions(row.versions)
    if identity.converted:
        output.print_text("the maker's file from which constants were converted")
        _print_versions(identity.converted)
    for file in identity.exports:
        export = f"{file.type} of export {file.export}, at {file.instant}, as of revision {file.revision}"
        output.print_text(export)
        output.print_text(f"  written {file.recorded_at} by {file.author} to {file.path}")
        output.print_text(f"  detector {file.detector_id}")
    if identity.parts:
        _print_parts(identity.parts)


def _print_versions(versions: Iterable[Version]) -> None:
    rows = [
        (version.version, version.panel, version.alias, version.valid_from, _format_withdrawal(version))
        for version in versions
    ]
    output.print_table(("version", "panel", "alias", "valid from", ""), rows, indent="  ")


def _print_parts(parts: Iterable[IdentifiedPart]) -> None:
    output.print_text("not written by a recorded export; identified by the values of its panels:")
    headings = ("array", "position", "gain range", "is", "of gain range", "constants", "versions")
    output.print_table(headings, [row for part in parts for row in _format_part(part)], indent="  ")


def _format_part(part: IdentifiedPart) -> list[tuple[object, ...]]:
    where = (part.type, part.position, part.gain_range)
    if not part.inputs:
        return [(*where, "not registered", "", "", "")]
    return [
        (*where, row.kind, row.gain_range, row.constants[:16], _format_versions(row.versions))
        for row in part.inputs
    ]


def _format_versions(versions: Iterable[Version]) -> str:
    return ", ".join(
        f"{version.version} of {version.panel} {_format_withdrawal(version)}".rstrip() for version in versions
    )


def _format_withdrawal(version: Version) -> str:
    return f"withdrawn in {version.withdrawn_in}" if version.withdrawn_in else ""
