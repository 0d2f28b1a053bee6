"""Pictures of the trend of a panel's constants: the median of every version over time, by kind and gain range."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from registry.detectors import DetectorType, Kind
from registry.instants import BEGINNING
from registry.plots.page import (
    HEADING,
    MARGIN,
    SMALL,
    TEXT,
    choose_ticks,
    lay_out_page,
    measure_height,
)
from registry.plots.pixels import SPREAD_PERCENTILES
from registry.plots.subject import name_unit
from registry.plots.time_axis import TimeAxis, build_time_axis
from registry.plots.trend_lines import (
    NAMED,
    ROW_HEIGHT,
    STYLES,
    Level,
    draw_gaps,
    draw_line,
    draw_many_lines,
    name_lines,
    relate_level,
)
from registry.records import Panel, Version

_LINES_WIDTH = 6.6  # inches of one diagram
_SCALE_WIDTH = 0.85  # inches for its numbers
_SPACING = 0.24  # with the line above a diagram
_NAMES_WIDTH = 0.7  # inches for the names of panels beside their lines
_MAX_STYLED = 5
_DATES_HEIGHT = 0.3
_WHERE_UNITS = ", or in the unit where usual values lie on both sides of zero and percent mean nothing"


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
    in_units
        True to draw the values in the unit of the kind, not as changes since the first version.
    in_percent
        True to draw changes in percent even where the usual values lie on both sides of zero.
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
    in_units: bool = False
    in_percent: bool = False

    @property
    def are_styled(self) -> bool:
        """True if each panel has a colour, a line style and a mark of its own."""
        return len(self.panels) <= _MAX_STYLED

    def is_percent(self, kind: Kind, gain_range: int) -> bool:
        """Tell whether a diagram shows percent."""
        return not self.in_units and (self.in_percent or has_percent(kind, gain_range))


def draw(subject: Subject) -> Figure:
    """Draw a diagram for every kind and gain range, one below the other over one axis of time."""
    axis = build_time_axis(version.valid_from for version in subject.versions)
    ranges = subject.detector.gain_ranges
    kind_height = measure_height(HEADING) + ranges * (ROW_HEIGHT + _SPACING) + 0.1
    key = measure_height(TEXT, len(subject.panels)) if subject.are_styled else 0.0
    height = key + 0.1 + len(subject.kinds) * kind_height + _DATES_HEIGHT
    names_width = 0.0 if subject.are_styled else _NAMES_WIDTH
    width = _SCALE_WIDTH + _LINES_WIDTH + names_width
    page, top = lay_out_page(width, height, subject.title, [subject.subtitle], _list_footnotes(subject))
    if subject.are_styled:
        _draw_legend(page.add_axes(MARGIN, top, 0.6, key), subject.panels)
        names = [f"{panel.panel}  {panel.alias or ''}".rstrip() for panel in subject.panels]
        page.write(MARGIN + 0.75, top, names, TEXT)
    top += key + 0.1
    by_line = _group_versions(subject.versions)
    for kind in subject.kinds:
        under = page.write(MARGIN, top, [_describe_kind(subject, kind)], HEADING, fontweight="bold")
        for gain_range in range(ranges):
            axes = page.add_axes(
                MARGIN + _SCALE_WIDTH,
                under + _SPACING - 0.08 + gain_range * (ROW_HEIGHT + _SPACING),
                _LINES_WIDTH,
                ROW_HEIGHT,
            )
            _draw_diagram(axes, axis, subject, by_line, kind, gain_range)
            if kind is not subject.kinds[-1] or gain_range < ranges - 1:
                axes.tick_params(labelbottom=False)
                axes.set_xlabel("")
        top += kind_height
    return page.figure


_VersionsByLine = Mapping[tuple[str, str], Sequence[Version]]


def _group_versions(versions: Sequence[Version]) -> _VersionsByLine:
    by_line: dict[tuple[str, str], list[Version]] = {}
    for version in versions:
        by_line.setdefault((version.panel, version.kind), []).append(version)
    return by_line


def has_percent(kind: Kind, gain_range: int) -> bool:
    """Tell whether a change in percent means anything: not where the usual values lie on both sides of zero."""
    if not kind.expected_medians:
        return False
    low, high = kind.expected_medians[gain_range]
    return low > 0 or high < 0


def _describe_kind(subject: Subject, kind: Kind) -> str:
    if subject.in_units:
        return f"{kind.name} ({name_unit(kind)})"
    units = {
        "%" if subject.is_percent(kind, gain_range) else name_unit(kind)
        for gain_range in range(subject.detector.gain_ranges)
    }
    return f"{kind.name}: change since the first version ({' or '.join(sorted(units))})"


def _draw_legend(axes: Axes, panels: Sequence[Panel]) -> None:
    axes.set(xlim=(0, 1), ylim=(len(panels), 0))
    axes.set_axis_off()
    for index, _ in enumerate(panels):
        style = STYLES[index % len(STYLES)]
        axes.plot([0.0, 0.45], [index + 0.45] * 2, color=style.colour, linestyle=style.line, linewidth=1.4)
        axes.plot([0.0], [index + 0.45], style.marker, color=style.colour, markersize=4, clip_on=False)
        axes.broken_barh(
            [(0.6, 0.4)], (index + 0.1, 0.7), facecolor="none", edgecolor=style.colour, hatch=style.hatch
        )


def _draw_diagram(
    axes: Axes, axis: TimeAxis, subject: Subject, by_line: _VersionsByLine, kind: Kind, gain_range: int
) -> None:
    drawn: list[float] = []
    lines = []
    is_percent = subject.is_percent(kind, gain_range)
    for panel in subject.panels:
        own = by_line.get((panel.panel, kind.name), ())
        levels = _build_levels(axis, subject, own, gain_range)
        first = levels[0].median if levels else None
        if is_percent and first == 0:
            levels = []
        elif not subject.in_units and first is not None:
            levels = [relate_level(level, first, is_percent=is_percent) for level in levels]
        lines.append((panel, own, levels, first))
    if subject.are_styled:
        for (_, own, levels, _), style in zip(lines, STYLES, strict=False):
            drawn += draw_line(axes, levels, style, alpha=0.2 if len(lines) <= 2 else 0.08)
            draw_gaps(axes, [axis.clip(gap.valid_from, gap.valid_to) for gap in own if gap.is_gap], style)
    else:
        drawn += draw_many_lines(axes, [(panel, levels) for panel, _, levels, _ in lines])
    axis.apply(axes)
    axes.set_ylabel("%" if is_percent else name_unit(kind), size=SMALL, labelpad=2)
    axes.yaxis.set_label_coords(-0.105, 0.5)
    axes.set_title(
        _describe_range(subject, kind, gain_range, [first for *_, first in lines]),
        size=SMALL,
        loc="left",
        pad=2,
    )
    axes.tick_params(axis="y", pad=6)
    axes.yaxis.grid(visible=True, color="#DDDDDD", linewidth=0.5)
    axes.set_axisbelow(True)
    if not drawn:
        axes.set_yticks([])
        return
    low, high = min(drawn), max(drawn)
    smallest = max(abs(low) * 1e-3, 1e-6) if subject.in_units else 0.1
    margin = (high - low) * 0.12 or smallest
    axes.set_ylim(low - margin, high + margin)
    axes.set_yticks(*choose_ticks(low, high, margin))
    if not subject.are_styled:
        name_lines(axes, [(panel, levels) for panel, _, levels, _ in lines])


def _describe_range(subject: Subject, kind: Kind, gain_range: int, first: Sequence[float | None]) -> str:
    """Return the gain range, and the median of the first version of each panel, to which changes are related."""
    known = [value for value in first if value is not None]
    if subject.in_units or not known:
        return f"gain range {gain_range}"
    if subject.are_styled:
        values = ", ".join("-" if value is None else f"{value:.4g}" for value in first)
    else:
        values = f"{min(known):.4g} to {max(known):.4g}"
    zero = "; of 0 there is no percentage" if 0 in known and subject.is_percent(kind, gain_range) else ""
    return f"gain range {gain_range}, first: {values} {name_unit(kind)}{zero}"


def _build_levels(
    axis: TimeAxis, subject: Subject, versions: Sequence[Version], gain_range: int
) -> list[Level]:
    levels = []
    for version in versions:
        median = _get_value(subject.medians, version, gain_range)
        if median is not None:
            first, last = axis.clip(version.valid_from, version.valid_to)
            spread = _get_value(subject.spreads, version, gain_range)
            has_start, has_end = version.valid_from != BEGINNING, version.valid_to is not None
            levels.append(Level(first, last, median, spread, has_start, has_end))
    return levels


def _get_value(
    values: Mapping[int, Sequence[_Value | None]], version: Version, gain_range: int
) -> _Value | None:
    by_gain_range = values.get(version.version, ())
    return by_gain_range[gain_range] if gain_range < len(by_gain_range) else None


def _list_footnotes(subject: Subject) -> Iterator[str]:
    gaps = "Hatched: a gap, nothing is valid for that panel." if subject.are_styled else "Nothing in a gap."
    yield (
        f"A line is the median of all finite values of a version, over its range; a mark is its start. {gaps} An arrow"
        " on the left: from the beginning; on the right: still valid. Withdrawn versions are not drawn."
    )
    if not subject.in_units:
        yield (
            "Changes are those since the first version of the panel, whose median is above each diagram: in percent of"
            f" it{'' if subject.in_percent else _WHERE_UNITS}."
        )
    if not subject.are_styled:
        yield (
            f"Each grey line is a panel; in colour and named on the right are the {NAMED} with the medians furthest"
            " from the median of all."
        )
    if subject.spreads and subject.are_styled:
        yield (
            f"Band: from the {SPREAD_PERCENTILES[0]:g}th to the {SPREAD_PERCENTILES[-1]:g}th percentile of the pixels"
            " that are finite and, where zero means dead, not zero."
        )
    yield from subject.notes
