"""``calreg fetch``: bring what constants need from a service, to be used without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.conditions import Condition, add_condition
from registry.cli.options import At, Context, Json, Kinds, Source, Timezone, Types, open_from_context
from registry.identifiers import format_count
from registry.sizes import format_size

if TYPE_CHECKING:
    from registry.records import Fetched

_HEADINGS = ("target", "source", "instant", "panels", "types", "files", "size", "offline")


def fetch(
    ctx: Context,
    targets: Annotated[
        list[str], typer.Argument(metavar="DATASET|DETECTOR_ID...", help="Runs, or panel Ids joined by _.")
    ],
    source: Source = None,
    at: At = None,
    types: Types = None,
    kinds: Kinds = None,
    condition: Condition = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Bring what exports need from a service into the cache.

    With CALREG_OFFLINE=1 and CALREG_PIN, the pin that is printed, export, validity and show of these work without the
    service. A second fetch brings what is missing.
    """
    kinds, types = add_condition(condition, kinds, types)
    with open_from_context(ctx, timezone) as registry:
        result = registry.fetch(
            targets, source=source, at=at, types=types, kinds=kinds, progress=output.show_progress
        )
    output.print_answer(result, _print_fetched, as_json=json)
    output.print_notes(warnings=[f"{one.target}: {one.problem}" for one in result.fetched if one.problem])
    codes = [one.code for one in result.fetched if one.code is not None]
    if codes:
        raise typer.Exit(min(codes))


def _print_fetched(answer: Fetched) -> None:
    rows = (
        (
            one.target,
            one.source or "",
            one.instant or "",
            one.panels,
            " ".join(one.types),
            one.files,
            format_size(one.bytes),
            "yes" if one.problem is None else "no",
        )
        for one in answer.fetched
    )
    output.print_table(_HEADINGS, rows)
    brought = f"{format_count(answer.files, 'file')} brought, {format_size(answer.bytes)}"
    output.print_text(f"{brought}; {answer.files_there} there already, in {answer.cache}")
    output.print_text(f"CALREG_PIN={answer.pin}")
