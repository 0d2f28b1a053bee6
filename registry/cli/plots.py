"""``calreg plot``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from registry.cli import output
from registry.cli.application import create_group
from registry.cli.options import AsOf, At, Json, Kinds, Source, Timezone, Types, open_from_context

if TYPE_CHECKING:
    from registry.records import Picture

plot = create_group(help="Pictures of constants, as PNG or SVG.")

Output = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="Ends with .png or .svg; default: a PNG in this folder."),
]
GainRanges = Annotated[
    list[int] | None,
    typer.Option("--gain-range", metavar="G", help="0, 1 ...; default: all; may be given several times."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


@plot.command("constants")
def plot_constants(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="VERSION|DATASET|DETECTOR_ID",
            help="A version's number, a run's detector, or panel Ids joined by _.",
        ),
    ],
    file: Output = None,
    source: Source = None,
    at: At = None,
    types: Types = None,
    gain_ranges: GainRanges = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Draw maps of constants.

    One for every panel, kind and gain range; dead and odd pixels are marked and counted.
    """
    with open_from_context(ctx, timezone) as registry:
        drawn = registry.plots.constants(
            target,
            file,
            source=source,
            at=at,
            types=types,
            gain_ranges=gain_ranges,
            as_of=as_of,
            force=force,
            progress=output.show_progress,
        )
    _print_picture(drawn, as_json=json)


@plot.command("diff")
def plot_diff(
    ctx: typer.Context,
    before: Annotated[int, typer.Argument(metavar="N", help="A version's number.")],
    after: Annotated[int, typer.Argument(metavar="M", help="Another's.")],
    file: Output = None,
    relative: Annotated[
        bool, typer.Option("--relative", help="In percent of the values of version N.")
    ] = False,
    gain_ranges: GainRanges = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Draw what changed from version N to version M.

    By gain range: a map around zero, and how often each change is.
    """
    with open_from_context(ctx, timezone) as registry:
        drawn = registry.plots.diff(
            before, after, file, relative=relative, gain_ranges=gain_ranges, as_of=as_of, force=force
        )
    _print_picture(drawn, as_json=json)


@plot.command("validity")
def plot_validity(
    ctx: typer.Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="PANEL|ALIAS|DETECTOR_ID|DATASET",
            help="A panel Id, an M-number, panel Ids joined by _, or a run.",
        ),
    ],
    file: Output = None,
    source: Source = None,
    kinds: Kinds = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Draw what is valid when.

    A line for each panel and kind, gaps hatched, with the registered runs that used the panel.
    """
    with open_from_context(ctx, timezone) as registry:
        drawn = registry.plots.validity(target, file, source=source, kinds=kinds, as_of=as_of, force=force)
    _print_picture(drawn, as_json=json)


@plot.command("history")
def plot_history(
    ctx: typer.Context,
    target: Annotated[str, typer.Argument(metavar="PANEL", help="A panel Id, or an M-number.")],
    file: Output = None,
    kinds: Kinds = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Draw the medians of a panel's versions over time.

    By kind and gain range, with the spread of the values of each version.
    """
    with open_from_context(ctx, timezone) as registry:
        drawn = registry.plots.history(
            target, file, kinds=kinds, as_of=as_of, force=force, progress=output.show_progress
        )
    _print_picture(drawn, as_json=json)


def _print_picture(drawn: Picture, *, as_json: bool) -> None:
    if as_json:
        output.print_json(drawn)
    else:
        output.print_text(f"picture {drawn.path}, as of revision {drawn.revision}")
    output.print_notes(warnings=drawn.warnings)
