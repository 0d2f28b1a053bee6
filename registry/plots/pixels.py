"""Arrays reduced for drawing: medians of blocks, colour limits that no outlier moves, marks of dead and odd pixels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.detectors import Kind, ZeroMeaning

ODD_THRESHOLD = 5
"""Interquartile ranges from the median beyond which a pixel is odd: 6.7 standard deviations of a normal one."""

COLOUR_PERCENTILES = (0.5, 99.5)
"""The colours cover the values between these percentiles."""

SPREAD_PERCENTILES = (5.0, 50.0, 95.0)
"""The percentiles of a band of spread, and its middle."""

SIGN_BLOCK_SIZE = 64
"""Side in pixels of the squares over which the sign of a change is written."""

_HISTOGRAM_PERCENTILES = (0.1, 99.9)
_BINS = 81


@dataclass(frozen=True, slots=True)
class Marks:
    """The positions of marks, one pixel for each square that a mark covers; ``count`` is of all marked pixels."""

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    count: int


@dataclass(frozen=True, slots=True)
class PanelMap:
    """A panel's array of one gain range as it is drawn.

    ``values``, (row, column), are the medians of blocks of live pixels, NaN where a block has none. Of flags
    (`ZeroMeaning.GOOD`) they are 1 where a block has a flagged pixel, else 0, and flagged pixels are ``odd``.
    """

    values: NDArray[np.float64]
    dead: Marks
    odd: Marks


def build_panel_map(array: NDArray[Any], kind: Kind, block_size: int, mark_spacing: int) -> PanelMap:
    """Return the map of an array (row, column), in blocks and with marks in squares of these sides in pixels."""
    if kind.zero is ZeroMeaning.GOOD:
        flagged = array != 0
        blocks = np.asarray(_split_into_blocks(flagged, block_size, fill=False).any(axis=-1), np.float64)
        no_marks = _find_marks(np.zeros_like(flagged), mark_spacing)
        return PanelMap(blocks, no_marks, _find_marks(flagged, mark_spacing))
    live = find_live_pixels(array, kind)
    return PanelMap(
        values=compute_block_medians(np.where(live, array, np.nan), block_size),
        dead=_find_marks(~live, mark_spacing),
        odd=_find_marks(find_odd_pixels(array, live), mark_spacing),
    )


def find_live_pixels(array: NDArray[Any], kind: Kind) -> NDArray[np.bool_]:
    """Return the mask of pixels that are not NaN, not infinite, and where zero means dead, not zero."""
    live: NDArray[np.bool_] = np.isfinite(array)
    return live & (array != 0) if kind.zero is ZeroMeaning.DEAD else live


def find_odd_pixels(array: NDArray[Any], live: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of live pixels further than `ODD_THRESHOLD` interquartile ranges from the median."""
    if not live.any():
        return np.zeros_like(live)
    low, median, high = find_percentiles(array[live], (25.0, 50.0, 75.0))
    distance = np.abs(np.where(live, array, median).astype(np.float64) - median)
    return distance > ODD_THRESHOLD * (high - low)


def find_percentiles(values: NDArray[Any], wanted: tuple[float, ...]) -> tuple[float, ...]:
    """Return percentiles that are values of the array: nothing is interpolated, so nothing overflows."""
    return tuple(float(value) for value in np.percentile(values, wanted, method="nearest"))


def find_spread(array: NDArray[Any], kind: Kind) -> tuple[float, ...] | None:
    """Return the percentiles `SPREAD_PERCENTILES` of the live pixels, None where there are none."""
    values = array[find_live_pixels(array, kind)]
    return find_percentiles(values, SPREAD_PERCENTILES) if values.size else None


def find_colour_limits(maps: Iterable[NDArray[np.float64]]) -> tuple[float, float] | None:
    """Return two different limits: `COLOUR_PERCENTILES` of the values not odd in their map; None without values."""
    sound = []
    for drawn in maps:
        finite = np.isfinite(drawn)
        sound.append(drawn[finite & ~find_odd_pixels(drawn, finite)])
    values = np.concatenate(sound)
    if not values.size:
        return None
    low, high = find_percentiles(values, COLOUR_PERCENTILES)
    padding = 0.0 if low < high else max(abs(low) * 1e-3, 1e-6)
    return low - padding, high + padding


