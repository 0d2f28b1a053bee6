"""The timelines of a panel as a drawing: a row for each kind, a bar for each version that holds for a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from registry.instants import BEGINNING, Instant, instant_from_datetime
from registry.records import Version

_LEFT, _RIGHT = 90, 990  # of the drawing, in its own units; before it stand the names of the kinds
_NARROWEST = 3  # of a bar, so that it can be seen and clicked
_MARGIN = 0.04  # of the time, for what was valid before the first start
_MAX_BARS = 200
_MAX_TICKS = 9
_STEPS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)  # years


class Bar(Struct, frozen=True):
    """A version as a bar from ``x`` on."""

    version: Version
    x: float
    width: float


class Row(Struct, frozen=True):
    """The bars of a kind."""

    kind: str
    bars: tuple[Bar, ...]


class Tick(Struct, frozen=True):
    """The beginning of a year."""

    year: int
    x: float


class TimelineDrawing(Struct, frozen=True):
    """A drawing 1000 units wide; ``left_out`` versions are earlier than those that are drawn."""

    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    left_out: int
    has_gaps: bool


def lay_out(versions: Sequence[Version], end: Instant) -> TimelineDrawing | None:
    """Lay out the versions of one panel until an instant, or until the last start; return None without versions."""
    if not versions:
        return None
    newest = sorted(versions, key=lambda version: version.valid_from)[-_MAX_BARS:]
    starts = [version.valid_from for version in newest if version.valid_from != BEGINNING]
    last = max([end, *starts])
    first = min([*starts, last])
    span = max(last - first, 1_000_000)
    low = first - span * _MARGIN

    def place(instant: float) -> float:
        return _LEFT + (_RIGHT - _LEFT) * (instant - low) / (last + span * _MARGIN - low)

    def build_bar(version: Version) -> Bar:
        x = float(_LEFT) if version.valid_from == BEGINNING else place(version.valid_from)
        until = _RIGHT if version.valid_to is None else place(version.valid_to)
        return Bar(version, round(x, 1), round(max(until - x, _NARROWEST), 1))

    kinds = dict.fromkeys(version.kind for version in versions)
    rows = tuple(
        Row(kind, tuple(build_bar(version) for version in newest if version.kind == kind)) for kind in kinds
    )
    ticks = tuple(
        Tick(year, round(place(instant), 1))
        for year, instant in _list_years(low, last)
        if _LEFT <= place(instant) <= _RIGHT
    )
    has_gaps = any(version.is_gap for version in newest)
    return TimelineDrawing(rows, ticks, len(versions) - len(newest), has_gaps)


def _list_years(low: float, last: int) -> Iterator[tuple[int, Instant]]:
    """Yield round years between two instants with their beginnings, at most `_MAX_TICKS`."""
    first_year, last_year = (
        datetime.fromtimestamp(moment / 1e6, UTC).year for moment in (max(low, -6e16), last)
    )
    step = next(step for step in _STEPS if (last_year - first_year) / step < _MAX_TICKS)
    for year in range(first_year + (-first_year) % step, last_year + 1, step):
        if year > 0:
            yield year, instant_from_datetime(datetime(year, 1, 1, tzinfo=UTC))
