"""``calreg exports``: what was exported, and what would be made from other constants now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.listing import Listing, add_one, print_listing
from registry.cli.options import (
    AsOf,
    Before,
    Context,
    ExperimentFilter,
    Json,
    Limit,
    Timezone,
    open_from_context,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.records import RecordedExport


def list_exports(
    ctx: Context,
    stale: Annotated[
        bool,
        typer.Option("--stale", help="Only those that would be made from other constants now, or refused."),
    ] = False,
    experiment: ExperimentFilter = None,
    limit: Limit = None,
    before: Before = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the recorded exports, and which are stale.

    The newest come first. An export is stale if the same request would be made from other constants now, or refused.
    """
    with open_from_context(ctx, timezone) as registry:
        exports = registry.exports.iterate(
            stale=stale, experiment=experiment, as_of=as_of, before=before, limit=add_one(limit)
        )
        whole = not stale and (as_of, before, experiment) == (None, None, None)
        print_listing(
            Listing(exports, limit),
            print_exports,
            lambda export: export.export,
            as_json=json,
            empty_verb="exports" if whole else None,
        )


def print_exports(exports: Iterable[RecordedExport]) -> None:
    """Print recorded exports."""
    for export in exports:
        output.print_folded(
            f"export {export.export}  {export.recorded_at}  {export.author}  revision {export.revision}",
            "heading",
        )
        source = f"  {export.source}" if export.source else ""
        output.print_folded(f"  {export.target}{source}  at {export.instant}")
        output.print_folded(f"  {', '.join(row.type for row in export.outputs)}: {export.provenance}")
        if export.runs is not None:
            output.print_folded(f"  deployed for runs {export.runs}")
        if export.stale is not None:
            output.print_folded(f"  stale: {export.stale}", "warning")
