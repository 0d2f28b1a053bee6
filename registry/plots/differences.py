"""A picture of how two versions differ: for each gain range a map around zero, and how often each change is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from registry.detectors import DetectorType
from registry.plots.files import RESOLUTION
from registry.plots.maps import ABOUT_MARKS, CROSS, MARK, RING, draw_map, draw_signs, number_pixels
from registry.plots.page import (
    BLACK,
    HEADING,
    MARGIN,
    SMALL,
    Page,
    colour_bar,
    height_of,
    new_page,
    numbers,
)
from registry.plots.pixels import LIMITS, ODD_RANGES, SIGN, Change, limit_of
from registry.records import PixelDifference

_COLOURS = "PuOr"
_LABELS, _MAP, _HISTOGRAM, _BETWEEN = 0.35, 4.0, 2.9, 0.75  # inches
_BELOW = 1.2  # what was counted, and the colour bar


@dataclass(frozen=True, slots=True)
class Subject:
    """What is drawn, and what its title says; ``unit`` is that of the changes, ``%`` for relative ones."""

    title: str
    said: tuple[str, ...]
    unit: str
    detector: DetectorType
    changes: tuple[tuple[PixelDifference, Change], ...]


def fineness(detector: DetectorType) -> tuple[int, int]:
    """Return the sides in pixels of the squares that are drawn as one, and that one mark covers."""
    pixels = detector.panel_shape[1]
    return max(round(pixels / (_MAP * RESOLUTION)), 1), max(int(pixels * MARK / 72 / _MAP), 1)


def draw(subject: Subject) -> Figure:
    """Draw the changes, gain range below gain range."""
    rows, columns = subject.detector.panel_shape
    height = _MAP * rows / columns
    width = _LABELS + _MAP + _BETWEEN + _HISTOGRAM
    pitch = height_of(HEADING) + height + _BELOW
    page, top = new_page(width, len(subject.changes) * pitch, subject.title, subject.said, _footnotes())
    for difference, change in subject.changes:
        _draw_change(page, top, height, subject, difference, change)
        top += pitch
    return page.figure


def _draw_change(
    page: Page, top: float, height: float, subject: Subject, difference: PixelDifference, change: Change
) -> None:
    left = MARGIN + _LABELS
    top = page.text(left, top, [f"gain range {difference.gain_range}"], HEADING, fontweight="bold")
    axes = page.axes(left, top, _MAP, height)
    limit = limit_of(change)
    draw_map(axes, change.map, subject.detector.panel_shape, (-limit, limit), _COLOURS)
    number_pixels(axes, subject.detector.panel_shape)
    if difference.count:
        draw_signs(axes, change.coarse, SIGN, limit)
        bar = page.axes(left, top + height + 0.62, 3.2, 0.11)
        colour_bar(bar, (-limit, limit), mpl.colormaps[_COLOURS], subject.unit)
        _draw_histogram(page.axes(left + _MAP + _BETWEEN, top, _HISTOGRAM, height), subject, change)
    page.text(left, top + height + 0.4, [_counted(difference, change)], SMALL)


def _draw_histogram(axes: Axes, subject: Subject, change: Change) -> None:
    axes.stairs(change.counts, change.edges, fill=True, color="#999999")
    axes.stairs(change.counts, change.edges, color=BLACK, linewidth=0.6)
    axes.axvline(0, color=BLACK, linewidth=0.6, linestyle=(0, (4, 3)))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:.0f}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0.7, max(float(change.counts.max()), 1.0) * 2)
    low, high = float(change.edges[0]), float(change.edges[-1])
    axes.set_xlim(low, high)
    places = [each for each in MaxNLocator(4).tick_values(low, high) if low <= each <= high]
    axes.set_xticks(places, numbers(places))
    axes.set_xlabel(f"change, {subject.unit}", size=SMALL, labelpad=1)
    axes.set_ylabel("pixels", size=SMALL, labelpad=1)
    if change.beyond:
        axes.set_title(f"{change.beyond} pixels are further from zero", size=SMALL, loc="right", pad=2)


def _counted(difference: PixelDifference, change: Change) -> str:
    if not difference.count:
        return "no pixel differs"
    share = f"{difference.count} of the pixels differ ({100 * difference.fraction:.3g} %)"
    return f"{share}: {change.map.odd.count} oddly {RING}, {change.map.dead.count} dead in one only {CROSS}"


def _footnotes() -> Iterator[str]:
    yield (
        f"Colours: to the {LIMITS[1]:g}th percentile of the drawn changes on either side of zero. + and \N{MINUS SIGN}:"
        f" the median of a square of {SIGN} x {SIGN} pixels is clearly above or below zero. {RING} oddly: further than"
        f" {ODD_RANGES} interquartile ranges from the median change. {CROSS}: dead or not finite in one of the two."
        f" {ABOUT_MARKS}"
    )
