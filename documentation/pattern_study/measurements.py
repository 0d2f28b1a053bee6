"""Measurements beside the trials: of a real map, and of the time that patterns take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from registry.detectors.jungfrau import JUNGFRAU
from registry.patterns import PATTERN_SIZE, Pattern, compute_pattern, correlate, find_candidates
from testing.sensors import Sensors

NOISES = (0.3, 1.0, 2.0, 3.0, 5.0, 7.0)
"""Noise that is added to a real map, in percent of each pixel."""

STORED_PATTERNS = 10_000


@dataclass(frozen=True, slots=True)
class RealMap:
    """The correlations of a real map with itself.

    Attributes
    ----------
    measured_again
        By noise: the correlations with itself with noise added.
    mirrored
        With itself in the three other orientations.
    shifted
        With itself moved on by a number of ASICs, which is like another sensor with the same systematics.
    """

    measured_again: dict[float, NDArray[np.float64]]
    mirrored: NDArray[np.float64]
    shifted: NDArray[np.float64]


def measure_real_map(path: Path, repeats: int = 20) -> RealMap:
    """Return the correlations of the map in a ``.npy`` file with itself, with noise, mirrored and shifted."""
    values = np.load(path, allow_pickle=False)
    pattern = _compute(values)
    rng = np.random.default_rng(0)
    noisy = {
        noise: np.array(
            [
                _correlate(pattern, values * (1 + noise / 100 * rng.standard_normal(values.shape)))[0]
                for _ in range(repeats)
            ]
        )
        for noise in NOISES
    }
    height, width = JUNGFRAU.asic_shape
    down, across = (pixels // asic for pixels, asic in zip(values.shape, (height, width), strict=True))
    shifted = [
        _correlate(pattern, np.roll(values, (row * height, column * width), (0, 1)))
        for row in range(down)
        for column in range(across)
        if (row, column) != (0, 0)
    ]
    return RealMap(noisy, correlate(pattern, pattern.samples[np.newaxis])[0, 1:], np.array(shifted))


@dataclass(frozen=True, slots=True)
class Timings:
    """Processor times in milliseconds: the median, and the largest, of repeated calls."""

    compute: tuple[float, float]
    search: tuple[float, float]


def measure_times(repeats: int = 100) -> Timings:
    """Return the time to compute a pattern, and to find the best twenty among 10,000 by their signs."""
    values = Sensors(0).make(0).measure()
    signs = np.random.default_rng(0).integers(0, 256, (STORED_PATTERNS, PATTERN_SIZE // 8), np.uint8)
    pattern = _compute(values)
    return Timings(
        _measure_time(lambda: _compute(values), repeats),
        _measure_time(lambda: find_candidates(pattern, signs), repeats),
    )


def _measure_time(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    call()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        times.append(1000 * (time.process_time() - start))
    return float(np.median(times)), max(times)


def _correlate(pattern: Pattern, values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the correlations of a pattern with a map in all orientations."""
    correlations: NDArray[np.float64] = correlate(pattern, _compute(values).samples[np.newaxis])[0]
    return correlations


def _compute(values: NDArray[np.floating]) -> Pattern:
    pattern = compute_pattern(values, JUNGFRAU.asic_shape)
    if pattern is None:
        raise ValueError("the map has no pattern")
    return pattern
