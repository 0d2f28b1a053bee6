"""``calreg panel`` and ``calreg alias``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from registry.cli import output, reports
from registry.cli.application import create_group
from registry.cli.options import (
    AnyTime,
    AsOf,
    Comment,
    Context,
    DryRun,
    IncludeWithdrawn,
    Json,
    RequiredComment,
    Timezone,
    open_from_context,
)
from registry.instants import format_range
from registry.records import Alias

panel = create_group(help="Panels, by panel Id.")
alias = create_group(help="M-numbers, and the panels that have them.")

PanelId = Annotated[str, typer.Argument(metavar="PANEL_ID", help="170505-149520170815-3d00b0 for example.")]
PanelIds = Annotated[list[str], typer.Argument(metavar="PANEL_ID...", help="Recorded panels.")]
MNumber = Annotated[str, typer.Argument(metavar="M_NUMBER", help="M068 for example.")]
SameModule = Annotated[
    bool,
    typer.Option("--same-module", help="It is the same module with another serial number; needs --comment."),
]


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
def list_panels(ctx: Context, as_of: AsOf = None, timezone: Timezone = None, json: Json = False) -> None:
    """List all panels."""
    with open_from_context(ctx, timezone) as registry:
        panels = registry.panels.list(as_of=as_of)
    if json:
        output.print_json(panels)
    else:
        rows = [(row.panel, row.alias, row.detector_type, row.recorded_in) for row in panels]
        output.print_table(("panel", "alias", "detector type", "revision"), rows)
        output.hint_if_empty(panels, "panel list", as_of=as_of)


@panel.command("show")
def show_panel(
    ctx: Context, panel_id: PanelId, as_of: AsOf = None, timezone: Timezone = None, json: Json = False
) -> None:
    """Show a panel, its M-numbers and all its versions, the withdrawn ones too."""
    from msgspec.structs import asdict

    with open_from_context(ctx, timezone) as registry:
        record = registry.panels.find(panel_id, as_of=as_of)
        aliases = registry.aliases.list(panel_id, as_of=as_of)
        versions = registry.versions.list(panel_id, withdrawn=True, as_of=as_of)
    if json:
        output.print_json({**asdict(record), "aliases": aliases, "versions": versions})
        return
    output.print_fields(
        panel=record.panel,
        alias=_format_aliases(aliases) or "none",
        detector_type=record.detector_type,
        recorded_in=f"revision {record.recorded_in}",
    )
    output.print_text()
    reports.print_versions(versions)


def _format_aliases(aliases: Sequence[Alias]) -> str:
    """Return the M-numbers in the order of their starts, with these."""
    ordered = sorted(aliases, key=lambda alias: alias.valid_from)
    return ", ".join(f"{alias.alias}{format_range(alias.valid_from, None)}" for alias in ordered)


@alias.command("add")
def add_alias(
    ctx: Context,
    m_number: MNumber,
    panel_ids: PanelIds,
    valid_from: Annotated[
        str, typer.Option(metavar="T", help="When the panels begin to bear it.")
    ] = "beginning",
    same_module: SameModule = False,
    timezone: Timezone = None,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record the M-number of panels.

    They bear it until the start time of their next M-number, and inherit no versions.
    """
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.aliases.add(
            m_number,
            panel_ids,
            valid_from=valid_from,
            same_module=same_module,
            comment=comment,
            dry_run=dry_run,
        )
    reports.print_outcome(outcome, as_json=json)


@alias.command("list")
def list_aliases(
    ctx: Context,
    every: IncludeWithdrawn = False,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the M-numbers and the panels that have them."""
    with open_from_context(ctx, timezone) as registry:
        aliases = registry.aliases.list(withdrawn=every, as_of=as_of)
    if json:
        output.print_json(aliases)
    else:
        rows = [
            (row.alias, row.panel, row.valid_from, row.valid_to, row.recorded_in, row.withdrawn_in)
            for row in aliases
        ]
        headings = ("alias", "panel", "valid from", "until", "recorded in", "withdrawn in")
        output.print_table(headings, rows)
        output.hint_if_empty(aliases, "alias list", as_of=as_of)


@alias.command("withdraw")
def withdraw_alias(
    ctx: Context,
    m_number: MNumber,
    panel_ids: PanelIds,
    comment: RequiredComment,
    valid_from: Annotated[
        str | None, typer.Option(metavar="T", help="Its start time, if it has several.")
    ] = None,
    timezone: Timezone = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Withdraw the M-number of panels: they bear what they bore before."""
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.aliases.withdraw(
            m_number, panel_ids, valid_from=valid_from, comment=comment, dry_run=dry_run
        )
    reports.print_outcome(outcome, as_json=json)
