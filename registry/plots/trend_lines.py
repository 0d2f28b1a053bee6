"""Lines of trends: the levels of a panel's versions, with their spread, starts and gaps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Literal, NamedTuple

from matplotlib.axes import Axes

from registry.plots.page import BLACK, BLUE, GREEN, ORANGE, SMALL, VERMILLION, measure_height
from registry.plots.time_axis import draw_open_ends
from registry.records import Panel

ROW_HEIGHT = 0.95
"""Inches of one diagram."""

NAMED = 3
"""Of many panels those furthest from the others are named."""

_GREY = "#8C8C8C"
_MAX_NAME = 10


class Style(NamedTuple):
    """The style of a panel's lines, starts and gaps: distinct without colours too."""

    colour: str
    line: Literal["-", "--", "-.", ":"]
    marker: str
    hatch: str


STYLES = (
    Style(BLUE, "-", "o", "////"),
    Style(VERMILLION, "--", "s", "\\\\\\\\"),
    Style(GREEN, "-.", "D", "||||"),
    Style(ORANGE, ":", "^", "----"),
    Style(BLACK, "-", "v", "xxxx"),
)
"""In the order of the panels."""

_THINNER_ABOVE = 80


@dataclass(frozen=True, slots=True)
class Level:
    """One gain range of one version; times are in days, a level without a start or end goes on beyond the axis."""

    first: float
    last: float
    median: float
    spread: tuple[float, ...] | None
    has_start: bool
    has_end: bool


def relate_level(level: Level, first: float, *, is_percent: bool) -> Level:
    """Return a level as its change since the first one, in percent of it, which is not 0, or in the unit."""

    def relate(value: float) -> float:
        return 100 * (value - first) / first if is_percent else value - first

    spread = None if level.spread is None else tuple(sorted(relate(value) for value in level.spread))
    return replace(level, median=relate(level.median), spread=spread)


def draw_line(axes: Axes, levels: Sequence[Level], style: Style, alpha: float = 0.2) -> list[float]:
    """Draw a panel's versions as levels with their spread behind them; return the values that must be visible."""
    if not levels:
        return []
    bands = [(level, level.spread) for level in levels if level.spread is not None]
    if bands:
        # A pair of values for each end of a level, then nothing: levels are not joined.
        times = [time for level, _ in bands for time in (level.first, level.last, level.last)]
        low = [value for _, band in bands for value in (band[0], band[0], math.nan)]
        high = [value for _, band in bands for value in (band[-1], band[-1], math.nan)]
        axes.fill_between(times, low, high, color=style.colour, alpha=alpha, linewidth=0)
    medians = [level.median for level in levels]
    axes.hlines(
        medians,
        [level.first for level in levels],
        [level.last for level in levels],
        colors=style.colour,
        linestyles=style.line,
        linewidth=1.4,
    )
    starts = [(level.first, level.median) for level in levels if level.has_start]
    axes.plot(
        [time for time, _ in starts],
        [median for _, median in starts],
        linestyle="none",
        marker=style.marker,
        color=style.colour,
        markersize=4 if len(starts) < _THINNER_ABOVE else 1.5,
    )
    for level in levels:
        if not level.has_start:
            draw_open_ends(axes, "left", [level.median])
        if not level.has_end:
            draw_open_ends(axes, "right", [level.median])
    return [*medians, *(value for _, band in bands for value in (band[0], band[-1]))]


def draw_gaps(axes: Axes, gaps: Sequence[tuple[float, float]], style: Style) -> None:
    """Draw the gaps of a panel as hatched ranges, in days."""
    axes.broken_barh(
        [(low, high - low) for low, high in gaps],
        (0, 1),
        transform=axes.get_xaxis_transform(),
        facecolor="none",
        edgecolor=style.colour,
        hatch=style.hatch,
        linewidth=0.5,
    )


def draw_many_lines(axes: Axes, lines: Sequence[tuple[Panel, list[Level]]]) -> list[float]:
    """Draw all panels in grey and those furthest from the others by their styles; return what must be visible."""
    furthest = _find_furthest(lines)
    for panel, levels in lines:
        if panel not in furthest:
            axes.hlines(
                [level.median for level in levels],
                [level.first for level in levels],
                [level.last for level in levels],
                colors=_GREY,
                linewidth=0.7,
            )
    by_panel = {panel.panel: levels for panel, levels in lines}
    for panel, style in zip(furthest, STYLES, strict=False):
        without_bands = [replace(level, spread=None) for level in by_panel[panel.panel]]
        draw_line(axes, without_bands, style)
    return [level.median for _, levels in lines for level in levels]


def _find_furthest(lines: Sequence[tuple[Panel, list[Level]]]) -> list[Panel]:
    """Return the panels with the medians that are furthest from the median of all, the furthest one first."""
    values = [level.median for _, levels in lines for level in levels]
    if not values:
        return []
    middle = median(values)
    distances = {
        panel.panel: max((abs(level.median - middle) for level in levels), default=0.0)
        for panel, levels in lines
    }
    ordered = sorted((panel for panel, _ in lines), key=lambda panel: -distances[panel.panel])
    return [panel for panel in ordered[:NAMED] if distances[panel.panel] > 0]


def name_lines(axes: Axes, lines: Sequence[tuple[Panel, list[Level]]]) -> None:
    """Write the names of the panels furthest from the others on the right, apart from each other."""
    low, high = axes.get_ylim()
    by_panel = {panel.panel: levels for panel, levels in lines}
    furthest = list(zip(_find_furthest(lines), STYLES, strict=False))
    least = measure_height(SMALL) / ROW_HEIGHT
    ordered = sorted(furthest, key=lambda item: by_panel[item[0].panel][-1].median)
    heights = [(by_panel[panel.panel][-1].median - low) / (high - low) for panel, _ in ordered]
    for index in range(1, len(heights)):
        heights[index] = max(heights[index], heights[index - 1] + least)
    over = max(heights[-1] - (1 - least / 2), 0.0) if heights else 0.0
    for (panel, style), height in zip(ordered, heights, strict=True):
        # The end of a panel Id tells panels apart, its beginning is that of many.
        name = panel.alias or f"...{panel.panel[-6:]}"
        axes.text(
            1.05,
            height - over,
            name[:_MAX_NAME],
            transform=axes.transAxes,
            fontsize=SMALL,
            va="center",
            color=BLACK,
        )
        axes.plot(
            [1.03],
            [height - over],
            style.marker,
            color=style.colour,
            markersize=4,
            transform=axes.transAxes,
            clip_on=False,
        )
