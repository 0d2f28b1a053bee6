"""A picture of constants: a map of every panel, for each kind and gain range."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure

from registry.detectors import DetectorType, Kind, Zero
from registry.plots.files import RESOLUTION
from registry.plots.maps import ABOUT_MARKS, CROSS, MARK, RING, draw_map, number_pixels
from registry.plots.page import (
    HEADING,
    MARGIN,
    SMALL,
    Page,
    colour_bar,
    folded,
    height_of,
    new_page,
)
from registry.plots.pixels import LIMITS, ODD_RANGES, PanelMap, limits
from registry.provenance.document import InputConstants, InputPanel

_COLOURS = "viridis"
_GAP = 0.14
_BAR = 0.5  # inches for a colour bar with its numbers and unit
_NARROWEST = 6.5
_ACROSS = 4  # gain ranges side by side


@dataclass(frozen=True, slots=True)
class Subject:
    """What is drawn, and what its title says: what it is, then of when and as of which revision.

    ``withdrawn``: it is a version that was withdrawn, of which no end is known.
    """

    title: str
    said: str
    detector: DetectorType
    kinds: tuple[Kind, ...]
    gain_ranges: tuple[int, ...]
    panels: tuple[InputPanel, ...]
    withdrawn: bool = False


Maps = Mapping[tuple[str, int, int], PanelMap]
"""By kind, gain range and position of the panel."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """The maps of one kind and gain range side by side; all lengths in inches."""

    columns: int
    rows: int
    width: float
    height: float
    axis: float  # on the left, for the numbers of the rows
    caption: float  # above each map
    below: float  # with the count, and where there is one panel its axis

    @property
    def whole_width(self) -> float:
        return self.columns * (self.width + _GAP) - _GAP

    @property
    def pitch(self) -> float:
        return self.caption + self.height + self.below

    @property
    def whole_height(self) -> float:
        return self.rows * self.pitch + _BAR


def fineness(detector: DetectorType, panels: int) -> tuple[int, int]:
    """Return the sides in pixels of the squares that are drawn as one, and that one mark covers; see `panel_map`."""
    width, pixels = _width_of(panels), detector.panel_shape[1]
    fitting = pixels / (width * RESOLUTION)
    block = 2 ** max(math.ceil(math.log2(fitting)), 0)
    return block, max(int(pixels * MARK / 72 / width), 1)


def _width_of(panels: int) -> float:
    for most, width in ((1, 3.6), (2, 3.0), (8, 2.3)):
        if panels <= most:
            return width
    return 1.9


def draw(subject: Subject, maps: Maps, block: int) -> Figure:
    """Draw the maps; `block` is the side in pixels of the squares that they are medians of."""
    captions = {
        kind.name: [_caption(subject, kind, panel) for panel in subject.panels] for kind in subject.kinds
    }
    grid = _grid(subject, max(len(lines) for every in captions.values() for lines in every))
    across = min(len(subject.gain_ranges), _ACROSS)
    pitch = grid.axis + grid.whole_width + 3 * _GAP
    row = height_of(HEADING) + grid.whole_height + _GAP
    heading = height_of(HEADING) + 0.06
    page, top = new_page(
        max(across * pitch - 3 * _GAP, _NARROWEST),
        len(subject.kinds) * (heading + math.ceil(len(subject.gain_ranges) / across) * row),
        subject.title,
        [subject.said],
        _footnotes(subject, block),
    )
    for kind in subject.kinds:
        page.text(MARGIN, top, [_heading(subject, kind)], HEADING, fontweight="bold")
        top += heading
        for index, gain_range in enumerate(subject.gain_ranges):
            down, aside = divmod(index, across)
            place = MARGIN + aside * pitch + grid.axis, top + down * row
            _draw_block(page, place, grid, subject, kind, gain_range, maps, captions[kind.name])
        top += (down + 1) * row
    return page.figure


def _grid(subject: Subject, lines: int) -> _Grid:
    panels, (rows, columns) = len(subject.panels), subject.detector.panel_shape
    width, side = _width_of(panels), math.ceil(math.sqrt(panels / 2))
    return _Grid(
        columns=side,
        rows=math.ceil(panels / side),
        width=width,
        height=width * rows / columns,
        axis=0.35 if panels == 1 else 0.0,
        caption=height_of(SMALL, lines) + 0.03,
        below=height_of(SMALL) + (0.42 if panels == 1 else 0.16),
    )


def _draw_block(
    page: Page,
    place: tuple[float, float],
    grid: _Grid,
    subject: Subject,
    kind: Kind,
    gain_range: int,
    maps: Maps,
    captions: list[list[str]],
) -> None:
    left, top = place
    top = page.text(left, top, [f"gain range {gain_range}"], HEADING)
    drawn = [maps[kind.name, gain_range, panel.position] for panel in subject.panels]
    found = None if kind.zero is Zero.GOOD else limits(each.drawn for each in drawn)
    numbered = len(drawn) == 1
    for index, (lines, each) in enumerate(zip(captions, drawn, strict=True)):
        row, column = divmod(index, grid.columns)
        x, y = left + column * (grid.width + _GAP), top + row * grid.pitch
        page.text(x, y, lines, SMALL)
        axes = page.axes(x, y + grid.caption, grid.width, grid.height, numbered=numbered)
        draw_map(axes, each, subject.detector.panel_shape, found or (0.0, 1.0), _COLOURS)
        if numbered:
            number_pixels(axes, subject.detector.panel_shape)
        count = y + grid.pitch - height_of(SMALL) - 0.12
        page.text(x, count, [_counted(kind, each)], SMALL)
    if found is not None:
        width = min(grid.whole_width, 3.2)
        bar = page.axes(left, top + grid.rows * grid.pitch, width, 0.11)
        colour_bar(bar, found, mpl.colormaps[_COLOURS], f"{kind.name}, {kind.unit}")


def _heading(subject: Subject, kind: Kind) -> str:
    said = _shared_validity(subject, kind)
    if len(subject.panels) == 1:
        said = [f"version {_constants(kind, subject.panels[0]).version}", *said]
    unit = "flags" if kind.zero is Zero.GOOD else kind.unit
    return f"{kind.name} ({unit})" + (f": {', '.join(said)}" if said else "")


def _caption(subject: Subject, kind: Kind, panel: InputPanel) -> list[str]:
    """Return what stands above a panel's map; nothing where the title says it."""
    if len(subject.panels) == 1:
        return []
    constants = _constants(kind, panel)
    first = "  ".join(
        part for part in (str(panel.position), panel.alias, f"version {constants.version}") if part
    )
    name = folded(panel.panel, _width_of(len(subject.panels)), SMALL, "-")
    return [first, *name, *([] if _shared_validity(subject, kind) else _validity(subject, constants))]


