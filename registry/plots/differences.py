"""Pictures of the difference of two versions: for each gain range a map around zero and a histogram."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullLocator

from registry.detectors import DetectorType
from registry.identifiers import format_count
from registry.plots.files import RESOLUTION
from registry.plots.maps import CROSS, MARK_SIZE, MARKS_FOOTNOTE, RING, draw_map, draw_signs, label_pixels
from registry.plots.page import (
    BLACK,
    HEADING,
    MARGIN,
    SMALL,
    Page,
    choose_ticks,
    draw_colour_bar,
    lay_out_page,
    measure_height,
)
from registry.plots.pixels import (
    COLOUR_PERCENTILES,
    ODD_THRESHOLD,
    SIGN_BLOCK_SIZE,
    PixelChange,
    find_change_limit,
)
from registry.records import PixelDifference

_COLOURS = "PuOr"
_LABEL_WIDTH, _MAP_WIDTH, _HISTOGRAM_WIDTH, _SPACING = 0.35, 4.0, 2.9, 0.75  # inches
_FOOTER_HEIGHT = 1.2  # what was counted, and the colour bar


@dataclass(frozen=True, slots=True)
class Subject:
    """The changes to draw, with titles; ``unit`` is that of the changes, ``%`` for relative ones."""

    title: str
    subtitles: tuple[str, ...]
    unit: str
    detector: DetectorType
    changes: tuple[tuple[PixelDifference, PixelChange], ...]


def choose_block_size(detector: DetectorType) -> tuple[int, int]:
    """Return the sides in pixels of the squares drawn as one, and of those that one mark covers."""
    density = detector.panel_shape[1] / _MAP_WIDTH  # pixels per inch
    return max(round(density / RESOLUTION), 1), max(int(density * MARK_SIZE / 72), 1)


def draw(subject: Subject) -> Figure:
    """Draw the changes, gain range below gain range."""
    rows, columns = subject.detector.panel_shape
    height = _MAP_WIDTH * rows / columns
    width = _LABEL_WIDTH + _MAP_WIDTH + _SPACING + _HISTOGRAM_WIDTH
    pitch = measure_height(HEADING) + height + _FOOTER_HEIGHT
    page, top = lay_out_page(
        width, len(subject.changes) * pitch, subject.title, subject.subtitles, _list_footnotes()
    )
    for difference, change in subject.changes:
        _draw_change(page, top, height, subject, difference, change)
        top += pitch
    return page.figure


def _draw_change(
    page: Page, top: float, height: float, subject: Subject, difference: PixelDifference, change: PixelChange
) -> None:
    left = MARGIN + _LABEL_WIDTH
    top = page.write(left, top, [f"gain range {difference.gain_range}"], HEADING, fontweight="bold")
    axes = page.add_axes(left, top, _MAP_WIDTH, height)
    limit = find_change_limit(change)
    draw_map(axes, change.map, subject.detector.panel_shape, (-limit, limit), _COLOURS)
    label_pixels(axes, subject.detector.panel_shape)
    if difference.count:
        draw_signs(axes, change.coarse_medians, SIGN_BLOCK_SIZE, limit)
        bar = page.add_axes(left, top + height + 0.62, 3.2, 0.11)
        draw_colour_bar(bar, (-limit, limit), mpl.colormaps[_COLOURS], subject.unit)
        _draw_histogram(
            page.add_axes(left + _MAP_WIDTH + _SPACING, top, _HISTOGRAM_WIDTH, height), subject, change
        )
    page.write(left, top + height + 0.4, [_describe_counts(difference, change)], SMALL)


def _draw_histogram(axes: Axes, subject: Subject, change: PixelChange) -> None:
    axes.stairs(change.counts, change.edges, fill=True, color="#999999")
    axes.stairs(change.counts, change.edges, color=BLACK, linewidth=0.6)
    axes.axvline(0, color=BLACK, linewidth=0.6, linestyle=(0, (4, 3)))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:.0f}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0.7, max(float(change.counts.max()), 1.0) * 2)
    low, high = float(change.edges[0]), float(change.edges[-1])
    axes.set_xlim(low, high)
    axes.set_xticks(*choose_ticks(low, high))
    axes.set_xlabel(f"change, {subject.unit}", size=SMALL, labelpad=1)
    axes.set_ylabel("pixels", size=SMALL, labelpad=1)
    if change.outside:
        axes.set_title(_describe_outside(change.outside), size=SMALL, loc="right", pad=2)


def _describe_outside(pixels: int) -> str:
    return f"{format_count(pixels, 'pixel')} {'is' if pixels == 1 else 'are'} further from zero"


def _describe_counts(difference: PixelDifference, change: PixelChange) -> str:
    if not difference.count:
        return "no pixel differs"
    verb = "differs" if difference.count == 1 else "differ"
    share = f"{format_count(difference.count, 'pixel')} {verb} ({100 * difference.fraction:.3g} %)"
    return f"{share}: {change.map.odd.count} oddly {RING}, {change.map.dead.count} dead in one only {CROSS}"


def _list_footnotes() -> Iterator[str]:
    yield (
        f"Colours: to the {COLOUR_PERCENTILES[1]:g}th percentile of the drawn changes on either side of zero. + and"
        f" \N{MINUS SIGN}: the median of a square of {SIGN_BLOCK_SIZE} x {SIGN_BLOCK_SIZE} pixels is clearly above or"
        f" below zero. {RING} oddly: further than {ODD_THRESHOLD} interquartile ranges from the median change."
        f" {CROSS}: dead or not finite in one of the two. {MARKS_FOOTNOTE}"
    )
