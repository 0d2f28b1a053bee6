"""Pictures of constants: a map of every panel, for each kind and gain range."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure
from msgspec import UNSET

from registry.detectors import DetectorType, Kind, ZeroMeaning
from registry.plots.files import RESOLUTION
from registry.plots.maps import CROSS, MARK_SIZE, MARKS_FOOTNOTE, RING, draw_map, label_pixels
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
from registry.plots.pixels import COLOUR_PERCENTILES, ODD_THRESHOLD, PanelMap, find_colour_limits
from registry.provenance.document import InputConstants, InputPanel

_COLOURS = "viridis"
_SPACING = 0.14
_COLOUR_BAR_HEIGHT = 0.5  # inches for a colour bar with its numbers and unit
_MIN_WIDTH = 6.5
_MAX_COLUMNS = 4  # gain ranges side by side


@dataclass(frozen=True, slots=True)
class Subject:
    """The constants to draw, with titles; ``withdrawn``: they are a withdrawn version, whose end is not known."""

    title: str
    subtitle: str
    detector: DetectorType
    kinds: tuple[Kind, ...]
    gain_ranges: tuple[int, ...]
    panels: tuple[InputPanel, ...]
    withdrawn: bool = False


PanelMaps = Mapping[tuple[str, int, int], PanelMap]
"""By kind, gain range and position of the panel."""


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

    @property
    def total_width(self) -> float:
        return self.columns * (self.map_width + _SPACING) - _SPACING

    @property
    def row_height(self) -> float:
        return self.caption_height + self.map_height + self.footer_height

    @property
    def total_height(self) -> float:
        return self.rows * self.row_height + _COLOUR_BAR_HEIGHT


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


def draw(subject: Subject, maps: PanelMaps, block_size: int) -> Figure:
    """Draw the maps; `block_size` is the side in pixels of the squares that they are medians of."""
    captions = {
        kind.name: [_build_caption(subject, kind, panel) for panel in subject.panels]
        for kind in subject.kinds
    }
    grid = _lay_out_grid(subject, max(len(lines) for texts in captions.values() for lines in texts))
    across = min(len(subject.gain_ranges), _MAX_COLUMNS)
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
        page.write(MARGIN, top, [_build_heading(subject, kind)], HEADING, fontweight="bold")
        top += heading
        for index, gain_range in enumerate(subject.gain_ranges):
            down, aside = divmod(index, across)
            corner = MARGIN + aside * pitch + grid.axis_width, top + down * row
            _draw_gain_range(page, corner, grid, subject, kind, gain_range, maps, captions[kind.name])
        top += (down + 1) * row
    return page.figure


def _lay_out_grid(subject: Subject, lines: int) -> _Grid:
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
        page.write(x, footer, [_describe_counts(kind, panel_map)], SMALL)
    if limits is not None:
        width = min(grid.total_width, 3.2)
        bar = page.add_axes(left, top + grid.rows * grid.row_height, width, 0.11)
        draw_colour_bar(bar, limits, mpl.colormaps[_COLOURS], f"{kind.name}, {kind.unit}")


def _build_heading(subject: Subject, kind: Kind) -> str:
    parts = _find_common_validity(subject, kind)
    if len(subject.panels) == 1:
        parts = [f"version {_find_constants(kind, subject.panels[0]).version}", *parts]
    unit = "flags" if kind.zero is ZeroMeaning.GOOD else kind.unit
    return f"{kind.name} ({unit})" + (f": {', '.join(parts)}" if parts else "")


def _build_caption(subject: Subject, kind: Kind, panel: InputPanel) -> list[str]:
    """Return the lines above a panel's map: none where the title and heading have it all."""
    if len(subject.panels) == 1:
        return []
    constants = _find_constants(kind, panel)
    first = "  ".join(
        part for part in (_label_place(panel), panel.alias, f"version {constants.version}") if part
    )
    name = wrap_text(panel.panel, _choose_map_width(len(subject.panels)), SMALL, "-")
    validity = [] if _find_common_validity(subject, kind) else _describe_validity(subject, constants)
    return [first, *name, *validity]


def _label_place(panel: InputPanel) -> str:
    """Return the segment number of a panel; its position in a document from before there were any."""
    return str(panel.position) if panel.segment is UNSET else panel.segment_label


def _find_constants(kind: Kind, panel: InputPanel) -> InputConstants:
    return next(constants for constants in panel.constants if constants.kind == kind.name)


def _describe_validity(subject: Subject, constants: InputConstants) -> list[str]:
    end = f"until {constants.valid_to}" if constants.valid_to else "still valid"
    return [f"from {constants.valid_from or 'beginning'}", "withdrawn" if subject.withdrawn else end]


def _find_common_validity(subject: Subject, kind: Kind) -> list[str]:
    """Return the validity that all panels share; nothing where they differ."""
    validities = {
        tuple(_describe_validity(subject, _find_constants(kind, panel))) for panel in subject.panels
    }
    return list(validities.pop()) if len(validities) == 1 else []


def _describe_counts(kind: Kind, panel_map: PanelMap) -> str:
    if kind.zero is ZeroMeaning.GOOD:
        return f"{panel_map.odd.count} flagged {RING}"
    dead = "dead" if kind.zero is ZeroMeaning.DEAD else "not finite"
    return f"{panel_map.dead.count} {dead} {CROSS}, {panel_map.odd.count} odd {RING}"


def _list_footnotes(subject: Subject, block_size: int) -> Iterator[str]:
    size = "every pixel" if block_size == 1 else f"medians of {block_size} x {block_size} pixels"
    if any(kind.zero is not ZeroMeaning.GOOD for kind in subject.kinds):
        yield (
            f"Drawn: {size}. Colours: from the {COLOUR_PERCENTILES[0]:g}th to the {COLOUR_PERCENTILES[1]:g}th"
            " percentile of what is drawn of a gain range and is not odd, beyond that the colours of the ends; grey:"
            " no value."
        )
        yield (
            f"{CROSS} dead: gain 0, or not finite. {RING} odd: further than {ODD_THRESHOLD} interquartile ranges"
            " from the median of its panel."
        )
    if any(kind.zero is ZeroMeaning.GOOD for kind in subject.kinds):
        yield f"Flags: light where a square of {block_size} x {block_size} pixels holds a flagged one {RING}."
    yield MARKS_FOOTNOTE
    if len(subject.panels) > 1:
        yield "Panels stand in segment order, row by row, not where they are in the detector."
