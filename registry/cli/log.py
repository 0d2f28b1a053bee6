"""``calreg log``: the revisions, and what each changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli import output
from registry.cli.listing import Listing, add_one, print_listing
from registry.cli.names import read_names
from registry.cli.options import AsOf, Before, Context, Json, Limit, Timezone, open_from_context
from registry.errors import RequestError
from registry.heads import shorten_seal
from registry.identifiers import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from registry.api import Registry
    from registry.heads import Head
    from registry.records import Revision

_CHANGES_SHOWN = 100  # of a revision, to people
_CHANGES_READ = 1000  # of a revision at once, for JSON


def log(
    ctx: Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PANEL]...", help="Panels, detectors, runs, patterns (M0*), @FILE; or revisions A..B."
        ),
    ] = None,
    panels: Annotated[
        list[str] | None, typer.Option("--panel", metavar="PANEL", help="The same; repeatable.")
    ] = None,
    experiment: Annotated[
        str | None, typer.Option(metavar="E", help="Only runs and configurations of this experiment.")
    ] = None,
    author: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this user recorded.")] = None,
    since: Annotated[str | None, typer.Option(metavar="T", help="Only what was recorded from T on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="T", help="Only what was recorded up to T.")] = None,
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

    The newest come first. A..B is what came after revision A, up to B; either may be left out, and is a number, -1, a
    time, a tag or NUMBER:SEAL. Of a revision with many changes the first are shown; --json lists all.
    """
    filters: dict[str, Any] = {"experiment": experiment, "author": author, "since": since, "until": until}
    if head and (words or panels or any(value is not None for value in (*filters.values(), limit, before))):
        raise RequestError("--head prints one revision: of the other options, --as-of alone goes with it")
    names, after, last = _split_range(words or [])
    if last is not None and as_of is not None:
        raise RequestError("a range A..B and --as-of both say what the last revision is; give one")
    as_of = as_of if last is None else last
    subject = {"panels": [*(read_names(names) or []), *(panels or [])], "experiment": experiment}
    with open_from_context(ctx, timezone) as registry:
        if head:
            _print_head(registry.find_head(as_of), as_json=json)
            return
        revisions = registry.iterate_log(
            **{**filters, **subject},
            after=after,
            as_of=as_of,
            before=before,
            limit=add_one(limit),
            max_changes=_CHANGES_READ if json else _CHANGES_SHOWN,
        )
        whole = not subject["panels"] and {after, as_of, before, *filters.values()} == {None}
        print_listing(
            Listing(
                _list_all_changes(registry, revisions, {**subject, "as_of": as_of}) if json else revisions,
                limit,
            ),
            print_log,
            lambda revision: revision.revision,
            as_json=json,
            empty_verb="log" if whole else None,
        )


def _split_range(words: Sequence[str]) -> tuple[list[str], str | None, str | None]:
    """Return the names among the words, and both ends of the range A..B, None where it has none."""
    ranges = [word for word in words if ".." in word and not word.startswith("@")]
    if len(ranges) > 1:
        raise RequestError(f"{quote(ranges[0])} and {quote(ranges[1])} are two ranges of revisions; give one")
    after, last = "", ""
    for word in ranges:
        after, _, last = word.partition("..")
        if ".." in last or last.startswith(".") or not (after or last):
            raise RequestError(f"{quote(word)} is not a range of revisions: A..B, A.. or ..B is expected")
    return [word for word in words if word not in ranges], after or None, last or None


def _print_head(head: Head, *, as_json: bool) -> None:
    if as_json:
        output.print_json({"revision": head.number, "seal": head.seal, "head": str(head)})
    else:
        output.print_text(str(head))


def _list_all_changes(
    registry: Registry, revisions: Iterator[Revision], subject: dict[str, Any]
) -> Iterator[Revision]:
    """Yield the revisions with all their changes, which are read while they are written if they are many."""
    from msgspec.structs import replace

    for revision in revisions:
        if revision.change_count == len(revision.changes):
            yield revision
        else:
            changes = registry.iterate_changes(revision.revision, **subject)
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
