"""The axis of time: it covers all known instants; ranges without an end go on beyond its edges."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC

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
    """The first and last time that are drawn, in days since 1970; open ends are drawn to the edges."""

    first: float
    last: float

    def clip(self, start: Instant, end: Instant | None) -> tuple[float, float]:
        """Return a range as far as it is drawn."""
        low = self.first if start == BEGINNING else max(_to_days(start), self.first)
        return low, self.last if end is None else min(_to_days(end), self.last)

    def position(self, instant: Instant) -> float:
        """Return the position of an instant in days; the beginning is at the left edge."""
        return self.first if instant == BEGINNING else _to_days(instant)

    def fraction(self, low: float, high: float) -> float:
        """Return the part of the axis, 0 to 1, that a range takes."""
        return (high - low) / (self.last - self.first)

    def apply(self, axes: Axes) -> None:
        """Write dates along the lower edge, in UTC."""
        locator = dates.AutoDateLocator(tz=UTC, minticks=3, maxticks=_MAX_LABELS)
        formatter = dates.AutoDateFormatter(locator, tz=UTC)
        formatter.scaled = dict(_FORMATS)
        axes.set_xlim(self.first, self.last)
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(formatter)
        axes.set_xlabel(
            f"UTC, {self._format_date(self.first)} to {self._format_date(self.last)}", size=SMALL, labelpad=2
        )

    def _format_date(self, days: float) -> str:
        text = str(instant_from_epoch(int(days * 86_400)))
        return text[:10] if self.last - self.first > _MAX_LABELS else text


def build_time_axis(instants: Iterable[Instant]) -> TimeAxis:
    """Return an axis from before the first to after the last of the instants."""
    known = [_to_days(instant) for instant in instants if instant != BEGINNING] or [0.0]
    low, high = min(known), max(known)
    padding = max((high - low) * _PADDING, _MIN_PADDING) if low < high else _SINGLE_PADDING
    return TimeAxis(max(low - padding, _FIRST_DATE), min(high + padding, _LAST_DATE))


def _to_days(instant: Instant) -> float:
    return int(instant) / _DAY


def draw_open_end(axes: Axes, side: str, height: float, *, hollow: bool = False) -> None:
    """Draw an arrow beyond the left or right edge, where the range goes on."""
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
