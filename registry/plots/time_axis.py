"""The axis of time: it covers all known instants; ranges without an end go on beyond its edges."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC

import numpy as np
from matplotlib import dates
from matplotlib.axes import Axes

from registry.instants import BEGINNING, Instant, instant_from_epoch
from registry.plots.page import BLACK, SMALL

_DAY = 86_400 * 1_000_000
_PADDING = 0.06
_MIN_PADDING = 1e-7  # days, 9 ms: dates in days are not exact enough for less
_SINGLE_PADDING = 30.0  # days on either side of an instant that stands alone
_MAX_LABELS = 8
_FIRST_DATE, _LAST_DATE = -719_162.0, 2_932_896.0  # 0001-01-01 and 9999-12-31, the limits of dates
_FARTHEST_REFERENCE = 0.5  # of what is recorded; one further behind it stands after a cut
_CUT, _BEHIND_CUT = 0.04, 0.02  # of the axis
_CUT_COLOUR = "#666666"

_FORMATS = {
    365.0: "%Y",
    30.0: "%Y-%m",
    1.0: "%Y-%m-%d",
    1 / 24: "%m-%d %H:%M",
    1 / 1440: "%H:%M",
    1 / 86_400: "%H:%M:%S",
    1e-6 / 86_400: "%H:%M:%S.%f",
}


class _DateLocator(dates.AutoDateLocator):
    """Round dates up to a last one, which a cut may be."""

    def __init__(self, end: float) -> None:
        super().__init__(tz=UTC, minticks=3, maxticks=_MAX_LABELS)  # type: ignore[no-untyped-call]
        self._end = end

    def __call__(self) -> list[float]:
        """Return the dates as positions on the axis."""
        ticks = super().__call__()  # type: ignore[no-untyped-call]
        return [float(tick) for tick in ticks if tick <= self._end]


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The first and last time that are drawn, in days since 1970; open ends are drawn to the edges.

    ``cut`` is where the axis leaves time out, between all that is recorded and an instant long after it, which stands
    at ``behind``.
    """

    first: float
    last: float
    cut: float | None = None
    behind: float = 0.0

    def clip(self, start: Instant, end: Instant | None) -> tuple[float, float]:
        """Return a range as far as it is drawn."""
        low = self.first if start == BEGINNING else max(self.position(start), self.first)
        return low, self.last if end is None else min(self.position(end), self.last)

    def position(self, instant: Instant) -> float:
        """Return the position of an instant in days; the beginning is at the left edge."""
        if instant == BEGINNING:
            return self.first
        days = _to_days(instant)
        return days if self.cut is None or days <= self.cut else self.behind

    def fraction(self, low: float, high: float) -> float:
        """Return the part of the axis, 0 to 1, that a range takes."""
        return (high - low) / (self.last - self.first)

    def merge(self, ranges: Iterable[tuple[float, float]], resolution: float) -> list[tuple[float, float]]:
        """Return ranges, as start and length, of which those closer than a part of the axis are one."""
        gap = resolution * (self.last - self.first)
        merged: list[list[float]] = []
        for low, high in sorted(ranges):
            if merged and low - merged[-1][1] < gap:
                merged[-1][1] = max(merged[-1][1], high)
            else:
                merged.append([low, high])
        return [(low, high - low) for low, high in merged]

    def apply(self, axes: Axes) -> None:
        """Write dates along the lower edge, in UTC."""
        end = self.last if self.cut is None else self.cut
        locator = _DateLocator(end)
        formatter = dates.AutoDateFormatter(locator, tz=UTC)
        formatter.scaled = dict(_FORMATS)
        axes.set_xlim(self.first, self.last)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(formatter)
        axes.set_xlabel(
            f"UTC, {self._format_date(self.first)} to {self._format_date(end)}", size=SMALL, labelpad=2
        )

    def draw_cut(self, axes: Axes, teeth: int) -> None:
        """Draw where the axis leaves time out: a white zigzag through all that is drawn."""
        if self.cut is None:
            return
        width = (self.last - self.first) * _CUT * 0.22
        low, high = axes.get_ylim()
        y = np.linspace(low, high, 2 * teeth + 1)
        x = self.cut + (self.behind - self.cut) * 0.4 + width / 2 * (np.arange(y.size) % 2)
        axes.fill_betweenx(y, x, x + width, color="white", linewidth=0, zorder=4)
        for edge in (x, x + width):
            axes.plot(edge, y, color=_CUT_COLOUR, linewidth=0.5, zorder=4)
        axes.set_ylim(low, high)

    def _format_date(self, days: float) -> str:
        text = str(instant_from_epoch(int(days * 86_400)))
        return text[:10] if self.last - self.first > _MAX_LABELS else text


def build_time_axis(instants: Iterable[Instant], reference: Instant | None = None) -> TimeAxis:
    """Return an axis from before the first to after the last of the instants, and of the reference.

    A reference long after the last of them stands behind a cut, so that they have most of the axis.
    """
    known = [_to_days(instant) for instant in instants if instant != BEGINNING]
    mark = None if reference in (None, BEGINNING) else _to_days(reference)
    if mark is not None and known:
        span = max(known) - min(known) or 2 * _SINGLE_PADDING
        if mark > max(known) + span * _FARTHEST_REFERENCE:
            axis = _pad_axis(known)
            length = axis.last - axis.first
            return TimeAxis(
                axis.first,
                axis.last + length * (_CUT + _BEHIND_CUT),
                axis.last,
                axis.last + length * _CUT,
            )
    return _pad_axis([*known, *([] if mark is None else [mark])])


def _pad_axis(known: Sequence[float]) -> TimeAxis:
    low, high = min(known, default=0.0), max(known, default=0.0)
    padding = max((high - low) * _PADDING, _MIN_PADDING) if low < high else _SINGLE_PADDING
    return TimeAxis(max(low - padding, _FIRST_DATE), min(high + padding, _LAST_DATE))


def _to_days(instant: Instant) -> float:
    return int(instant) / _DAY


def draw_open_ends(
    axes: Axes, side: str, heights: Sequence[float], *, hollow: bool = False, size: float = 5.0
) -> None:
    """Draw arrows beyond the left or right edge, where ranges go on."""
    if not heights:
        return
    axes.plot(
        [-0.006 if side == "left" else 1.006] * len(heights),
        list(heights),
        transform=axes.get_yaxis_transform(),
        marker="<" if side == "left" else ">",
        markersize=size,
        markeredgewidth=0.7,
        color=BLACK,
        markerfacecolor="white" if hollow else BLACK,
        clip_on=False,
        linestyle="none",
    )
