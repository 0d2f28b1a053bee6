"""``calreg log``: the revisions, and what each changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.listing import Listing, add_one, print_listing
from registry.cli.options import AsOf, Before, Context, Json, Limit, Timezone, open_from_context
from registry.errors import RequestError
from registry.heads import shorten_seal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry.api import Registry
    from registry.heads import Head
    from registry.records import Revision

_CHANGES_SHOWN = 100  # of a revision, to people
_CHANGES_READ = 1000  # of a revision at once, for JSON


def log(
    ctx: Context,
    target: Annotated[
        str | None,
        typer.Argument(metavar="[PANEL]", help="Only changes of this panel Id, M-number or detector."),
    ] = None,
    limit: Limit = None,
    before: Before = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    head: Annotated[
        bool, typer.Option("--head", help="Print only NUMBER:SEAL of the newest revision, or of X.")
    ] = False,
    json: Json = False,
) -> None:
    """List the revisions, and what each changed.

    The newest come first. Of a revision with many changes the first are shown; --json lists all.
    """
    if head and (target, limit, before) != (None, None, None):
        raise RequestError("--head prints one revision: of the other options, --as-of alone goes with it")
    with open_from_context(ctx, timezone) as registry:
        if head:
            _print_head(registry.find_head(as_of), as_json=json)
            return
        revisions = registry.iterate_log(
            target,
            as_of=as_of,
            before=before,
            limit=add_one(limit),
            max_changes=_CHANGES_READ if json else _CHANGES_SHOWN,
        )
        print_listing(
            Listing(_list_all_changes(registry, revisions, target, as_of) if json else revisions, limit),
            print_log,
            lambda revision: revision.revision,
            as_json=json,
            empty_verb="log" if as_of is None and before is None else None,
        )


def _print_head(head: Head, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"revision": head.number, "seal": head.seal, "head": str(head)})
    else:
        output.print_text(str(head))


def _list_all_changes(
    registry: Registry, revisions: Iterator[Revision], target: str | None, as_of: str | None
) -> Iterator[Revision]:
    """Yield the revisions with all their changes, which are read while they are written if they are many."""
    from msgspec.structs import replace

    for revision in revisions:
        if revision.change_count == len(revision.changes):
            yield revision
        else:
            changes = registry.iterate_changes(revision.revision, target, as_of=as_of)
            yield replace(revision, changes=changes)


def print_log(revisions: Iterable[Revision]) -> None:
    """Print revisions with their changes."""
    for revision in revisions:
        role = f" ({revision.database_role})" if revision.database_role else ""
        seal = f"seal {shorten_seal(revision.seal)}" if revision.seal else "not sealed"
        output.print_folded(
            f"revision {revision.revision}  {revision.recorded_at}  {revision.author}{role}  {seal}",
            "heading",
        )
        output.print_folded(f"  on {revision.host}: {revision.command}", is_quoted=True)
        if revision.comment:
            output.print_folded(f"  comment: {revision.comment}", is_quoted=True)
        for change in revision.changes:
            output.print_folded(f"    {change}")
        more = revision.change_count - len(revision.changes)
        if more:
            output.print_text(f"    ... and {more} more; --json lists all")
