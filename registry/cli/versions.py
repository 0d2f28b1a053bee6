"""``calreg version`` and ``calreg validity``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from registry.cli import output
from registry.cli.application import create_group
from registry.cli.options import (
    AsOf,
    At,
    Comment,
    DryRun,
    IncludeWithdrawn,
    Json,
    Kinds,
    RequiredComment,
    Supersede,
    Timezone,
    ValidFrom,
    open_from_context,
)
from registry.cli.reports import (
    describe_conversion,
    format_constants,
    format_end,
    format_withdrawal,
    print_outcome,
    print_pixel_differences,
    print_versions,
)

version = create_group(help="Versions: which constants a panel has from when on.")

Panel = Annotated[
    str, typer.Argument(metavar="PANEL", help="A panel Id, or an M-number: every panel under it.")
]
Number = Annotated[int, typer.Argument(metavar="N", help="The version's number.")]


@version.command("add")
def add_version(
    ctx: typer.Context,
    panel: Panel,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="DIR|FILE",
            help="Holds g0_gain.npy, g1_gain.npy and so on; or the maker's gainMaps_M049.bin.",
        ),
    ],
    valid_from: ValidFrom,
    timezone: Timezone = None,
    kinds: Kinds = None,
    allow_nonfinite: Annotated[
        bool, typer.Option("--allow-nonfinite", help="Take NaN and infinity.")
    ] = False,
    supersede: Supersede = False,
    comment: Comment = None,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Register constants of a panel from an instant on.

    Those in a folder, or the maker's gain maps.
    """
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.versions.add(
            panel,
            path,
            valid_from=valid_from,
            kinds=kinds,
            allow_nonfinite=allow_nonfinite,
            supersede=supersede,
            comment=comment,
            dry_run=dry_run,
        )
    print_outcome(outcome, as_json=json)


@version.command("gap")
def add_gap(
    ctx: typer.Context,
    panel: Panel,
    valid_from: ValidFrom,
    comment: RequiredComment,
    timezone: Timezone = None,
    kinds: Kinds = None,
    supersede: Supersede = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """State that from an instant on nothing is valid.

    Of these kinds, or of all that are live.
    """
    with open_from_context(ctx, timezone) as registry:
        outcome = registry.versions.gap(
            panel, valid_from=valid_from, comment=comment, kinds=kinds, supersede=supersede, dry_run=dry_run
        )
    print_outcome(outcome, as_json=json)


@version.command("list")
def list_versions(
    ctx: typer.Context,
    panel: Annotated[str | None, typer.Argument(metavar="[PANEL]", help="A panel Id or an M-number.")] = None,
    every: IncludeWithdrawn = False,
    as_of: AsOf = None,
    timezone: Timezone = None,
    json: Json = False,
) -> None:
    """List versions."""
    with open_from_context(ctx, timezone) as registry:
        found = registry.versions.list(panel, withdrawn=every, as_of=as_of)
    if json:
        output.print_json(found)
    else:
        print_versions(found)
        output.hint_if_empty(found, "version list", as_of=as_of)


@version.command("show")
def show_version(
    ctx: typer.Context, number: Number, as_of: AsOf = None, timezone: Timezone = None, json: Json = False
) -> None:
    """Show a version and its files."""
    from msgspec.structs import asdict

    with open_from_context(ctx, timezone) as registry:
        found, files = registry.versions.show(number, as_of=as_of)
    if json:
        output.print_json({**asdict(found), "files": files})
        return
    for name, value in (
        ("version", found.version),
        ("panel", f"{found.panel}  {found.alias or ''}".rstrip()),
        ("kind", found.kind),
        ("valid from", found.valid_from),
        ("until", None if found.withdrawn_in else format_end(found.valid_to)),
        ("constants", found.constants or format_constants(found)),
        ("recorded in", f"revision {found.recorded_in}"),
        ("withdrawn", format_withdrawal(found) or None),
        ("carried from", f"version {found.carried_from}" if found.carried_from else None),
        ("source path", found.source_path),
        *describe_conversion(found),
        ("comment", found.comment),
    ):
        if value is not None:
            output.print_text(f"{name:<14}{value}")
    rows = [
        (
            file.gain_range,
            *(
                f"{value:.4g}" if value is not None else "none"
                for value in (file.statistics.minimum, file.statistics.median, file.statistics.maximum)
            ),
            file.statistics.zeros,
            file.statistics.nonfinite,
            file.sha256[:16],
        )
        for file in files
    ]
    if rows:
        output.print_table(("range", "minimum", "median", "maximum", "zeros", "non-finite", "sha256"), rows)


@version.command("withdraw")
def withdraw_versions(
    ctx: typer.Context,
    numbers: Annotated[list[int], typer.Argument(metavar="N...", help="The numbers of versions.")],
    comment: RequiredComment,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Withdraw versions, and see what answers now.

    All of them in one revision, or none.
    """
    with open_from_context(ctx) as registry:
        outcome = registry.versions.withdraw(*numbers, comment=comment, dry_run=dry_run)
    print_outcome(outcome, as_json=json)


@version.command("diff")
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
        print_pixel_differences(found.gain_ranges)


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
            output.hint_if_empty(found.versions, "validity", as_of=as_of)
    output.print_notes(found.without)
    if at is not None and at.isdecimal():
        output.print_message(f"note: {at} is {found.instant}")