def compute_block_medians(values: NDArray[np.floating[Any]], block_size: int) -> NDArray[np.float64]:
    """Return the median of every square of `block_size` x `block_size` values; NaN is left out."""
    ordered = np.sort(_split_into_blocks(values, block_size, np.nan), axis=-1)  # NaN last
    counts = np.count_nonzero(~np.isnan(ordered), axis=-1)[..., np.newaxis]
    lower = np.take_along_axis(ordered, np.maximum(counts - 1, 0) // 2, axis=-1).astype(np.float64)
    upper = np.take_along_axis(ordered, np.minimum(counts // 2, ordered.shape[-1] - 1), axis=-1)
    upper = np.where(counts > 0, upper, np.nan).astype(np.float64)
    medians: NDArray[np.float64] = (lower / 2 + upper / 2)[..., 0]
    return medians


def _split_into_blocks(values: NDArray[Any], block_size: int, fill: float | bool) -> NDArray[Any]:
    """Return the squares: (row of squares, column of squares, value); the last ones are filled up with `fill`."""
    rows, columns = values.shape
    filled = np.pad(values, ((0, -rows % block_size), (0, -columns % block_size)), constant_values=fill)
    squares = filled.reshape(
        filled.shape[0] // block_size, block_size, filled.shape[1] // block_size, block_size
    )
    return squares.swapaxes(1, 2).reshape(squares.shape[0], squares.shape[2], block_size * block_size)


def _find_marks(mask: NDArray[np.bool_], spacing: int) -> Marks:
    rows, columns = np.nonzero(mask)
    squares = rows // spacing * mask.shape[1] + columns // spacing
    _, first = np.unique(squares, return_index=True)
    return Marks(rows[first], columns[first], rows.size)


@dataclass(frozen=True, slots=True)
class PixelChange:
    """The change from one array to another of the same kind and gain range.

    In ``map`` the pixels that have a value in one array only are ``dead``. ``coarse_medians`` are those of larger
    squares, for their signs; ``counts`` and ``edges`` a histogram of all changes but the ``outside`` ones.
    """

    map: PanelMap
    coarse_medians: NDArray[np.float64]
    counts: NDArray[np.intp]
    edges: NDArray[np.float64]
    outside: int


def build_pixel_change(
    before: NDArray[Any],
    after: NDArray[Any],
    kind: Kind,
    block_size: int,
    mark_spacing: int,
    *,
    relative: bool,
) -> PixelChange:
    """Return the change from `before` to `after`, both (row, column); a `relative` one is in percent."""
    live_before, live_after = find_live_pixels(before, kind), find_live_pixels(after, kind)
    live = live_before & live_after & ((before != 0) if relative else True)
    old, new = (np.where(live, array, 1).astype(np.float64) for array in (before, after))
    change = 100 * (new - old) / old if relative else new - old
    drawn: NDArray[np.float64] = np.where(live, change, np.nan)
    counts, edges = _build_histogram(change[live])
    return PixelChange(
        map=PanelMap(
            compute_block_medians(drawn, block_size),
            _find_marks(live_before != live_after, mark_spacing),
            _find_marks(find_odd_pixels(change, live), mark_spacing),
        ),
        coarse_medians=compute_block_medians(drawn, SIGN_BLOCK_SIZE),
        counts=counts,
        edges=edges,
        outside=int(np.count_nonzero(live) - counts.sum()),
    )


def _build_histogram(values: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return counts and edges of bins around zero that hold nearly all values."""
    low, high = find_percentiles(values, _HISTOGRAM_PERCENTILES) if values.size else (0.0, 0.0)
    end = 1.2 * max(abs(low), abs(high)) or max(float(np.abs(values).max(initial=0.0)), 1e-6)
    return np.histogram(values, bins=_BINS, range=(-end, end))


def find_change_limit(change: PixelChange) -> float:
    """Return the limit of the colours on either side of zero; nearly all drawn values lie within."""
    drawn = np.abs(change.map.values[np.isfinite(change.map.values)])
    high = find_percentiles(drawn, COLOUR_PERCENTILES)[1] if drawn.size else 0.0
    return high or float(change.edges[-1])
