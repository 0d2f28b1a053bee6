"""Patterns: 4096 numbers by which a sensor is known again in another map of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from registry.errors import CorruptionError
from registry.patterns.places import PATTERN_SIZE, Places, choose_places
from registry.patterns.residuals import compute_residuals

ALGORITHM = 1
"""The number of the algorithm. Patterns of two algorithms cannot be compared: it changes with every detail of it."""

SIGNS_SIZE = PATTERN_SIZE // 8
"""Of the signs of a pattern, in bytes."""

FEWEST_LIVE_SAMPLES = PATTERN_SIZE // 2
"""With fewer a map has no pattern."""

FEWEST_EQUAL_VALUES = PATTERN_SIZE // 64
"""So many places with the same value were filled in."""

NEAR = 4
"""The number of pixels in each direction, in the row and in the column, with which each pixel is compared."""

SMALLEST_SPREAD = 1e-4
"""Of the residuals of an ASIC, relative to its median value; with less it is flat."""

LIMIT = 4.0
"""Of the samples, in standard deviations: rare pixels far outside do not decide."""

_LARGEST_SAMPLE = 127
_DEVIATION = 1.4826  # of normal numbers, in median absolute deviations


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """The pattern of one map.

    Attributes
    ----------
    samples
        The residuals at the places, of the shape (4096,): -127 to 127 for -4 to 4 standard deviations, 0 for silent
        pixels.
    algorithm
        By which it was computed.
    """

    samples: NDArray[np.int8]
    algorithm: int = ALGORITHM

    @property
    def signs(self) -> bytes:
        """512 bytes with a bit for each sample, 1 if it is above 0; that of the first sample is the highest."""
        return np.packbits(self.samples > 0).tobytes()


def compute_pattern(values: NDArray[np.generic], asic_shape: tuple[int, int]) -> Pattern | None:
    """Return the pattern of a map, None if it has none.

    Silent pixels, which were not measured, are those that are 0 or not finite, those that have exactly the value of 64
    or more places, and those that have exactly the value of another pixel of their row or column at most four away. An
    ASIC is silent if more than half of its samples are, or if it is flat.

    Parameters
    ----------
    values
        A map of any numbers (row, column); they are rounded to float32.
    asic_shape
        Rows and columns of an ASIC.

    Returns
    -------
    Pattern or None
        None if more than half of the samples are silent, and for panels of a shape that has no places.
    """
    places = choose_places((values.shape[0], values.shape[1]), asic_shape) if values.ndim == 2 else None
    if places is None:
        return None
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        numbers = values.astype(np.float32)
        numbers[_find_silent_pixels(numbers, places)] = np.nan
        residuals = compute_residuals(numbers, asic_shape, places)
        at_places = np.abs(numbers[places.rows, places.columns])
        samples = np.zeros(PATTERN_SIZE, np.int8)
        for asic in np.unique(places.asics):
            inside = places.asics == asic
            samples[inside] = _scale(residuals[inside], at_places[inside])
    return Pattern(samples) if np.count_nonzero(samples) >= FEWEST_LIVE_SAMPLES else None


def parse_pattern(samples: bytes, algorithm: int) -> Pattern:
    """Return the pattern with these samples as they are stored, one byte for each.

    Raises
    ------
    CorruptionError
        There are more or fewer than 4096.
    """
    if len(samples) != PATTERN_SIZE:
        raise CorruptionError(f"a pattern has {PATTERN_SIZE} samples, not {len(samples)}")
    return Pattern(np.frombuffer(samples, np.int8), algorithm)


def _find_silent_pixels(values: NDArray[np.float32], places: Places) -> NDArray[np.bool_]:
    """Return whether each pixel (row, column) was not measured."""
    silent: NDArray[np.bool_] = ~np.isfinite(values) | (values == 0)
    distinct, counts = np.unique(values[places.rows, places.columns], return_counts=True)
    for value in distinct[counts >= FEWEST_EQUAL_VALUES]:
        silent |= values == value
    for step in range(1, NEAR + 1):
        for first, second in ((np.s_[:-step], np.s_[step:]), (np.s_[:, :-step], np.s_[:, step:])):
            equal = values[first] == values[second]
            silent[first] |= equal
            silent[second] |= equal
    return silent


def _scale(residuals: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.int8]:
    """Return the samples of an ASIC, from its residuals, NaN for silent pixels, and its values without their signs."""
    live = np.isfinite(residuals)
    samples = np.zeros(residuals.shape, np.int8)
    if 2 * np.count_nonzero(live) < live.size:
        return samples
    measured = residuals[live].astype(np.float64)
    deviation = _DEVIATION * np.median(np.abs(measured))
    if deviation > SMALLEST_SPREAD * np.median(values[live].astype(np.float64)):
        scaled = np.clip(measured / deviation, -LIMIT, LIMIT) * (_LARGEST_SAMPLE / LIMIT)
        samples[live] = np.rint(scaled).astype(np.int8)
    return samples
