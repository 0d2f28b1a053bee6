"""The axis of time: what is known has its room, and what has no end goes on beyond it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

from matplotlib import dates
from matplotlib.axes import Axes

from registry.instants import BEGINNING, Instant, instant_of_epoch
from registry.plots.page import BLACK, SMALL

_DAY = 86_400 * 1_000_000
_PADDING = 0.06
_CLOSEST = 1e-7  # days, 9 ms: dates in days are not exact enough for less
_ALONE = 30.0  # days on either side of an instant that stands alone
_MOST_LABELS = 8
_FIRST, _LAST = -719_162.0, 2_932_896.0  # 0001-01-01 and 9999-12-31, beyond which there are no dates

_FORMATS = {
    365.0: "%Y",
    30.0: "%Y-%m",
    1.0: "%Y-%m-%d",
    1 / 24: "%m-%d %H:%M",
    1 / 1440: "%H:%M",
    1 / 86_400: "%H:%M:%S",
    1e-6 / 86_400: "%H:%M:%S.%f",
}


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """From when to when is drawn, in days since 1970; open ends are drawn to the edges."""

    first: float
    last: float

    def clipped(self, start: Instant, end: Instant | None) -> tuple[float, float]:
        """Return a range as far as it is drawn."""
        low = self.first if start == BEGINNING else max(_days(start), self.first)
        return low, self.last if end is None else min(_days(end), self.last)

    def at(self, instant: Instant) -> float:
        """Return where an instant is; the beginning is at the left edge."""
        return self.first if instant == BEGINNING else _days(instant)

    def share(self, low: float, high: float) -> float:
        """Return which part of the axis a range takes."""
        return (high - low) / (self.last - self.first)

    def apply(self, axes: Axes) -> None:
        """Write dates along the lower edge, in UTC."""
        locator = dates.AutoDateLocator(tz=UTC, minticks=3, maxticks=_MOST_LABELS)
        formatter = dates.AutoDateFormatter(locator, tz=UTC)
        formatter.scaled = dict(_FORMATS)
        axes.set_xlim(self.first, self.last)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(formatter)
        axes.set_xlabel(f"UTC, {self._date(self.first)} to {self._date(self.last)}", size=SMALL, labelpad=2)

    def _date(self, days: float) -> str:
        text = str(instant_of_epoch(int(days * 86_400)))
        return text[:10] if self.last - self.first > _MOST_LABELS else text


def time_axis(instants: Iterable[Instant]) -> TimeAxis:
    """Return the axis with room for all instants, and a little beyond."""
    known = [_days(each) for each in instants if each != BEGINNING]
    if not known:
        known = [0.0]
    low, high = min(known), max(known)
    room = max((high - low) * _PADDING, _CLOSEST) if low < high else _ALONE
    return TimeAxis(max(low - room, _FIRST), min(high + room, _LAST))


def _days(instant: Instant) -> float:
    return int(instant) / _DAY


def draw_open_end(axes: Axes, side: str, height: float, *, hollow: bool = False) -> None:
    """Draw an arrow beyond the left or right edge: there the range goes on."""
    axes.plot(
        [-0.006 if side == "left" else 1.006],
        [height],
        transform=axes.get_yaxis_transform(),
        marker="<" if side == "left" else ">",
        markersize=5,
        markeredgewidth=0.7,
        color=BLACK,
        markerfacecolor="white" if hollow else BLACK,
        clip_on=False,
        linestyle="none",
    )
