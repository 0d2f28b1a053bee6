"""Pictures of validity over time: a line of ranges for each panel and kind, with the runs that used them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from registry.instants import BEGINNING, Instant
from registry.plots.page import (
    BLACK,
    MARGIN,
    SKY,
    SMALL,
    VERMILLION,
    Page,
    lay_out_page,
    measure_height,
    measure_width,
    wrap_text,
)
from registry.plots.time_axis import TimeAxis, build_time_axis, draw_open_end
from registry.records import Panel, Version

_LIGHT_SKY = "#CDE9F8"
_GAP_HATCH = "////"
_ROW_HEIGHT = 0.2
_SPACING = 0.16
_NAMES_WIDTH, _KINDS_WIDTH, _LINES_WIDTH = 2.05, 0.75, 6.4  # inches
_RUN_HEIGHT, _DATES_HEIGHT = 0.15, 0.4
_THINNER_ABOVE = 80  # starts, beyond which they are drawn thinner


@dataclass(frozen=True, slots=True)
class Subject:
    """The ranges to draw, with titles.

    Attributes
    ----------
    versions
        The ranges, by panel, kind and start.
    runs
        By panel Id, the start times of the registered runs that the panel was read out in.
    run
        The requested run, if it is one: its name and its start time.
    notes
        Sentences on what the picture cannot show.
    """

    title: str
    subtitle: str
    panels: tuple[Panel, ...]
    versions: tuple[Version, ...]
    runs: Mapping[str, Sequence[Instant]]
    run: tuple[str, Instant] | None = None
    notes: tuple[str, ...] = ()


def draw(subject: Subject) -> Figure:
    """Draw the lines, panel below panel."""
    axis = build_time_axis(_list_instants(subject))
    panels = [(panel, _build_rows(subject, panel)) for panel in subject.panels]
    height = sum(_measure_panel(panel, rows) for panel, rows in panels)
    width = _NAMES_WIDTH + _KINDS_WIDTH + _LINES_WIDTH
    run_height = _RUN_HEIGHT if subject.run else 0.0
    page, top = lay_out_page(
        width,
        run_height + height + _DATES_HEIGHT,
        subject.title,
        [subject.subtitle],
        _list_footnotes(subject),
    )
    top += run_height
    axes = page.add_axes(MARGIN + _NAMES_WIDTH + _KINDS_WIDTH, top, _LINES_WIDTH, height)
    axes.set_ylim(height, 0)
    _draw_panels(page, axes, axis, panels, top)
    axis.apply(axes)
    axes.set_yticks([])
    if subject.run is not None:
        _draw_run(axes, axis, *subject.run)
    return page.figure


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a panel: the ranges of a kind by start, or the start times of runs."""

    name: str
    versions: Sequence[Version] = ()
    runs: Sequence[Instant] = ()


def _build_rows(subject: Subject, panel: Panel) -> list[_Row]:
    own = [version for version in subject.versions if version.panel == panel.panel]
    rows = [_Row(kind, tuple(group)) for kind, group in groupby(own, lambda version: version.kind)]
    runs = subject.runs.get(panel.panel)
    return [*(rows or [_Row("no version")]), *([_Row("runs", runs=runs)] if runs else [])]


def _list_instants(subject: Subject) -> Iterator[Instant]:
    yield from (version.valid_from for version in subject.versions)
    for starts in subject.runs.values():
        yield from starts
    if subject.run is not None:
        yield subject.run[1]


def _draw_panels(
    page: Page, axes: Axes, axis: TimeAxis, panels: Sequence[tuple[Panel, list[_Row]]], top: float
) -> None:
    height = 0.0
    for panel, rows in panels:
        page.write(MARGIN, top + height, [panel.alias or "no M-number"], SMALL, fontweight="bold")
        name = wrap_text(panel.panel, _NAMES_WIDTH, SMALL, "-")
        page.write(MARGIN, top + height + measure_height(SMALL), name, SMALL)
        for index, row in enumerate(rows):
            middle = height + (index + 0.5) * _ROW_HEIGHT
            above = top + middle - measure_height(SMALL) / 2 + 0.02
            page.write(MARGIN + _NAMES_WIDTH, above, [row.name], SMALL)
            _draw_row(axes, axis, row, middle)
        height += _measure_panel(panel, rows)
        if panel is not panels[-1][0]:
            axes.axhline(height - _SPACING / 2, color="#999999", linewidth=0.4)


