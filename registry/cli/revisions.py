"""``calreg revert``, ``tag`` and ``diff``: a revision undone, named, and compared with another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output, reports
from registry.cli.application import create_group
from registry.cli.options import (
    AsOf,
    At,
    Comment,
    Context,
    DryRun,
    Json,
    RequiredComment,
    Source,
    Timezone,
    open_from_context,
)
from registry.cli.pixel_changes import print_pixel_differences
from registry.errors import RequestError
from registry.heads import shorten_seal
from registry.run_ranges import format_runs

if TYPE_CHECKING:
    from registry.records import DetectorDifference

tag = create_group(help="Names for revisions.")


def revert(
    ctx: Context,
    revision: Annotated[
        str,
        typer.Argument(metavar="N", help="The number of a revision, as the log shows it; or NUMBER:SEAL."),
    ],
    comment: RequiredComment,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Undo a revision, and show what is valid instead.

    A new revision withdraws what that one recorded, and states again what it withdrew: all of it, or nothing where
    later revisions have changed it. Registered panels stay.
    """
    with open_from_context(ctx) as registry:
        outcome = registry.revert(revision, comment=comment, dry_run=dry_run)
    reports.print_outcome(outcome, as_json=json)


@tag.command("add")
def add_tag(
    ctx: Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name; it starts with a letter.")],
    as_of: Annotated[
        str | None,
        typer.Option(metavar="X", help="The revision: its number, -1, a time, a tag, a pin, or NUMBER:SEAL."),
    ] = None,
    timezone: Timezone = None,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Name a revision, by default the newest.

    A tag is never moved to another revision.
    """
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.tags.add(name, as_of=as_of, comment=comment, dry_run=dry_run)
    reports.print_outcome(outcome, as_json=json)


@tag.command("list")
def list_tags(ctx: Context, as_of: AsOf = None, timezone: Timezone = None, json: Json = False) -> None:
    """List the tags and the revisions that they name."""
    with open_from_context(ctx, timezone) as registry:
        tags = registry.tags.list(as_of=as_of)
    if json:
        output.print_json(tags)
    else:
        rows = [(row.tag, row.revision, shorten_seal(row.seal), row.recorded_in or "later") for row in tags]
        output.print_table(("tag", "revision", "seal", "recorded in"), rows)
        output.hint_if_empty(tags, "tag list", as_of=as_of)


def diff(
    ctx: Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="DATASET|DETECTOR_ID", help="A run, a detector, a panel Id, or an M-number with --at."
        ),
    ],
    first: Annotated[
        str | None,
        typer.Argument(metavar="A", help="A revision: its number, -1, a time, a tag or NUMBER:SEAL."),
    ] = None,
    second: Annotated[
        str | None, typer.Argument(metavar="B", help="The other one; default: the newest revision.")
    ] = None,
    as_of: Annotated[str | None, typer.Option(metavar="A", help="The same as A.")] = None,
    against: Annotated[str | None, typer.Option(metavar="B", help="The same as B.")] = None,
    source: Source = None,
    at: At = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Show what changes for a detector between two revisions."""
    if first is not None and (as_of, against) != (None, None):
        raise RequestError("the revisions are given as A and B or by --as-of and --against, not both ways")
    before, after = (as_of, against) if first is None else (first, second)
    if before is None:
        raise RequestError(
            "the revision to begin with is missing: its number, -1, a time, a tag or NUMBER:SEAL"
        )
    with open_from_context(ctx, timezone) as registry:
        difference = registry.diff(target, before=before, after=after, source=source, at=at)
    output.print_answer(difference, _print_difference, as_json=json)


def _print_difference(difference: DetectorDifference) -> None:
    refusals = difference.refused_before, difference.refused_after
    detectors = difference.detector_before, difference.detector_after
    output.print_text(f"revision {difference.before} -> {difference.after}")
    for revision, reason in zip((difference.before, difference.after), refusals, strict=True):
        if reason:
            output.print_text(f"refused as of revision {revision}: {reason}")
    if all(detectors) and detectors[0] != detectors[1]:
        output.print_text(f"detector {detectors[0]}")
        output.print_text(f"      -> {detectors[1]}")
    segments = difference.segments_before, difference.segments_after
    if segments[0] != segments[1] and None not in segments and detectors[0] == detectors[1]:
        output.print_text(f"segments {' -> '.join(format_runs(numbers or ()) for numbers in segments)}")
    for row in difference.panels:
        output.print_text(
            f"{row.kind} of {row.panel}: {_format_version(row.before)} -> {_format_version(row.after)}"
        )
        if row.gain_ranges:
            print_pixel_differences(row.gain_ranges)
    if not difference.panels and not any(refusals):
        same = detectors[0] == detectors[1]
        output.print_text("the same constants" if same else "the same constants, in another order")


def _format_version(version: int | None) -> str:
    return "none" if version is None else f"version {version}"
