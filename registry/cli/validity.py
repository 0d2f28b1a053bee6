"""``calreg validity``."""

from __future__ import annotations

from typing import Annotated

import typer

from registry.cli import hints, output
from registry.cli.options import AsOf, At, Json, Kinds, Timezone, registry_at
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
    with registry_at(ctx, timezone) as registry:
        found = registry.validity(target, kinds=kinds, at=at, as_of=as_of)
    if json:
        output.print_json(found.versions)
    else:
        print_versions(found.versions, timelines=at is None)
    if not found.versions:
        output.say(f"note: no version of {target} is registered")
        if not json:
            hints.if_empty(found.versions, "validity", as_of=as_of)
    output.remark(found.without)
    if at is not None and at.isdecimal():
        output.say(f"note: {at} is {found.instant}")
