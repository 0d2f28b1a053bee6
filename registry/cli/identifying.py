"""``calreg identify``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.options import AsOf, Json, Timezone, open_from_context

if TYPE_CHECKING:
    from registry.records import IdentifiedInput, IdentifiedPart, Identity, Version


def identify(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Any file.")],
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Tell by its content what a file is.

    Which constants and versions it stands in, or which export wrote it; of an array that no export wrote, which
    panels' constants it holds.
    """
    with open_from_context(ctx, timezone) as registry:
        found = registry.identify(file, as_of=as_of)
    if json:
        output.print_json(found)
    else:
        _print_identity(found)


def _print_identity(found: Identity) -> None:
    output.print_text(f"sha256 {found.sha256}")
    for each in found.inputs:
        output.print_text(f"{each.kind} of gain range {each.gain_range} in constants {each.constants}")
        _print_versions(each.versions)
    if found.converted:
        output.print_text("the maker's file from which constants were converted")
        _print_versions(found.converted)
    for export_ in found.exports:
        output.print_text(
            f"{export_.type} of export {export_.export}, at {export_.instant}, as of revision {export_.revision}"
        )
        output.print_text(f"  written {export_.recorded_at} by {export_.author} to {export_.path}")
        output.print_text(f"  detector {export_.detector_id}")
    if found.parts:
        _print_parts(found.parts)


def _print_versions(versions: Iterable[Version]) -> None:
    rows = [
        (version.version, version.panel, version.alias, version.valid_from, _format_withdrawal(version))
        for version in versions
    ]
    output.print_table(("version", "panel", "alias", "valid from", ""), rows, indent="  ")


def _print_parts(parts: Iterable[IdentifiedPart]) -> None:
    output.print_text("written by no recorded export; by the values of its panels:")
    headings = ("array", "position", "gain range", "is", "of gain range", "constants", "versions")
    output.print_table(headings, [row for part in parts for row in _format_part(part)], indent="  ")


def _format_part(part: IdentifiedPart) -> list[tuple[object, ...]]:
    place = (part.type, part.position, part.gain_range)
    if not part.inputs:
        return [(*place, "not registered", "", "", "")]
    return [
        (*place, each.kind, each.gain_range, each.constants[:16], _format_versions(each))
        for each in part.inputs
    ]


def _format_versions(found: IdentifiedInput) -> str:
    return ", ".join(
        f"{version.version} of {version.panel} {_format_withdrawal(version)}".rstrip()
        for version in found.versions
    )


def _format_withdrawal(version: Version) -> str:
    return f"withdrawn in {version.withdrawn_in}" if version.withdrawn_in else ""
