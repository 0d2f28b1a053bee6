"""Pictures of the difference of two versions: for each gain range a map around zero and a histogram."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
from registry.records import AsicChange, PixelDifference

_COLOURS = "PuOr"
_LABEL_WIDTH, _MAP_WIDTH, _HISTOGRAM_WIDTH, _SPACING = 0.35, 4.0, 2.9, 0.75  # inches
_FOOTER_HEIGHT = 1.2  # what was counted, and the colour bar


@dataclass(frozen=True, slots=True)
class Subject:
    """The changes to draw, with titles.

    Attributes
    ----------
    unit
        Of the changes, ``% of version 1`` for relative ones.
    is_without_uniform
        True if the uniform part was subtracted from the changes.
    """

    title: str
    subtitles: tuple[str, ...]
    unit: str
    detector: DetectorType
    changes: tuple[tuple[PixelDifference, PixelChange], ...]
    is_relative: bool = False
    is_without_uniform: bool = False


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
        width, len(subject.changes) * pitch, subject.title, subject.subtitles, _list_footnotes(subject)
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
        draw_colour_bar(bar, (-limit, limit), mpl.colormaps[_COLOURS], _describe_unit(subject, difference))
        box = left + _MAP_WIDTH + _SPACING, top, _HISTOGRAM_WIDTH, height
        _draw_histogram(page.add_axes(*box), _describe_unit(subject, difference), change)
        _draw_asics(axes, subject, difference)
    page.write(left, top + height + 0.4, [_describe_counts(difference, change)], SMALL)


def _describe_unit(subject: Subject, difference: PixelDifference) -> str:
    """Return the unit of the changes, and what was subtracted from them."""
    change = difference.change
    if not subject.is_without_uniform or change is None:
        return subject.unit
    if change.model == "scale":
        return f"{subject.unit}, beyond the scale {1 if change.scale is None else change.scale:.5g}"
    return f"{subject.unit}, beyond the shift {change.shift or 0:+.4g} {change.unit}"


def _draw_asics(axes: Axes, subject: Subject, difference: PixelDifference) -> None:
    """Draw the borders of the ASICs, and write the median change of each over it."""
    height, width = subject.detector.asic_shape
    rows, columns = subject.detector.panel_shape
    for y in range(height, rows, height):
        axes.axhline(y, color=BLACK, linewidth=0.5, linestyle=(0, (1, 2)))
    for x in range(width, columns, width):
        axes.axvline(x, color=BLACK, linewidth=0.5, linestyle=(0, (1, 2)))
    asics = difference.change.asics if difference.change is not None else ()
    values = [_find_median(subject, asic) for asic in asics]
    texts = format_changes(values)
    for asic, text in zip(asics, texts, strict=True):
        axes.text(
            (asic.column + 0.5) * width,
            (asic.row + 0.5) * height,
            text,
            fontsize=SMALL,
            ha="center",
            va="center_baseline",
            bbox={"facecolor": "white", "edgecolor": BLACK, "linewidth": 0.4, "pad": 1.0},
        )


def _find_median(subject: Subject, asic: AsicChange) -> float | None:
    if subject.is_without_uniform:
        return asic.left_percent if subject.is_relative else asic.left
    return asic.percent if subject.is_relative else asic.shift


def format_changes(values: Sequence[float | None]) -> list[str]:
    """Return changes with their sign and as many decimal places as the largest has for three digits; - for none."""
    largest = max((abs(value) for value in values if value is not None), default=0.0)
    if not 1e-4 <= largest < 1e4:  # of which no fixed number of places is short
        return ["-" if value is None else f"{value:+.2g}" if value else "0" for value in values]
    places = max(2 - math.floor(math.log10(largest)), 0)
    texts = ["-" if value is None else f"{value:+.{places}f}" for value in values]
    return ["0" if text.strip("+-0.") == "" and text != "-" else text for text in texts]


def _draw_histogram(axes: Axes, unit: str, change: PixelChange) -> None:
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
    axes.set_xlabel(f"change, {unit}", size=SMALL, labelpad=1)
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


def _list_footnotes(subject: Subject) -> Iterator[str]:
    if subject.is_without_uniform:
        yield (
            "Subtracted: the uniform part of the change, the median of all pixels with a value in both: of gain and"
            " rms a scale, the median ratio; of other kinds a shift. Pixels that differ are counted before that."
        )
    yield "In frames: the median of each ASIC, in the unit of the colours; -: it has no value."
    yield (
        f"Colours: to the {COLOUR_PERCENTILES[1]:g}th percentile of the drawn changes on either side of zero. + and"
        f" \N{MINUS SIGN}: the median of a square of {SIGN_BLOCK_SIZE} x {SIGN_BLOCK_SIZE} pixels is clearly above or"
        f" below zero. {RING} oddly: further than {ODD_THRESHOLD} interquartile ranges from the median change."
        f" {CROSS}: dead or not finite in one of the two. {MARKS_FOOTNOTE}"
    )
