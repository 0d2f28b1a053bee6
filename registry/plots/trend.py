"""Pictures of the trend of a panel's constants: the median of every version over time, by kind and gain range."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from registry.detectors import DetectorType, Kind
from registry.instants import BEGINNING
from registry.plots.page import (
    BLACK,
    BLUE,
    GREEN,
    HEADING,
    MARGIN,
    ORANGE,
    SMALL,
    TEXT,
    VERMILLION,
    choose_ticks,
    lay_out_page,
    measure_height,
)
from registry.plots.pixels import SPREAD_PERCENTILES
from registry.plots.time_axis import TimeAxis, build_time_axis, draw_open_ends
from registry.records import Panel, Version

_ROW_HEIGHT, _LINES_WIDTH = 0.95, 6.6  # inches of one diagram
_SCALE_WIDTH = 0.85  # inches for its numbers
_SPACING = 0.12
_DATES_HEIGHT = 0.3


class _Style(NamedTuple):
    """The style of a panel's lines, starts and gaps: distinct without colours too."""

    colour: str
    line: Literal["-", "--", "-.", ":"]
    marker: str
    hatch: str


_STYLES = (
    _Style(BLUE, "-", "o", "////"),
    _Style(VERMILLION, "--", "s", "\\\\\\\\"),
    _Style(GREEN, "-.", "D", "||||"),
    _Style(ORANGE, ":", "^", "----"),
    _Style(BLACK, "-", "v", "xxxx"),
)
_THINNER_ABOVE = 80

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Subject:
    """The versions to draw, with titles.

    Attributes
    ----------
    medians
        By number of the version, those of its files by gain range; None where no value is finite.
    spreads
        The percentiles of `pixels.SPREAD_PERCENTILES`, in the same way; empty where files were not read.
    """

    title: str
    subtitle: str
    detector: DetectorType
    kinds: tuple[Kind, ...]
    panels: tuple[Panel, ...]
    versions: tuple[Version, ...]
    medians: Mapping[int, Sequence[float | None]]
    spreads: Mapping[int, Sequence[tuple[float, ...] | None]]
    notes: tuple[str, ...] = ()


def draw(subject: Subject) -> Figure:
    """Draw a diagram for every kind and gain range, one below the other over one axis of time."""
    axis = build_time_axis(version.valid_from for version in subject.versions)
    ranges = subject.detector.gain_ranges
    kind_height = measure_height(HEADING) + ranges * (_ROW_HEIGHT + _SPACING) + 0.1
    key = measure_height(TEXT, len(subject.panels))
    height = key + 0.1 + len(subject.kinds) * kind_height + _DATES_HEIGHT
    page, top = lay_out_page(
        _SCALE_WIDTH + _LINES_WIDTH, height, subject.title, [subject.subtitle], _list_footnotes(subject)
    )
    _draw_legend(page.add_axes(MARGIN, top, 0.6, key), subject.panels)
    names = [f"{panel.panel}  {panel.alias or ''}".rstrip() for panel in subject.panels]
    top = page.write(MARGIN + 0.75, top, names, TEXT) + 0.1
    for kind in subject.kinds:
        under = page.write(MARGIN, top, [f"{kind.name} ({kind.unit})"], HEADING, fontweight="bold")
        for gain_range in range(ranges):
            axes = page.add_axes(
                MARGIN + _SCALE_WIDTH,
                under + gain_range * (_ROW_HEIGHT + _SPACING),
                _LINES_WIDTH,
                _ROW_HEIGHT,
            )
            _draw_diagram(axes, axis, subject, kind, gain_range)
            if kind is not subject.kinds[-1] or gain_range < ranges - 1:
                axes.tick_params(labelbottom=False)
                axes.set_xlabel("")
        top += kind_height
    return page.figure


def _draw_legend(axes: Axes, panels: Sequence[Panel]) -> None:
    axes.set(xlim=(0, 1), ylim=(len(panels), 0))
    axes.set_axis_off()
    for index, _ in enumerate(panels):
        style = _STYLES[index % len(_STYLES)]
        axes.plot([0.0, 0.45], [index + 0.45] * 2, color=style.colour, linestyle=style.line, linewidth=1.4)
        axes.plot([0.0], [index + 0.45], style.marker, color=style.colour, markersize=4, clip_on=False)
        axes.broken_barh(
            [(0.6, 0.4)], (index + 0.1, 0.7), facecolor="none", edgecolor=style.colour, hatch=style.hatch
        )


