"""Pictures of constants: a map of every panel, for each kind and gain range; of one panel with details beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure

from registry.detectors import DetectorType, Kind, ZeroMeaning
from registry.plots.details import DETAIL_WIDTH, PanelDetail, draw_details, measure_details
from registry.plots.files import RESOLUTION
from registry.plots.maps import MARK_SIZE, draw_map, label_pixels
from registry.plots.page import (
    HEADING,
    MARGIN,
    SMALL,
    Page,
    draw_colour_bar,
    lay_out_page,
    measure_height,
    wrap_text,
)
from registry.plots.pixels import find_colour_limits
from registry.plots.subject import (
    PanelMaps,
    Subject,
    describe_counts,
    find_constants,
    label_place,
    list_footnotes,
)
from registry.provenance.document import InputPanel

__all__ = ["PanelMaps", "Subject", "choose_block_size", "draw"]

Details = Mapping[tuple[str, int], PanelDetail]
"""By kind and gain range, of one panel."""

_COLOURS = "viridis"
_SPACING = 0.14
_COLOUR_BAR_HEIGHT = 0.5  # inches for a colour bar with its numbers and unit
_MIN_WIDTH = 6.5
_MAX_COLUMNS = 4  # gain ranges side by side
_MAX_ROWS = 3  # of one panel: gain ranges one below the other
_DETAIL_GAP = 0.3


@dataclass(frozen=True, slots=True)
class _Grid:
    """The maps of one kind and gain range side by side; all lengths in inches."""

    columns: int
    rows: int
    map_width: float
    map_height: float
    axis_width: float  # on the left, for the numbers of the rows
    caption_height: float  # above each map
    footer_height: float  # with the count, and where there is one panel its axis
    detail_height: float = 0.0  # beside the map of one panel

    @property
    def maps_width(self) -> float:
        return self.columns * (self.map_width + _SPACING) - _SPACING

    @property
    def total_width(self) -> float:
        return self.maps_width + (_DETAIL_GAP + 2 * _SPACING + DETAIL_WIDTH if self.detail_height else 0.0)

    @property
    def row_height(self) -> float:
        return self.caption_height + self.map_height + self.footer_height

    @property
    def total_height(self) -> float:
        return max(self.rows * self.row_height + _COLOUR_BAR_HEIGHT, self.detail_height)


def choose_block_size(detector: DetectorType, panels: int) -> tuple[int, int]:
    """Return the sides in pixels of the squares drawn as one, and of those that one mark covers."""
    width, pixels = _choose_map_width(panels), detector.panel_shape[1]
    fitting = pixels / (width * RESOLUTION)
    block = 2 ** max(math.ceil(math.log2(fitting)), 0)
    return block, max(int(pixels * MARK_SIZE / 72 / width), 1)


def _choose_map_width(panels: int) -> float:
    for most, width in ((1, 3.6), (2, 3.0), (8, 2.3)):
        if panels <= most:
            return width
    return 1.9


def draw(subject: Subject, maps: PanelMaps, block_size: int, details: Details | None = None) -> Figure:
    """Draw the maps; `block_size` is the side in pixels of the squares that they are medians of.

    `details` are those of one panel, by kind and gain range.
    """
    captions = {
        kind.name: [_build_caption(subject, kind, panel) for panel in subject.panels]
        for kind in subject.kinds
    }
    grid = _lay_out_grid(
        subject, max(len(lines) for texts in captions.values() for lines in texts), has_details=bool(details)
    )
    across = _choose_across(len(subject.gain_ranges), has_details=bool(details))
    pitch = grid.axis_width + grid.total_width + 3 * _SPACING
    row = measure_height(HEADING) + grid.total_height + _SPACING
    heading = measure_height(HEADING) + 0.06
    page, top = lay_out_page(
        max(across * pitch - 3 * _SPACING, _MIN_WIDTH),
        len(subject.kinds) * (heading + math.ceil(len(subject.gain_ranges) / across) * row),
        subject.title,
        [subject.subtitle],
        _list_footnotes(subject, block_size),
    )
    for kind in subject.kinds:
        page.write(MARGIN, top, [subject.build_heading(kind)], HEADING, fontweight="bold")
        top += heading
        for index, gain_range in enumerate(subject.gain_ranges):
            down, aside = divmod(index, across)
            corner = MARGIN + aside * pitch + grid.axis_width, top + down * row
            _draw_gain_range(page, corner, grid, subject, kind, gain_range, maps, captions[kind.name])
            if details:
                left = corner[0] + grid.maps_width + _DETAIL_GAP + 2 * _SPACING
                detail_top = corner[1] + measure_height(HEADING)
                draw_details(page, left, detail_top, details[kind.name, gain_range], kind)
        top += (down + 1) * row
    return page.figure


def _choose_across(gain_ranges: int, *, has_details: bool) -> int:
    """Return how many gain ranges stand side by side."""
    if has_details:
        return 1 if gain_ranges <= _MAX_ROWS else 2
    return min(gain_ranges, _MAX_COLUMNS)


def _lay_out_grid(subject: Subject, lines: int, *, has_details: bool) -> _Grid:
    panels, (rows, columns) = len(subject.panels), subject.detector.panel_shape
    width, side = _choose_map_width(panels), math.ceil(math.sqrt(panels / 2))
    return _Grid(
        columns=side,
        rows=math.ceil(panels / side),
        map_width=width,
        map_height=width * rows / columns,
        axis_width=0.35 if panels == 1 else 0.0,
        caption_height=measure_height(SMALL, lines) + 0.03,
        footer_height=measure_height(SMALL) + (0.42 if panels == 1 else 0.16),
        detail_height=measure_details(subject.detector.asic_grid) if has_details else 0.0,
    )


def _draw_gain_range(
    page: Page,
    corner: tuple[float, float],
    grid: _Grid,
    subject: Subject,
    kind: Kind,
    gain_range: int,
    maps: PanelMaps,
    captions: list[list[str]],
) -> None:
    left, top = corner
    top = page.write(left, top, [f"gain range {gain_range}"], HEADING)
    panel_maps = [maps[kind.name, gain_range, panel.position] for panel in subject.panels]
    limits = None if kind.zero is ZeroMeaning.GOOD else find_colour_limits(item.values for item in panel_maps)
    numbered = len(panel_maps) == 1
    for index, (lines, panel_map) in enumerate(zip(captions, panel_maps, strict=True)):
        row, column = divmod(index, grid.columns)
        x, y = left + column * (grid.map_width + _SPACING), top + row * grid.row_height
        page.write(x, y, lines, SMALL)
        axes = page.add_axes(x, y + grid.caption_height, grid.map_width, grid.map_height, numbered=numbered)
        draw_map(axes, panel_map, subject.detector.panel_shape, limits or (0.0, 1.0), _COLOURS)
        if numbered:
            label_pixels(axes, subject.detector.panel_shape)
        footer = y + grid.row_height - measure_height(SMALL) - 0.12
        page.write(x, footer, [describe_counts(kind, panel_map)], SMALL)
    if limits is not None:
        width = min(grid.maps_width, 3.2)
        bar = page.add_axes(left, top + grid.rows * grid.row_height, width, 0.11)
        draw_colour_bar(bar, limits, mpl.colormaps[_COLOURS], f"{kind.name}, {kind.unit}")


def _build_caption(subject: Subject, kind: Kind, panel: InputPanel) -> list[str]:
    """Return the lines above a panel's map: none where the title and heading have it all."""
    if len(subject.panels) == 1:
        return []
    constants = find_constants(kind, panel)
    first = "  ".join(
        part for part in (label_place(panel), panel.alias, f"version {constants.version}") if part
    )
    name = wrap_text(panel.panel, _choose_map_width(len(subject.panels)), SMALL, "-")
    validity = [] if subject.find_common_validity(kind) else subject.describe_validity(constants)
    return [first, *name, *validity]


def _list_footnotes(subject: Subject, block_size: int) -> Iterator[str]:
    yield from list_footnotes(subject, block_size)
    if len(subject.panels) > 1:
        yield "Panels stand in segment order, row by row, not where they are in the detector."
