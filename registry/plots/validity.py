"""Pictures of validity over time: a row of thin bars for each panel, and one strip of the runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from registry.instants import BEGINNING, Instant
from registry.plots.page import (
    BLACK,
    MARGIN,
    SMALL,
    VERMILLION,
    Page,
    lay_out_page,
    measure_height,
    measure_width,
    wrap_text,
)
from registry.plots.time_axis import TimeAxis, build_time_axis, draw_open_ends
from registry.records import Panel, Version

# Two tones for each kind, of versions by turns: those of a kind are lighter than those of the one before it.
_TONES = (
    ("#56B4E9", "#A6D8F4"),
    ("#F2C879", "#FBE9C6"),
    ("#66C5AB", "#C4E9DF"),
    ("#BBBBBB", "#E2E2E2"),
    ("#D9A0C1", "#F1DCE8"),
)
_BAND, _GAP_HATCH = "#F3F3F3", "////////"
_SEGMENTS_WIDTH, _KINDS_WIDTH, _LINES_WIDTH = 0.24, 0.72, 6.4  # inches
_COLUMN_SPACING = 0.12
_NAME_WIDTHS = (1.7, 2.1)  # of panel Ids, those that fit a line and longer ones
_RUNS_HEIGHT, _KEY_HEIGHT, _DATES_HEIGHT = 0.2, 0.2, 0.4
_NAMED_KINDS = 8  # panels, up to which the kinds are named beside their bars
_THINNER_ABOVE = 80  # starts, beyond which they are drawn thinner
_DOT = 1 / (150 * _LINES_WIDTH)  # of the axis: what is closer cannot be told apart
_SMALLEST_GAP = 3 * _DOT


@dataclass(frozen=True, slots=True)
class RunStrip:
    """The start times of runs that had the same panels, and what they are called."""

    name: str
    starts: Sequence[Instant]


@dataclass(frozen=True, slots=True)
class Subject:
    """The ranges to draw, with titles.

    Attributes
    ----------
    versions
        The ranges, by panel, kind and start.
    runs
        The registered runs in which panels were read out, a strip for each set of panels.
    run
        The requested run, if it is one: its name and its start time.
    segments
        The segment numbers of the panels, where they are known.
    reference
        The instant of the line through all rows, and its name.
    notes
        Sentences on what the picture cannot show.
    """

    title: str
    subtitle: str
    panels: tuple[Panel, ...]
    versions: tuple[Version, ...]
    runs: tuple[RunStrip, ...] = ()
    run: tuple[str, Instant] | None = None
    segments: tuple[int, ...] | None = None
    reference: tuple[str, Instant] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Layout:
    """The columns on the left and the heights of rows and bars, in inches."""

    kinds: tuple[str, ...]
    segments_width: float
    aliases_width: float
    names_width: float
    kinds_width: float
    pitch: float  # from bar to bar
    spacing: float  # below a panel
    name_lines: int

    @property
    def left(self) -> float:
        return (
            self.segments_width + self.aliases_width + self.names_width + _COLUMN_SPACING + self.kinds_width
        )

    @property
    def row_height(self) -> float:
        """The height of a panel: of its bars, or of its name if that is more."""
        return max(len(self.kinds) * self.pitch, measure_height(SMALL, self.name_lines)) + self.spacing

    @property
    def are_numbered(self) -> bool:
        """True if the number of a version fits into its bar."""
        return self.pitch > 0.1

    @property
    def has_key(self) -> bool:
        return not self.kinds_width and bool(self.kinds)


def draw(subject: Subject) -> Figure:
    """Draw the rows, panel below panel."""
    layout = _lay_out(subject)
    axis = build_time_axis(_list_instants(subject), subject.reference[1] if subject.reference else None)
    lines = [line for line in (subject.run, subject.reference) if line]
    names_height = len(lines) * measure_height(SMALL) + 0.03
    key_height = _KEY_HEIGHT if layout.has_key else 0.0
    runs_height = len(subject.runs) * _RUNS_HEIGHT
    height = runs_height + len(subject.panels) * layout.row_height
    page, top = lay_out_page(
        layout.left + _LINES_WIDTH,
        key_height + names_height + height + _DATES_HEIGHT,
        subject.title,
        [subject.subtitle],
        _list_footnotes(subject, layout),
    )
    if layout.has_key:
        _draw_key(page, top, layout)
    top += key_height + names_height
    axes = page.add_axes(MARGIN + layout.left, top, _LINES_WIDTH, height)
    axes.set_ylim(height, 0)
    axis.apply(axes)
    axes.set_yticks([])
    _draw_runs(page, axes, axis, subject.runs, top)
    _draw_panels(page, axes, axis, subject, top, layout)
    axis.draw_cut(axes, teeth=max(round(height / 0.12), 2))
    for index, (name, instant) in enumerate(lines):
        is_run = subject.run is not None and index == 0
        _draw_line(axes, axis, name, instant, (len(lines) - 1 - index), is_run=is_run)
    return page.figure


def _lay_out(subject: Subject) -> _Layout:
    count = len(subject.panels)
    kinds = tuple(dict.fromkeys(version.kind for version in subject.versions))
    longest = max((panel.panel for panel in subject.panels), key=len)
    width = next((w for w in _NAME_WIDTHS if measure_width(longest, SMALL) <= w), _NAME_WIDTHS[-1])
    if count <= 4:
        pitch, spacing = 0.19, 0.14
    elif count <= _NAMED_KINDS:
        pitch, spacing = 0.14, 0.1
    else:
        pitch, spacing = (0.118 if len(kinds) <= 2 else 0.08), 0.05
    return _Layout(
        kinds=kinds,
        segments_width=_SEGMENTS_WIDTH if subject.segments else 0.0,
        aliases_width=max(measure_width(panel.alias or "", SMALL) for panel in subject.panels)
        + _COLUMN_SPACING,
        names_width=width,
        kinds_width=_KINDS_WIDTH if count <= _NAMED_KINDS else 0.0,
        pitch=pitch,
        spacing=spacing,
        name_lines=len(wrap_text(longest, width, SMALL, "-")),
    )


def _list_instants(subject: Subject) -> Iterator[Instant]:
    yield from (version.valid_from for version in subject.versions)
    for strip in subject.runs:
        yield from strip.starts
    if subject.run is not None:
        yield subject.run[1]


def _draw_key(page: Page, top: float, layout: _Layout) -> None:
    """Show which of the bars of a row is of which kind, where they are not named beside it."""
    left = MARGIN + layout.left
    axes = page.add_axes(left, top, _LINES_WIDTH, _KEY_HEIGHT - 0.06, numbered=False)
    axes.set(xlim=(0, _LINES_WIDTH), ylim=(1, 0))
    axes.set_axis_off()
    text = "bars of a row, from its top:"
    axes.text(0, 0.5, text, fontsize=SMALL, va="center_baseline")
    x = measure_width(text, SMALL)
    for index, kind in enumerate(layout.kinds):
        for tone, start in zip(_TONES[index % len(_TONES)], (x, x + 0.16), strict=True):
            axes.broken_barh([(start, 0.16)], (0.1, 0.8), facecolor=tone)
        axes.text(x + 0.38, 0.5, kind, fontsize=SMALL, va="center_baseline")
        x += 0.5 + measure_width(kind, SMALL)


def _draw_runs(page: Page, axes: Axes, axis: TimeAxis, strips: Sequence[RunStrip], top: float) -> None:
    """Draw a tick for each run, once for all panels that were read out in it."""
    for index, strip in enumerate(strips):
        above = index * _RUNS_HEIGHT
        page.write(MARGIN, top + above + 0.04, [strip.name], SMALL)
        width = _DOT * (1.2 if len(strip.starts) > _THINNER_ABOVE else 1.8) * (axis.last - axis.first)
        ticks = ((axis.position(start), axis.position(start) + width) for start in strip.starts)
        ranges = axis.merge(ticks, _DOT / 2)
        axes.broken_barh(ranges, (above + 0.03, _RUNS_HEIGHT - 0.06), facecolor=BLACK)
    if strips:
        axes.axhline(len(strips) * _RUNS_HEIGHT, color="#666666", linewidth=0.6)


def _draw_panels(
    page: Page, axes: Axes, axis: TimeAxis, subject: Subject, top: float, layout: _Layout
) -> None:
    by_row: dict[tuple[str, str], list[Version]] = {}
    for version in subject.versions:
        by_row.setdefault((version.panel, version.kind), []).append(version)
    marks = [axis.position(line[1]) for line in (subject.run, subject.reference) if line]
    height = len(subject.runs) * _RUNS_HEIGHT
    for index, panel in enumerate(subject.panels):
        if index % 2 and len(subject.panels) > 2:
            axes.axhspan(height, height + layout.row_height, color=_BAND, zorder=0)
        _write_names(page, subject, index, top + height + layout.spacing / 2, layout)
        has_version = False
        for position, kind in enumerate(layout.kinds):
            middle = height + layout.spacing / 2 + (position + 0.5) * layout.pitch
            row = by_row.get((panel.panel, kind), [])
            has_version |= bool(row)
            _draw_row(axes, axis, row, middle, layout, _TONES[position % len(_TONES)], marks)
            if layout.kinds_width and row:
                left = MARGIN + layout.left - layout.kinds_width
                page.write(left, top + middle - measure_height(SMALL) / 2 + 0.015, [kind], SMALL)
        if not has_version:
            middle = height + layout.row_height / 2
            axes.text(
                0.5,
                middle,
                "no version",
                fontsize=SMALL,
                ha="center",
                va="center",
                transform=axes.get_yaxis_transform(),
            )
        height += layout.row_height


def _write_names(page: Page, subject: Subject, index: int, top: float, layout: _Layout) -> None:
    panel, left = subject.panels[index], MARGIN
    top += max((layout.pitch - measure_height(SMALL)) / 2, 0) + 0.015  # beside the first bar
    if subject.segments:
        page.write(left, top, [str(subject.segments[index])], SMALL)
        left += layout.segments_width
    page.write(left, top, [panel.alias or "-"], SMALL, fontweight="bold")
    left += layout.aliases_width
    page.write(left, top, wrap_text(panel.panel, layout.names_width, SMALL, "-"), SMALL)


def _draw_row(
    axes: Axes,
    axis: TimeAxis,
    row: Sequence[Version],
    middle: float,
    layout: _Layout,
    tones: tuple[str, str],
    marks: Sequence[float],
) -> None:
    if not row:
        return
    height = 0.84 * layout.pitch
    low = middle - height / 2
    for tone, index in zip(tones, (0, 1), strict=True):
        ranges = [axis.clip(item.valid_from, item.valid_to) for item in row[index::2] if not item.is_gap]
        # What is narrower than a dot is below the lines of the starts.
        wide = [(start, end) for start, end in ranges if axis.fraction(start, end) > _DOT]
        axes.broken_barh([(start, end - start) for start, end in wide], (low, height), facecolor=tone)
    _draw_starts(axes, axis, row, low, height)
    gaps = [axis.clip(item.valid_from, item.valid_to) for item in row if item.is_gap]
    least = _SMALLEST_GAP * (axis.last - axis.first)  # a gap never disappears
    ranges = axis.merge(((start, max(end, start + least)) for start, end in gaps), _DOT)
    axes.broken_barh(
        ranges,
        (low, height),
        facecolor="white",
        edgecolor=BLACK,
        hatch=_GAP_HATCH,
        linewidth=0.5,
        zorder=2.2,
    )
    if layout.are_numbered:
        _draw_numbers(axes, axis, row, middle, marks)
    size = 5.0 if layout.pitch > 0.13 else 3.5
    if row[0].valid_from == BEGINNING:
        draw_open_ends(axes, "left", [middle], hollow=row[0].is_gap, size=size)
    if row[-1].valid_to is None:
        draw_open_ends(axes, "right", [middle], hollow=row[-1].is_gap, size=size)


def _draw_starts(axes: Axes, axis: TimeAxis, row: Sequence[Version], low: float, height: float) -> None:
    """Draw a line for each start; those that are too close to be told apart become one black bar."""
    starts = [axis.position(version.valid_from) for version in row if version.valid_from != BEGINNING]
    width = _DOT * (2.0 if len(starts) < _THINNER_ABOVE else 1.0) * (axis.last - axis.first)
    ranges = axis.merge(((start - width / 2, start + width / 2) for start in starts), 0.0)
    axes.broken_barh(ranges, (low, height), facecolor=BLACK, linewidth=0, zorder=2)


def _draw_numbers(
    axes: Axes, axis: TimeAxis, row: Sequence[Version], middle: float, marks: Sequence[float]
) -> None:
    """Write a version's number where it fits into its range, beside the lines through all rows."""
    for version in row:
        start, end = axis.clip(version.valid_from, version.valid_to)
        text = str(version.version)
        edges = [start, *(mark for mark in sorted(marks) if start < mark < end)]
        edges.append(end if axis.cut is None or not start < axis.cut < end else axis.cut)
        pieces = [(low, high) for low, high in pairwise(edges) if low < high]
        low, high = max(pieces, key=lambda piece: piece[1] - piece[0], default=(start, start))
        if axis.fraction(low, high) * _LINES_WIDTH > measure_width(text, SMALL) + 0.06:
            behind = {"facecolor": "white", "edgecolor": "none", "pad": 0.8} if version.is_gap else None
            axes.text(
                (low + high) / 2,
                middle,
                text,
                fontsize=SMALL,
                ha="center",
                va="center_baseline",
                bbox=behind,
                zorder=5,
            )


