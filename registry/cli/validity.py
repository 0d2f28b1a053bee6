"""``calreg validity``."""

from __future__ import annotations

from typing import Annotated

import typer

from registry.cli import hints, output
from registry.cli.options import AsOf, At, Json, Kinds, Timezone, open_from_context
from registry.cli.reports import print_versions


def show_validity(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="PANEL|ALIAS|DETECTOR_ID", help="A panel Id, an M-number, or panel Ids joined by _."
        ),
    ],
    kinds: Kinds = None,
    at: At = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Show what is valid when, or what holds at an instant."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.validity(target, kinds=kinds, at=at, as_of=as_of)
    if json:
        output.print_json(found.versions)
    else:
        print_versions(found.versions, timelines=at is None)
    if not found.versions:
        output.print_message(f"note: no version of {target} is registered")
        if not json:
            hints.hint_if_empty(found.versions, "validity", as_of=as_of)
    output.print_notes(found.without)
    if at is not None and at.isdecimal():
        output.print_message(f"note: {at} is {found.instant}")
