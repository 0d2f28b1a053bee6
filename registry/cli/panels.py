"""``calreg panel``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from registry.cli import output, reports
from registry.cli.application import create_group
from registry.cli.names import read_names
from registry.cli.options import (
    AnyTime,
    AsOf,
    Comment,
    Context,
    DryRun,
    Json,
    Names,
    SameModule,
    Timezone,
    open_from_context,
)
from registry.instants import format_range
from registry.records import Alias

panel = create_group(help="Panels, by panel Id.")

PanelId = Annotated[str, typer.Argument(metavar="PANEL_ID", help="170505-149520170815-3d00b0 for example.")]


@panel.command("add")
def add_panel(
    ctx: Context,
    panel_id: PanelId,
    alias: Annotated[str | None, typer.Option(metavar="M_NUMBER", help="The panel's M-number.")] = None,
    alias_from: Annotated[
        str, typer.Option(metavar="T", help="The start time of the M-number.")
    ] = "beginning",
    carry_from: Annotated[
        str | None,
        typer.Option(
            metavar="OLD_ID", help="Copy the versions that are valid for this panel at --valid-from."
        ),
    ] = None,
    valid_from: Annotated[
        str | None, typer.Option(metavar="T", help="The start time, with --carry-from.")
    ] = None,
    same_module: SameModule = False,
    timezone: Timezone = None,
    any_time: AnyTime = False,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record a panel.

    After a firmware upgrade, the constants of the old panel Id can be carried over.
    """
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.panels.add(
            panel_id,
            alias=alias,
            alias_from=alias_from,
            carry_from=carry_from,
            valid_from=valid_from,
            same_module=same_module,
            any_time=any_time,
            comment=comment,
            dry_run=dry_run,
        )
    reports.print_outcome(outcome, as_json=json)


@panel.command("list")
def list_panels(
    ctx: Context, names: Names = None, as_of: AsOf = None, timezone: Timezone = None, json: Json = False
) -> None:
    """List all panels, or those of M-numbers, detectors, runs or patterns."""
    with open_from_context(ctx, timezone) as registry:
        panels = registry.panels.list(read_names(names), as_of=as_of)
    if json:
        output.print_json(panels)
    else:
        rows = [(row.panel, row.alias, row.detector_type, row.recorded_in) for row in panels]
        output.print_table(("panel", "alias", "detector type", "revision"), rows)
        output.hint_if_empty(panels, "panel list", as_of=as_of)


@panel.command("show")
def show_panel(
    ctx: Context,
    name: Annotated[
        str, typer.Argument(metavar="PANEL", help="A panel Id, or an M-number: every panel under it.")
    ],
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Show a panel, its M-numbers and all its versions, the withdrawn ones too.

    Of an M-number --json prints a list.
    """
    from msgspec.structs import asdict

    with open_from_context(ctx, timezone) as registry:
        panels = registry.panels.list(name, as_of=as_of)
        aliases = registry.aliases.list(name, as_of=as_of)
        versions = registry.versions.list(name, withdrawn=True, as_of=as_of)
    shown = [
        {
            **asdict(record),
            "aliases": [alias for alias in aliases if alias.panel == record.panel],
            "versions": [version for version in versions if version.panel == record.panel],
        }
        for record in panels
    ]
    if json:
        output.print_json(shown[0] if shown[0]["panel"] == name else shown)
        return
    for number, fields in enumerate(shown):
        if number:
            output.print_text()
        output.print_fields(
            panel=fields["panel"],
            alias=_format_aliases(fields["aliases"]) or "none",
            detector_type=fields["detector_type"],
            recorded_in=f"revision {fields['recorded_in']}",
        )
        output.print_text()
        reports.print_versions(fields["versions"])


def _format_aliases(aliases: Sequence[Alias]) -> list[str]:
    """Return the M-numbers in the order of their starts, with these."""
    ordered = sorted(aliases, key=lambda alias: alias.valid_from)
    return [
        f"{alias.alias}{format_range(alias.valid_from, None)}{', the same module' if alias.same_module else ''}"
        for alias in ordered
    ]