def _draw_line(axes: Axes, axis: TimeAxis, name: str, instant: Instant, line: int, *, is_run: bool) -> None:
    """Draw the requested run, or the line of the reference, through all rows, with its name above."""
    time = axis.position(instant)
    colour, dashes = (VERMILLION, (0, (4, 2))) if is_run else (BLACK, (0, (1, 1)))
    axes.axvline(time, color=colour, linewidth=1.2, linestyle=dashes, zorder=4.5)
    side = "right" if axis.fraction(axis.first, time) > 0.5 else "left"
    axes.annotate(
        name,
        (time, 0),
        xytext=(0, 2 + line * measure_height(SMALL) * 72),
        textcoords="offset points",
        fontsize=SMALL,
        ha=side,
        va="bottom",
        color=BLACK,
    )


def _list_footnotes(subject: Subject, layout: _Layout) -> Iterator[str]:
    numbers = ", with its number where there is room" if layout.are_numbered else ""
    yield (
        f"Each bar is one version{numbers}; a black line is its start, and the tone changes with the version. Hatched:"
        " a gap, nothing is valid. Empty: nothing was valid yet. An arrow on the left: from the beginning; on the"
        " right: still valid (hollow: still a gap)."
    )
    if subject.runs:
        yield (
            "Ticks in the strip of runs: the start times of the registered runs in which these panels were read out."
            " What is closer than a dot of the picture is drawn as one."
        )
    yield from subject.notes