def _draw_diagram(axes: Axes, axis: TimeAxis, subject: Subject, kind: Kind, gain_range: int) -> None:
    drawn: list[float] = []
    for index, panel in enumerate(subject.panels):
        own = [item for item in subject.versions if (item.panel, item.kind) == (panel.panel, kind.name)]
        style = _STYLES[index % len(_STYLES)]
        drawn += _draw_line(axes, _build_levels(axis, subject, own, gain_range), style)
        _draw_gaps(axes, [axis.clip(gap.valid_from, gap.valid_to) for gap in own if gap.is_gap], style)
    axis.apply(axes)
    axes.set_ylabel(f"range {gain_range}", size=SMALL, labelpad=2)
    axes.yaxis.set_label_coords(-0.105, 0.5)
    axes.tick_params(axis="y", pad=6)
    axes.yaxis.grid(visible=True, color="#DDDDDD", linewidth=0.5)
    axes.set_axisbelow(True)
    if not drawn:
        axes.set_yticks([])
        return
    low, high = min(drawn), max(drawn)
    margin = (high - low) * 0.12 or max(abs(low) * 1e-3, 1e-6)
    axes.set_ylim(low - margin, high + margin)
    axes.set_yticks(*choose_ticks(low, high, margin))


@dataclass(frozen=True, slots=True)
class _Level:
    """One gain range of one version; times are in days, a level without a start or end goes on beyond the axis."""

    first: float
    last: float
    median: float
    spread: tuple[float, ...] | None
    has_start: bool
    has_end: bool


def _build_levels(
    axis: TimeAxis, subject: Subject, versions: Sequence[Version], gain_range: int
) -> list[_Level]:
    levels = []
    for version in versions:
        median = _get_value(subject.medians, version, gain_range)
        if median is not None:
            first, last = axis.clip(version.valid_from, version.valid_to)
            spread = _get_value(subject.spreads, version, gain_range)
            has_start, has_end = version.valid_from != BEGINNING, version.valid_to is not None
            levels.append(_Level(first, last, median, spread, has_start, has_end))
    return levels


def _get_value(
    values: Mapping[int, Sequence[_Value | None]], version: Version, gain_range: int
) -> _Value | None:
    by_gain_range = values.get(version.version, ())
    return by_gain_range[gain_range] if gain_range < len(by_gain_range) else None


def _draw_line(axes: Axes, levels: Sequence[_Level], style: _Style) -> list[float]:
    """Draw a panel's versions as levels with their spread behind them; return the values that must be visible."""
    if not levels:
        return []
    bands = [(level, level.spread) for level in levels if level.spread is not None]
    if bands:
        # A pair of values for each end of a level, then nothing: levels are not joined.
        times = [time for level, _ in bands for time in (level.first, level.last, level.last)]
        low = [value for _, band in bands for value in (band[0], band[0], math.nan)]
        high = [value for _, band in bands for value in (band[-1], band[-1], math.nan)]
        axes.fill_between(times, low, high, color=style.colour, alpha=0.2, linewidth=0)
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


def _draw_gaps(axes: Axes, gaps: Sequence[tuple[float, float]], style: _Style) -> None:
    axes.broken_barh(
        [(low, high - low) for low, high in gaps],
        (0, 1),
        transform=axes.get_xaxis_transform(),
        facecolor="none",
        edgecolor=style.colour,
        hatch=style.hatch,
        linewidth=0.5,
    )


def _list_footnotes(subject: Subject) -> Iterator[str]:
    yield (
        "A line is the median of all finite values of a version, over its range; a mark is its start. Hatched: a gap,"
        " nothing is valid for that panel. An arrow on the left: from the beginning; on the right: still valid."
    )
    if subject.spreads:
        yield (
            f"Band: from the {SPREAD_PERCENTILES[0]:g}th to the {SPREAD_PERCENTILES[-1]:g}th percentile of the pixels"
            " that are finite and, where zero means dead, not zero."
        )
    yield from subject.notes
