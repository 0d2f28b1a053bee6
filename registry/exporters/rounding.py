"""Recognise an array that was written in decimals: to how many digits after the point it was rounded."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAX_DIGITS = 7
_SAMPLE = 4096
# How near to the middle between two decimals a value may be rounded either way: as far as its float is coarse, because
# its own decimals may be on the other side; at most by the second, in units of the last digit.
_TIE, _MAX_TIE = 1e-6, 0.1


def find_rounding(values: NDArray[Any], original: NDArray[Any]) -> int | None:
    """Return to how many decimal digits `original` was rounded to give `values`; None if it was not.

    The fewest that give these values, which are compared as the floats that they were read as.
    """
    if original.dtype.kind != "f" or values.shape != original.shape:
        return None
    flat, wide = values.astype(original.dtype).ravel(), original.astype(np.float64).ravel()
    for digits in range(_MAX_DIGITS + 1):
        if all(
            _is_rounded(flat[part], wide[part], digits) for part in (slice(_SAMPLE), slice(_SAMPLE, None))
        ):
            return digits
    return None


def _is_rounded(values: NDArray[Any], original: NDArray[np.float64], digits: int) -> bool:
    rounded = np.round(original, digits).astype(values.dtype)
    different = ~((rounded == values) | (np.isnan(rounded) & np.isnan(values)))
    if not different.any():
        return True
    scaled = original[different] * 10.0**digits
    with np.errstate(invalid="ignore"):
        coarseness = np.spacing(np.abs(original[different]).astype(values.dtype)).astype(np.float64)
        margin = np.minimum(_TIE + coarseness / 2 * 10.0**digits, _MAX_TIE)
        ties = np.abs(np.abs(scaled - np.floor(scaled)) - 0.5) <= margin
        either = [
            (function(scaled) / 10.0**digits).astype(values.dtype) == values[different]
            for function in (np.floor, np.ceil)
        ]
    return bool((ties & (either[0] | either[1])).all())
