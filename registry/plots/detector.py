"""Pictures of a whole detector: one map of all panels for each kind and gain range, and a table of the panels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from numpy.typing import NDArray

from registry.detectors import Kind, ZeroMeaning
from registry.geometry.tiles import find_centre
from registry.identifiers import format_count
from registry.plots.arrangement import Arrangement, Canvas, fill_canvas, locate_pixels
from registry.plots.files import RESOLUTION
from registry.plots.maps import NO_VALUE_COLOUR, draw_marks
from registry.plots.page import (
    BLACK,
    HEADING,
    MARGIN,
    SMALL,
    TEXT,
    choose_ticks,
    draw_colour_bar,
    lay_out_page,
    measure_height,
)
from registry.plots.panel_table import build_tables
from registry.plots.pixels import find_colour_limits
from registry.plots.subject import PanelMaps, Subject, label_place, list_footnotes, name_unit

_MAP_WIDTH = 5.2
_MAX_HEIGHT = 6.5
_MARK_SIZES = (3.0, 2.2)  # in points, of up to so many panels and of more
_MANY_PANELS = 8
_GAP = 0.35
_AXES_WIDTH = 0.45  # for the numbers beside a map, and below it
_COLOUR_BAR_HEIGHT = 0.55
_COLOURS = "viridis"
_RIM = (patheffects.withStroke(linewidth=2.5, foreground="white"),)


@dataclass(frozen=True, slots=True)
class Scale:
    """The sides in pixels of the squares drawn as one, and of those that one mark covers."""

    block_size: int
    mark_spacing: int


def choose_scale(arrangement: Arrangement, columns: int) -> Scale:
    """Return how panels of that many columns are reduced."""
    left, right, *_ = arrangement.extent
    width, _ = _measure_map(arrangement)
    panel_width = width * columns * arrangement.pixel / (right - left)
    block = 2 ** max(math.ceil(math.log2(columns / (panel_width * RESOLUTION))), 0)
    return Scale(block, max(math.ceil(columns * _choose_mark_size(arrangement) / 72 / panel_width), 1))


def draw(subject: Subject, maps: PanelMaps, arrangement: Arrangement, block_size: int) -> Figure:
    """Draw a map for each kind and gain range, two or more side by side, and the table of the panels."""
    canvas = fill_canvas(arrangement, subject.detector.panel_shape, block_size)
    width, height = _measure_map(arrangement)
    beside = _AXES_WIDTH if arrangement.axes else 0.0
    pitch = beside + width + _GAP
    tasks = [(kind, gain_range) for kind in subject.kinds for gain_range in subject.gain_ranges]
    tables = build_tables(subject, maps, 2 * pitch)
    across = min(len(tasks), max(2, int((tables.width + _GAP) / pitch)))
    heading = measure_height(HEADING) + 0.06
    row = heading + height + beside + _COLOUR_BAR_HEIGHT
    maps_height = math.ceil(len(tasks) / across) * row
    page, top = lay_out_page(
        max(across * pitch - _GAP, tables.width),
        maps_height + tables.height,
        subject.title,
        [subject.subtitle],
        _list_footnotes(subject, arrangement, canvas, block_size),
    )
    for index, (kind, gain_range) in enumerate(tasks):
        down, aside = divmod(index, across)
        left, above = MARGIN + aside * pitch + beside, top + down * row
        words = f"{kind.name} ({name_unit(kind)}), gain range {gain_range}"
        page.write(left, above, [words], HEADING, fontweight="bold")
        axes = page.add_axes(left, above + heading, width, height, numbered=arrangement.axes is not None)
        limits = _draw_map(axes, subject, kind, gain_range, maps, arrangement, canvas)
        if limits is not None:
            bar = page.add_axes(left, above + heading + height + beside + 0.05, min(width, 3.2), 0.11)
            draw_colour_bar(bar, limits, mpl.colormaps[_COLOURS], f"{kind.name}, {kind.unit}")
    tables.draw(page, top + maps_height)
    return page.figure


def _choose_mark_size(arrangement: Arrangement) -> float:
    return _MARK_SIZES[len(arrangement.panels) > _MANY_PANELS]


def _measure_map(arrangement: Arrangement) -> tuple[float, float]:
    """Return width and height in inches of a map."""
    left, right, low, high = arrangement.extent
    ratio = (high - low) / (right - left)
    width = min(_MAP_WIDTH, _MAX_HEIGHT / ratio)
    return width, width * ratio


def _draw_map(
    axes: Axes,
    subject: Subject,
    kind: Kind,
    gain_range: int,
    maps: PanelMaps,
    arrangement: Arrangement,
    canvas: Canvas,
) -> tuple[float, float] | None:
    """Draw all panels; return the limits of the colours, None for flags and where there is no value."""
    parts = [maps[kind.name, gain_range, panel.position] for panel in subject.panels]
    limits = None if kind.zero is ZeroMeaning.GOOD else find_colour_limits(part.values for part in parts)
    values = np.concatenate([part.values.reshape(-1) for part in parts])
    left, right, low, high = arrangement.extent
    axes.imshow(
        _colour_dots(values, canvas.blocks, limits or (0.0, 1.0)),
        extent=(left, right, low, high),
        origin="lower",
        interpolation="nearest",
        aspect="auto",
    )
    for marker in ("x", "o"):
        places = [
            locate_pixels(tiles, marks.rows, marks.columns)
            for tiles, part in zip(arrangement.panels, parts, strict=True)
            for marks in (part.dead if marker == "x" else part.odd,)
        ]
        aside, up = np.concatenate(places).T
        draw_marks(axes, aside, up, marker, _choose_mark_size(arrangement))
    _label_panels(axes, subject, arrangement)
    axes.set(xlim=(left, right), ylim=(high, low) if arrangement.points_down else (low, high))
    if arrangement.axes is None:
        axes.set_axis_off()
        return limits
    for name, ticks, axis in (
        (arrangement.axes[0], choose_ticks(left, right), axes.xaxis),
        (arrangement.axes[1], choose_ticks(low, high), axes.yaxis),
    ):
        axis.set_ticks(ticks[0], labels=ticks[1])
        axis.set_label_text(f"{name}, mm", size=SMALL)
        axis.labelpad = 1
    return limits


def _colour_dots(
    values: NDArray[np.float64], blocks: NDArray[np.int32], limits: tuple[float, float]
) -> NDArray[np.uint8]:
    """Return the colours of the dots; those that show no panel are transparent."""
    colours = mpl.colormaps[_COLOURS].with_extremes(bad=NO_VALUE_COLOUR)
    table = colours(Normalize(*limits)(np.ma.masked_invalid(values)), bytes=True)
    dots: NDArray[np.uint8] = np.take(table, np.maximum(blocks, 0), axis=0)
    dots[blocks < 0] = 0
    return dots


def _label_panels(axes: Axes, subject: Subject, arrangement: Arrangement) -> None:
    """Write segment and M-number on every panel, and outline the places of absent segments."""
    for panel, tiles in zip(subject.panels, arrangement.panels, strict=True):
        words = f"{label_place(panel)} {panel.alias}" if panel.alias else label_place(panel)
        _write_label(axes, find_centre(tiles), words)
    for number, tiles in arrangement.absent:
        for tile in tiles:
            axes.add_patch(
                Polygon(
                    tile.list_corners(), fill=False, edgecolor=BLACK, linewidth=0.5, linestyle=(0, (2, 2))
                )
            )
        _write_label(axes, find_centre(tiles), f"{number} absent", background="white")


def _write_label(axes: Axes, place: tuple[float, float], words: str, background: str | None = None) -> None:
    box = {"facecolor": background, "edgecolor": "none", "pad": 1.0} if background else None
    axes.text(
        *place,
        words,
        size=TEXT,
        fontweight="bold",
        ha="center",
        va="center",
        path_effects=list(_RIM),
        bbox=box,
    )


def _list_footnotes(
    subject: Subject, arrangement: Arrangement, canvas: Canvas, block_size: int
) -> Iterator[str]:
    yield from list_footnotes(subject, block_size)
    yield arrangement.note
    if arrangement.absent:
        numbers = ", ".join(str(number) for number, _ in arrangement.absent)
        yield f"Absent, their places left empty: {format_count(len(arrangement.absent), 'segment')}, {numbers}."
    if canvas.overlapping:
        yield f"Panels overlap in {format_count(canvas.overlapping, 'dot')}, which show the one of the larger number."
    yield "On each panel: its segment and M-number."
