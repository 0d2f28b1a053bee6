"""``calreg alias``."""

from __future__ import annotations

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
    IncludeWithdrawn,
    Json,
    Names,
    RequiredComment,
    SameModule,
    Timezone,
    open_from_context,
)
from registry.records import Alias

alias = create_group(help="M-numbers, and the panels that have them.")

PanelIds = Annotated[
    list[str], typer.Argument(metavar="PANEL_ID...", help="Recorded panels; @FILE or - reads them.")
]
MNumber = Annotated[str, typer.Argument(metavar="M_NUMBER", help="M068 for example.")]


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
    any_time: AnyTime = False,
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
            read_names(panel_ids) or (),
            valid_from=valid_from,
            same_module=same_module,
            any_time=any_time,
            comment=comment,
            dry_run=dry_run,
        )
    reports.print_outcome(outcome, as_json=json)


@alias.command("list")
def list_aliases(
    ctx: Context,
    names: Names = None,
    every: IncludeWithdrawn = False,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the M-numbers and the panels that have them: all, or those of some panels."""
    with open_from_context(ctx, timezone) as registry:
        aliases = registry.aliases.list(read_names(names), withdrawn=every, as_of=as_of)
    if json:
        output.print_json(aliases)
    else:
        rows = [(row.alias, row.panel, row.valid_from, _format_alias_end(row)) for row in aliases]
        output.print_table(("alias", "panel", "valid from", "until"), rows)
        for row in aliases:
            if row.same_module:
                others = f"others of {row.alias}, says revision {row.recorded_in}"
                output.print_folded(f"{row.panel}: the same module as {others}")
        output.hint_if_empty(aliases, "alias list", as_of=as_of)


def _format_alias_end(alias: Alias) -> str:
    if alias.withdrawn_in is not None:
        return f"withdrawn in {alias.withdrawn_in}"
    return "" if alias.valid_to is None else str(alias.valid_to)


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
            m_number, read_names(panel_ids) or (), valid_from=valid_from, comment=comment, dry_run=dry_run
        )
    reports.print_outcome(outcome, as_json=json)