def _measure_panel(panel: Panel, rows: Sequence[_Row]) -> float:
    """Return the height of a panel in inches: of its lines, or of its name if that is more."""
    name = measure_height(SMALL, 1 + len(wrap_text(panel.panel, _NAMES_WIDTH, SMALL, "-")))
    return max(len(rows) * _ROW_HEIGHT, name) + _SPACING


def _draw_row(axes: Axes, axis: TimeAxis, row: _Row, middle: float) -> None:
    if row.runs:
        times = [axis.position(start) for start in row.runs]
        axes.plot(times, [middle] * len(times), "|", color=BLACK, markersize=7, markeredgewidth=0.6)
        return
    low, height = middle - 0.4 * _ROW_HEIGHT, 0.8 * _ROW_HEIGHT
    for tone, index in ((SKY, 0), (_LIGHT_SKY, 1)):
        ranges = [_measure_range(axis, version) for version in row.versions[index::2] if not version.is_gap]
        axes.broken_barh(ranges, (low, height), facecolor=tone)
    gaps = [_measure_range(axis, version) for version in row.versions if version.is_gap]
    axes.broken_barh(gaps, (low, height), facecolor="white", edgecolor=BLACK, hatch=_GAP_HATCH, linewidth=0.5)
    starts = [
        axis.position(version.valid_from) for version in row.versions if version.valid_from != BEGINNING
    ]
    axes.vlines(
        starts, low, low + height, colors=BLACK, linewidth=1.0 if len(starts) < _THINNER_ABOVE else 0.3
    )
    _draw_numbers(axes, axis, row, middle)
    if row.versions and row.versions[0].valid_from == BEGINNING:
        draw_open_end(axes, "left", middle, hollow=row.versions[0].is_gap)
    if row.versions and row.versions[-1].valid_to is None:
        draw_open_end(axes, "right", middle, hollow=row.versions[-1].is_gap)


def _measure_range(axis: TimeAxis, version: Version) -> tuple[float, float]:
    """Return the start and the length of a range in days, as far as it is drawn."""
    low, high = axis.clip(version.valid_from, version.valid_to)
    return low, high - low


def _draw_numbers(axes: Axes, axis: TimeAxis, row: _Row, middle: float) -> None:
    """Write a version's number where it fits into its range."""
    for version in row.versions:
        low, length = _measure_range(axis, version)
        text = str(version.version)
        if axis.fraction(low, low + length) * _LINES_WIDTH > measure_width(text, SMALL) + 0.06:
            behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.8} if version.is_gap else None
            axes.text(
                low + length / 2, middle, text, fontsize=SMALL, ha="center", va="center_baseline", bbox=behind
            )


def _draw_run(axes: Axes, axis: TimeAxis, name: str, start: Instant) -> None:
    """Draw the requested run through all lines."""
    time = axis.position(start)
    axes.axvline(time, color=VERMILLION, linewidth=1.2, linestyle=(0, (4, 2)))
    side = "right" if axis.fraction(axis.first, time) > 0.5 else "left"
    axes.text(time, 0, name, fontsize=SMALL, ha=side, va="bottom", color=BLACK)


def _list_footnotes(subject: Subject) -> Iterator[str]:
    yield (
        "Each bar is one version, with its number where there is room; a black line is its start, and the tone changes"
        " with the version. Hatched: a gap, nothing is valid. White: nothing was valid yet. An arrow on the left: from"
        " the beginning; on the right: still valid (hollow: still a gap)."
    )
    if any(subject.runs.values()):
        yield "Ticks: the registered runs whose detector had the panel, at their start times."
    yield from subject.notes
