"""``calreg diff``, ``calreg version diff`` and ``calreg affected``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.options import AsOf, At, Json, Source, Timezone, open_from_context

if TYPE_CHECKING:
    from registry.records import DetectorDifference, PixelDifference

_HEADINGS = ("gain range", "pixels", "fraction", "max difference", "rms difference")


def diff_versions(
    ctx: typer.Context,
    before: Annotated[int, typer.Argument(metavar="N", help="A version's number.")],
    after: Annotated[int, typer.Argument(metavar="M", help="Another's.")],
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """Show which pixels of two versions differ.

    By gain range: how many, which fraction, the largest and the RMS difference.
    """
    with open_from_context(ctx, timezone) as registry:
        found = registry.versions.diff(before, after, as_of=as_of)
    if json:
        output.print_json(found)
    else:
        output.print_text(f"{found.kind}, version {found.after} against version {found.before}")
        output.print_table(_HEADINGS, _format_differences(found.gain_ranges), indent="  ")


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
            output.print_table(_HEADINGS, _format_differences(each.gain_ranges), indent="  ")
    if not found.panels and not (found.refused_before or found.refused_after):
        same = found.detector_before == found.detector_after
        output.print_text("the same constants" if same else "the same constants, in another order")


def _format_version(version: int | None) -> str:
    return "none" if version is None else f"version {version}"


def _format_differences(gain_ranges: Iterable[PixelDifference]) -> Iterable[Sequence[object]]:
    for each in gain_ranges:
        yield each.gain_range, each.count, f"{each.fraction:.6f}", f"{each.maximum:.4g}", f"{each.rms:.4g}"


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
