"""A picture of what is valid when: a line of ranges for each panel and kind, with the runs that used them."""

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
    folded,
    height_of,
    new_page,
    width_of,
)
from registry.plots.time_axis import TimeAxis, draw_open_end, time_axis
from registry.records import Panel, Version

_LIGHT_SKY = "#CDE9F8"
_GAP_HATCH = "////"
_ROW = 0.2
_BETWEEN = 0.16
_NAMES, _KINDS, _LINES = 2.05, 0.75, 6.4  # inches
_RUN, _DATES = 0.15, 0.4
_MANY = 80  # starts, beyond which they are drawn thinner


@dataclass(frozen=True, slots=True)
class Subject:
    """What is drawn, and what its title says.

    Attributes
    ----------
    versions
        The ranges, by panel, kind and start.
    runs
        When the registered runs that the panel took part in began, by panel Id.
    run
        The one run that is asked about: its name and its begin.
    notes
        What the picture cannot show, to be said below.
    """

    title: str
    said: str
    panels: tuple[Panel, ...]
    versions: tuple[Version, ...]
    runs: Mapping[str, Sequence[Instant]]
    run: tuple[str, Instant] | None = None
    notes: tuple[str, ...] = ()


def draw(subject: Subject) -> Figure:
    """Draw the lines, panel below panel."""
    axis = time_axis(_instants(subject))
    panels = [(panel, _lines_of(subject, panel)) for panel in subject.panels]
    lines = sum(_height(*each) for each in panels)
    width = _NAMES + _KINDS + _LINES
    room = _RUN if subject.run else 0.0
    page, top = new_page(width, room + lines + _DATES, subject.title, [subject.said], _footnotes(subject))
    above = top + room
    axes = page.axes(MARGIN + _NAMES + _KINDS, above, _LINES, lines)
    axes.set_ylim(lines, 0)
    _draw_panels(page, axes, axis, panels, above)
    axis.apply(axes)
    axes.set_yticks([])
    if subject.run is not None:
        _draw_run(axes, axis, *subject.run)
    return page.figure


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of a panel: the ranges of a kind by start, or the begins of runs."""

    name: str
    versions: Sequence[Version] = ()
    runs: Sequence[Instant] = ()


def _lines_of(subject: Subject, panel: Panel) -> list[_Line]:
    own = [version for version in subject.versions if version.panel == panel.panel]
    lines = [_Line(kind, tuple(each)) for kind, each in groupby(own, lambda version: version.kind)]
    runs = subject.runs.get(panel.panel)
    return [*(lines or [_Line("no version")]), *([_Line("runs", runs=runs)] if runs else [])]


def _instants(subject: Subject) -> Iterator[Instant]:
    yield from (version.valid_from for version in subject.versions)
    for begins in subject.runs.values():
        yield from begins
    if subject.run is not None:
        yield subject.run[1]


def _draw_panels(
    page: Page, axes: Axes, axis: TimeAxis, panels: Sequence[tuple[Panel, list[_Line]]], top: float
) -> None:
    height = 0.0
    for panel, lines in panels:
        page.text(MARGIN, top + height, [panel.alias or "no M-number"], SMALL, fontweight="bold")
        name = folded(panel.panel, _NAMES, SMALL, "-")
        page.text(MARGIN, top + height + height_of(SMALL), name, SMALL)
        for index, line in enumerate(lines):
            middle = height + (index + 0.5) * _ROW
            page.text(MARGIN + _NAMES, top + middle - height_of(SMALL) / 2 + 0.02, [line.name], SMALL)
            _draw_line(axes, axis, line, middle)
        height += _height(panel, lines)
        if panel is not panels[-1][0]:
            axes.axhline(height - _BETWEEN / 2, color="#999999", linewidth=0.4)


def _height(panel: Panel, lines: Sequence[_Line]) -> float:
    """Return the inches of a panel: of its lines, or of its name where that takes more."""
    name = height_of(SMALL, 1 + len(folded(panel.panel, _NAMES, SMALL, "-")))
    return max(len(lines) * _ROW, name) + _BETWEEN


def _draw_line(axes: Axes, axis: TimeAxis, line: _Line, middle: float) -> None:
    if line.runs:
        places = [axis.at(begin) for begin in line.runs]
        axes.plot(places, [middle] * len(places), "|", color=BLACK, markersize=7, markeredgewidth=0.6)
        return
    low, height = middle - 0.4 * _ROW, 0.8 * _ROW
    for tone, index in ((SKY, 0), (_LIGHT_SKY, 1)):
        ranges = [_room(axis, each) for each in line.versions[index::2] if not each.is_gap]
        axes.broken_barh(ranges, (low, height), facecolor=tone)
    gaps = [_room(axis, each) for each in line.versions if each.is_gap]
    axes.broken_barh(gaps, (low, height), facecolor="white", edgecolor=BLACK, hatch=_GAP_HATCH, linewidth=0.5)
    starts = [axis.at(each.valid_from) for each in line.versions if each.valid_from != BEGINNING]
    axes.vlines(starts, low, low + height, colors=BLACK, linewidth=1.0 if len(starts) < _MANY else 0.3)
    _draw_numbers(axes, axis, line, middle)
    if line.versions and line.versions[0].valid_from == BEGINNING:
        draw_open_end(axes, "left", middle, hollow=line.versions[0].is_gap)
    if line.versions and line.versions[-1].valid_to is None:
        draw_open_end(axes, "right", middle, hollow=line.versions[-1].is_gap)


def _room(axis: TimeAxis, version: Version) -> tuple[float, float]:
    """Return where a range begins and how long it is."""
    low, high = axis.clipped(version.valid_from, version.valid_to)
    return low, high - low


def _draw_numbers(axes: Axes, axis: TimeAxis, line: _Line, middle: float) -> None:
    """Write a version's number where it fits into its range."""
    for version in line.versions:
        low, length = _room(axis, version)
        text = str(version.version)
        if axis.share(low, low + length) * _LINES > width_of(text, SMALL) + 0.06:
            behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.8} if version.is_gap else None
            axes.text(
                low + length / 2, middle, text, fontsize=SMALL, ha="center", va="center_baseline", bbox=behind
            )


def _draw_run(axes: Axes, axis: TimeAxis, name: str, begin: Instant) -> None:
    """Draw the run that is asked about through all lines."""
    axes.axvline(axis.at(begin), color=VERMILLION, linewidth=1.2, linestyle=(0, (4, 2)))
    side = "right" if axis.share(axis.first, axis.at(begin)) > 0.5 else "left"
    axes.text(axis.at(begin), 0, name, fontsize=SMALL, ha=side, va="bottom", color=BLACK)


def _footnotes(subject: Subject) -> Iterator[str]:
    yield (
        "Each bar is one version, with its number where there is room; a black line is its start, and the tone changes"
        " with the version. Hatched: a gap, nothing is valid. White: nothing was valid yet. An arrow on the left: from"
        " the beginning; on the right: still valid (hollow: still a gap)."
    )
    if any(subject.runs.values()):
        yield "Ticks: the registered runs whose detector had the panel, at their begins."
    yield from subject.notes
