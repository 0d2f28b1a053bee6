"""``calreg log``, ``tag``, ``diff`` and ``affected``: the revisions, their names, and what differs between two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.application import create_group
from registry.cli.options import AsOf, At, Comment, DryRun, Json, Source, Timezone, open_from_context
from registry.cli.reports import print_outcome, print_pixel_differences

if TYPE_CHECKING:
    from registry.records import DetectorDifference

tag = create_group(help="Names for revisions.")


def log(
    ctx: typer.Context,
    target: Annotated[
        str | None,
        typer.Argument(metavar="[PANEL]", help="Only what touched this panel Id, M-number or detector."),
    ] = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the revisions, and what each changed."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.log(target, as_of=as_of)
    if json:
        output.print_json(found)
        return
    for revision in found:
        role = f" ({revision.database_role})" if revision.database_role else ""
        output.print_folded(f"revision {revision.revision}  {revision.recorded_at}  {revision.author}{role}")
        output.print_folded(f"  on {revision.host}: {revision.command}")
        if revision.comment:
            output.print_folded(f"  comment: {revision.comment}")
        for change in revision.changes:
            output.print_folded(f"    {change}")
    output.hint_if_empty(found, "log", as_of=as_of)


@tag.command("add")
def add_tag(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A letter first.")],
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of", metavar="X", help="Which: its number, or an instant or a tag that it was at."
        ),
    ] = None,
    timezone: Timezone = None,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Name a revision, by default the newest.

    A tag never moves.
    """
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.tags.add(name, as_of=as_of, comment=comment, dry_run=dry_run)
    print_outcome(outcome, as_json=json)


@tag.command("list")
def list_tags(ctx: typer.Context, as_of: AsOf = None, timezone: Timezone = None, json: Json = False) -> None:
    """List the tags and the revisions that they name."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.tags.list(as_of=as_of)
    if json:
        output.print_json(found)
    else:
        output.print_table(
            ("tag", "revision", "recorded in"), [(t.tag, t.revision, t.recorded_in) for t in found]
        )
        output.hint_if_empty(found, "tag list", as_of=as_of)


def diff(
    ctx: typer.Context,
    target: Annotated[
        str, typer.Argument(metavar="DATASET|DETECTOR_ID", help="A run's detector, or panel Ids joined by _.")
    ],
    as_of: Annotated[str, typer.Option("--as-of", metavar="A", help="The one revision, instant or tag.")],
    against: Annotated[
        str | None, typer.Option("--against", metavar="B", help="The other; default: the newest revision.")
    ] = None,
    source: Source = None,
    at: At = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Show what of a detector changes between two revisions."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.diff(target, before=as_of, after=against, source=source, at=at)
    if json:
        output.print_json(found)
    else:
        _print_difference(found)


def _print_difference(found: DetectorDifference) -> None:
    output.print_text(f"revision {found.before} -> {found.after}")
    for number, why in ((found.before, found.refused_before), (found.after, found.refused_after)):
        if why:
            output.print_text(f"refused as of revision {number}: {why}")
    if found.detector_before and found.detector_after and found.detector_before != found.detector_after:
        output.print_text(f"detector {found.detector_before}")
        output.print_text(f"      -> {found.detector_after}")
    for each in found.panels:
        output.print_text(
            f"{each.kind} of {each.panel}: {_format_version(each.before)} -> {_format_version(each.after)}"
        )
        if each.gain_ranges:
            print_pixel_differences(each.gain_ranges)
    if not found.panels and not (found.refused_before or found.refused_after):
        same = found.detector_before == found.detector_after
        output.print_text("the same constants" if same else "the same constants, in another order")


def _format_version(version: int | None) -> str:
    return "none" if version is None else f"version {version}"


def affected(
    ctx: typer.Context,
    since: Annotated[str, typer.Option("--since", metavar="X", help="A revision, an instant or a tag.")],
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List the runs that get another outcome now.

    Registered runs whose required constants would be exported from other constants than as of that revision,
    that can be exported only now, or no longer.
    """
    with open_from_context(ctx, timezone) as registry:
        found = registry.affected(since, as_of=as_of)
    if json:
        output.print_json(found)
        return
    rows = [(each.experiment, each.run, each.source, each.change, each.reason) for each in found]
    if rows:
        output.print_table(("experiment", "run", "source", "outcome", "because"), rows)
    else:
        output.print_text("no registered run is affected")
