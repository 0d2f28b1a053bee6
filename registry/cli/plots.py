"""``calreg plot``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from registry.cli import output
from registry.cli.application import create_group
from registry.cli.conditions import Condition, add_condition
from registry.cli.options import AsOf, At, Context, Json, Kinds, Source, Timezone, Types, open_from_context
from registry.plots.files import silence_matplotlib

if TYPE_CHECKING:
    from registry.records import Picture

silence_matplotlib()

plot = create_group(help="Plots of constants, as PNG, SVG or PDF.")

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="A .png, .svg or .pdf file; default: a PNG in the current folder.",
    ),
]
GainRanges = Annotated[
    list[int] | None, typer.Option("--gain-range", metavar="G", help="0, 1 ...; default: all; repeatable.")
]
MapGainRanges = Annotated[
    list[int] | None,
    typer.Option(
        "--gain-range",
        metavar="G",
        help="0, 1 ...; default: all, and 0 of a detector on one map; repeatable.",
    ),
]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace an existing file.")]


@plot.command("constants")
def plot_constants(
    ctx: Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="VERSION|DATASET|DETECTOR_ID|PATH",
            help="A version's number, a run, panel Ids joined by _; a folder or maker's file, as ./NAME.",
        ),
    ],
    file: Output = None,
    source: Source = None,
    at: At = None,
    types: Types = None,
    condition: Condition = None,
    gain_ranges: MapGainRanges = None,
    geometry: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Assemble the detector by a geometry file of psana or CrystFEL."),
    ] = None,
    panels: Annotated[
        bool, typer.Option("--panels", help="Draw a map for each panel of a detector.")
    ] = False,
    as_of: AsOf = None,
    timezone: Timezone = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Draw maps of constants.

    All panels of a detector are on one map of each kind. Of one panel there is a map of each kind and gain range, with
    the medians of its ASICs and a histogram. Dead and odd pixels are marked and counted.
    A word with a / in it is the path of files that need not be registered; a registry is not needed then.
    """
    from registry.api.picture_paths import find_stated_path, name_path

    _, types = add_condition(condition, None, types)
    options: dict[str, Any] = {
        "source": source,
        "at": at,
        "types": types,
        "gain_ranges": gain_ranges,
        "geometry": geometry,
        "panels": panels,
        "as_of": as_of,
        "force": force,
        "progress": output.show_progress,
    }
    path = find_stated_path(target)
    if path is not None:
        from registry.api.plots import draw_path

        picture = draw_path(path, file or Path(f"constants-{name_path(path)}.png"), **options)
    else:
        with open_from_context(ctx, timezone) as registry:
            picture = registry.plots.constants(target, file or _name_file("constants", target), **options)
    output.print_answer(picture, _print_picture, as_json=json)


@plot.command("diff")
def plot_diff(
    ctx: Context,
    before: Annotated[int, typer.Argument(metavar="N", help="A version's number.")],
    after: Annotated[int, typer.Argument(metavar="M", help="The other version's number.")],
    file: Output = None,
    relative: Annotated[
        bool, typer.Option("--relative", help="Show percent of the values of version N.")
    ] = False,
    without_uniform: Annotated[
        bool,
        typer.Option(
            "--without-uniform",
            help="Subtract what all pixels have in common: a scale of gain or rms, else a shift.",
        ),
    ] = False,
    gain_ranges: GainRanges = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Draw what changed from version N to version M.

    For each gain range: a map of the changes with the median of each ASIC, and their histogram.
    """
    with open_from_context(ctx, timezone) as registry:
        picture = registry.plots.diff(
            before,
            after,
            file or _name_file("diff", before, after),
            relative=relative,
            without_uniform=without_uniform,
            gain_ranges=gain_ranges,
            as_of=as_of,
            force=force,
        )
    output.print_answer(picture, _print_picture, as_json=json)


@plot.command("validity")
def plot_validity(
    ctx: Context,
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
    condition: Condition = None,
    at: Annotated[
        str | None,
        typer.Option(metavar="T", help="A time for the line, as 'now'; default: that of the revision."),
    ] = None,
    as_of: AsOf = None,
    timezone: Timezone = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Draw what is valid when.

    There is one row for each panel with a bar for each kind, gaps hatched; above them, once, the registered runs that
    read the panels out.
    """
    kinds, _ = add_condition(condition, kinds)
    with open_from_context(ctx, timezone) as registry:
        picture = registry.plots.validity(
            target,
            file or _name_file("validity", target),
            source=source,
            kinds=kinds,
            at=at,
            as_of=as_of,
            force=force,
        )
    output.print_answer(picture, _print_picture, as_json=json)


@plot.command("history")
def plot_history(
    ctx: Context,
    target: Annotated[
        str,
        typer.Argument(
            metavar="PANEL|ALIAS|DETECTOR_ID|DATASET", help="A panel Id, an M-number, a detector or a run."
        ),
    ],
    file: Output = None,
    source: Source = None,
    kinds: Kinds = None,
    condition: Condition = None,
    units: Annotated[
        bool, typer.Option("--units", help="Show values in their unit, not changes since the first version.")
    ] = False,
    percent: Annotated[
        bool, typer.Option("--percent", help="Show changes in percent also of offsets, which may be near 0.")
    ] = False,
    as_of: AsOf = None,
    timezone: Timezone = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Draw the medians of the versions of panels over time.

    For each kind and gain range, as change since the first version; of up to five panels with the spread of the values.
    """
    kinds, _ = add_condition(condition, kinds)
    with open_from_context(ctx, timezone) as registry:
        picture = registry.plots.history(
            target,
            file or _name_file("history", target),
            source=source,
            kinds=kinds,
            units=units,
            percent=percent,
            as_of=as_of,
            force=force,
            progress=output.show_progress,
        )
    output.print_answer(picture, _print_picture, as_json=json)


def _name_file(verb: str, *targets: str | int) -> Path:
    """Return the name of the file where none is given: a PNG in the working folder, named after what it shows."""
    from registry.api.plots import name_picture

    return name_picture(verb, *targets)


def _print_picture(picture: Picture) -> None:
    origin = "of files" if picture.revision is None else f"as of revision {picture.revision}"
    output.print_text(f"picture {picture.path}, {origin}")