def _constants(kind: Kind, panel: InputPanel) -> InputConstants:
    return next(each for each in panel.constants if each.kind == kind.name)


def _validity(subject: Subject, constants: InputConstants) -> list[str]:
    end = f"until {constants.valid_to}" if constants.valid_to else "still valid"
    if subject.withdrawn:
        end = "withdrawn"
    return [f"from {constants.valid_from or 'beginning'}", end]


def _shared_validity(subject: Subject, kind: Kind) -> list[str]:
    """Return the validity that is every panel's, nothing where they differ."""
    found = {tuple(_validity(subject, _constants(kind, panel))) for panel in subject.panels}
    return list(found.pop()) if len(found) == 1 else []


def _counted(kind: Kind, drawn: PanelMap) -> str:
    if kind.zero is Zero.GOOD:
        return f"{drawn.odd.count} flagged {RING}"
    dead = "dead" if kind.zero is Zero.DEAD else "not finite"
    return f"{drawn.dead.count} {dead} {CROSS}, {drawn.odd.count} odd {RING}"


def _footnotes(subject: Subject, block: int) -> Iterator[str]:
    size = "every pixel" if block == 1 else f"medians of {block} x {block} pixels"
    if any(kind.zero is not Zero.GOOD for kind in subject.kinds):
        yield (
            f"Drawn: {size}. Colours: from the {LIMITS[0]:g}th to the {LIMITS[1]:g}th percentile of what is drawn"
            " of a gain range and is not odd, beyond that the colours of the ends; grey: no value."
        )
        yield (
            f"{CROSS} dead: gain 0, or not finite. {RING} odd: further than {ODD_RANGES} interquartile ranges"
            " from the median of its panel."
        )
    if any(kind.zero is Zero.GOOD for kind in subject.kinds):
        yield f"Flags: light where a square of {block} x {block} pixels holds a flagged one {RING}."
    yield ABOUT_MARKS
    if len(subject.panels) > 1:
        yield "Panels stand in segment order, row by row, not where they are in the detector."
