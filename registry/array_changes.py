"""The change from one array to another: what is uniform, what is left, and which ASIC has it.

A gain or a noise changes by a factor, the same for all pixels where the amplifier or the temperature did; a dark level
changes by a shift (`Kind.scales`). All numbers are medians and quartiles, because the mean of a map is moved by the
very pixels that are sought.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.detectors import Kind, ZeroMeaning
from registry.records import ArrayChange, AsicChange

BEYOND = 5
"""Interquartile ranges from the median: of normal values none is further away by chance."""

_NORMAL_WIDTH = 1.349  # interquartile range of a normal distribution in its standard deviations
# Of the values: what rounding them to float32, and scaling them, may leave.
_ROUNDING = 2.0**-21


def measure_change(
    before: NDArray[Any], after: NDArray[Any], kind: Kind, asic_shape: tuple[int, int]
) -> ArrayChange:
    """Return the change from `before` to `after`, arrays (row, column) of one kind and gain range.

    Parameters
    ----------
    asic_shape
        Rows and columns of an ASIC; the arrays are made of whole ones.
    """
    if kind.zero is ZeroMeaning.GOOD:
        return _count_flags(before, after, kind, asic_shape)
    has_before, has_after = (_find_live(array, kind) for array in (before, after))
    both = has_before & has_after
    old, new = (np.where(both, array, 0).astype(np.float64) for array in (before, after))
    middle, shift = _find_median(old[both]), _find_median((new - old)[both])
    scale = _find_scale(old[both], new[both]) if kind.scales else None
    residual = _find_residual(old, new, kind, scale=scale, shift=shift)
    beyond, spread = _find_beyond(residual, both, np.maximum(np.abs(old), np.abs(new)))
    return ArrayChange(
        model="scale" if kind.scales else "shift",
        unit=kind.unit,
        compared=int(np.count_nonzero(both)),
        only_before=int(np.count_nonzero(has_before & ~has_after)),
        only_after=int(np.count_nonzero(has_after & ~has_before)),
        median=middle,
        shift=shift,
        percent=_find_percent(shift, middle),
        scale=scale,
        spread=spread,
        spread_percent=_find_percent(spread, None if middle is None else abs(middle)),
        beyond=int(np.count_nonzero(beyond)),
        asics=tuple(_measure_asics(old, new, both, residual, beyond, asic_shape)),
    )


def subtract_uniform(
    before: NDArray[Any], after: NDArray[Any], kind: Kind, change: ArrayChange
) -> NDArray[Any]:
    """Return `after` without the uniform part of its `change`, which is not that of flags.

    Pixels without a value in either array stay as they are.
    """
    both = _find_live(before, kind) & _find_live(after, kind)
    old, new = (np.where(both, array, 0).astype(np.float64) for array in (before, after))
    residual = _find_residual(old, new, kind, scale=change.scale, shift=change.shift)
    return np.where(both, old + residual, after)


def _find_residual(
    old: NDArray[np.float64],
    new: NDArray[np.float64],
    kind: Kind,
    *,
    scale: float | None,
    shift: float | None,
) -> NDArray[np.float64]:
    """Return what is left of a change without its uniform part."""
    if kind.scales:
        return new - old * (1.0 if scale is None else scale)
    return new - old - (0.0 if shift is None else shift)


def _find_live(array: NDArray[Any], kind: Kind) -> NDArray[np.bool_]:
    live: NDArray[np.bool_] = np.isfinite(array)
    return live & (array != 0) if kind.zero is ZeroMeaning.DEAD else live


def _find_scale(old: NDArray[np.float64], new: NDArray[np.float64]) -> float | None:
    """Return the median of the ratios, None without a value that is not zero."""
    usable = old != 0
    return _find_median(new[usable] / old[usable])


def _find_median(values: NDArray[np.float64]) -> float | None:
    if not values.size:
        return None
    middle = values.size // 2
    ordered = np.partition(values, middle)  # a third of the time of numpy's median
    upper = float(ordered[middle])
    return upper if values.size % 2 else (float(ordered[:middle].max()) + upper) / 2


def _find_percent(change: float | None, whole: float | None) -> float | None:
    """Return the change in percent of the whole; None of nothing."""
    return 100 * change / whole if change is not None and whole else None


def _find_beyond(
    residual: NDArray[np.float64], both: NDArray[np.bool_], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], float | None]:
    """Return the mask of pixels whose change differs from the others', and the spread of what is left."""
    values = residual[both]
    if not values.size:
        return np.zeros_like(both), None
    low, middle, high = (float(value) for value in np.percentile(values, (25, 50, 75), method="nearest"))
    distance = np.abs(residual - middle)
    beyond = both & (distance > BEYOND * (high - low)) & (distance > _ROUNDING * sizes)
    return beyond, (high - low) / _NORMAL_WIDTH


def _list_asics(shape: tuple[int, ...], asic_shape: tuple[int, int]) -> Iterator[tuple[int, int, Any]]:
    """Yield the row and the column of each ASIC among them, and the slices of its pixels."""
    height, width = asic_shape
    for row in range(shape[0] // height):
        for column in range(shape[1] // width):
            yield (
                row,
                column,
                np.s_[row * height : (row + 1) * height, column * width : (column + 1) * width],
            )


def _measure_asics(
    old: NDArray[np.float64],
    new: NDArray[np.float64],
    both: NDArray[np.bool_],
    residual: NDArray[np.float64],
    beyond: NDArray[np.bool_],
    asic_shape: tuple[int, int],
) -> Iterator[AsicChange]:
    for row, column, part in _list_asics(old.shape, asic_shape):
        mask = both[part]
        before = old[part][mask]
        middle, shift = _find_median(before), _find_median(new[part][mask] - before)
        left = _find_median(residual[part][mask])
        yield AsicChange(
            row=row,
            column=column,
            compared=int(before.size),
            shift=shift,
            percent=_find_percent(shift, middle),
            left=left,
            left_percent=_find_percent(left, middle),
            beyond=int(np.count_nonzero(beyond[part])),
        )


def _count_flags(
    before: NDArray[Any], after: NDArray[Any], kind: Kind, asic_shape: tuple[int, int]
) -> ArrayChange:
    """Return how many pixels were flagged, are no longer, or have other flags than before."""

    def count(old: NDArray[Any], new: NDArray[Any]) -> dict[str, int]:
        masks = {
            "flagged": (old == 0) & (new != 0),
            "cleared": (old != 0) & (new == 0),
            "altered": (old != 0) & (new != 0) & (old != new),
        }
        return {name: int(np.count_nonzero(mask)) for name, mask in masks.items()}

    return ArrayChange(
        model="flags",
        unit=kind.unit,
        compared=before.size,
        only_before=0,
        only_after=0,
        **count(before, after),
        asics=tuple(
            AsicChange(row, column, before[part].size, **count(before[part], after[part]))
            for row, column, part in _list_asics(before.shape, asic_shape)
        ),
    )
