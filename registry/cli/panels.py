"""``calreg panel`` and ``calreg alias``."""

from __future__ import annotations

from typing import Annotated

import typer

from registry.cli import output
from registry.cli.application import create_group
from registry.cli.options import (
    AsOf,
    Comment,
    DryRun,
    IncludeWithdrawn,
    Json,
    RequiredComment,
    Timezone,
    open_from_context,
)
from registry.cli.reports import print_outcome, print_versions

panel = create_group(help="Panels, by panel Id.")
alias = create_group(help="M-numbers, and the panels that bear them.")

PanelId = Annotated[str, typer.Argument(metavar="PANEL_ID", help="As in 170505-149520170815-3d00b0.")]
MNumber = Annotated[str, typer.Argument(metavar="M_NUMBER", help="As in M068.")]


@panel.command("add")
def add_panel(
    ctx: typer.Context,
    panel_id: PanelId,
    alias: Annotated[str | None, typer.Option(metavar="M_NUMBER", help="The M-number that it bears.")] = None,
    carry_from: Annotated[
        str | None,
        typer.Option(metavar="OLD_ID", help="Take over what holds for this panel at --valid-from."),
    ] = None,
    valid_from: Annotated[
        str | None, typer.Option("--valid-from", metavar="T", help="From when on, with --carry-from.")
    ] = None,
    timezone: Timezone = None,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record a panel.

    After a firmware upgrade with the constants of the old panel Id.
    """
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.panels.add(
            panel_id,
            alias=alias,
            carry_from=carry_from,
            valid_from=valid_from,
            comment=comment,
            dry_run=dry_run,
        )
    print_outcome(outcome, as_json=json)


@panel.command("list")
def list_panels(
    ctx: typer.Context, as_of: AsOf = None, timezone: Timezone = None, json: Json = False
) -> None:
    """List all panels."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.panels.list(as_of=as_of)
    if json:
        output.print_json(found)
    else:
        rows = [(each.panel, each.alias, each.detector_type, each.recorded_in) for each in found]
        output.print_table(("panel", "alias", "detector type", "revision"), rows)
        output.hint_if_empty(found, "panel list", as_of=as_of)


@panel.command("show")
def show_panel(
    ctx: typer.Context, panel_id: PanelId, as_of: AsOf = None, timezone: Timezone = None, json: Json = False
) -> None:
    """Show a panel and every version ever recorded of it."""
    from msgspec.structs import asdict

    with open_from_context(ctx, timezone) as registry:
        found = registry.panels.find(panel_id, as_of=as_of)
        versions = registry.versions.list(panel_id, withdrawn=True, as_of=as_of)
    if json:
        output.print_json({**asdict(found), "versions": versions})
        return
    output.print_text(f"panel          {found.panel}")
    output.print_text(f"alias          {found.alias or 'none'}")
    output.print_text(f"detector type  {found.detector_type}")
    output.print_text(f"recorded in    revision {found.recorded_in}")
    output.print_text()
    print_versions(versions)


@alias.command("add")
def add_alias(
    ctx: typer.Context,
    m_number: MNumber,
    panel_ids: Annotated[list[str], typer.Argument(metavar="PANEL_ID...", help="Known panels.")],
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Record that panels bear an M-number.

    They inherit no versions.
    """
    with open_from_context(ctx) as registry:
        outcome = registry.aliases.add(m_number, panel_ids, comment=comment, dry_run=dry_run)
    print_outcome(outcome, as_json=json)


@alias.command("list")
def list_aliases(
    ctx: typer.Context,
    every: IncludeWithdrawn = False,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the M-numbers and the panels that bear them."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.aliases.list(withdrawn=every, as_of=as_of)
    if json:
        output.print_json(found)
    else:
        rows = [(each.alias, each.panel, each.recorded_in, each.withdrawn_in) for each in found]
        output.print_table(("alias", "panel", "recorded in", "withdrawn in"), rows)
        output.hint_if_empty(found, "alias list", as_of=as_of)


@alias.command("withdraw")
def withdraw_alias(
    ctx: typer.Context,
    m_number: MNumber,
    panel_id: PanelId,
    comment: RequiredComment,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Take an M-number from a panel."""
    with open_from_context(ctx) as registry:
        outcome = registry.aliases.withdraw(m_number, panel_id, comment=comment, dry_run=dry_run)
    print_outcome(outcome, as_json=json)
