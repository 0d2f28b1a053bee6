"""Simulated sensors: gain maps of gain range 0 that share what real sensors have in common, and are measured again.

All numbers are in percent of the typical gain. What sensors share is larger than what is their own, so that a
comparison that does not remove it takes one sensor for another.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from registry.detectors.jungfrau import JUNGFRAU
from testing.panels import TYPICAL_VALUES, make_noisy_array

_GAIN = np.float32(TYPICAL_VALUES["gain"][0])

# Of the real panel at hand, the residual of single pixels is 0.8 %.
_PIXELS = 0.8
_SHARED_PIXELS = 0.08  # of the mask of the sensor, and again of that of the ASICs
_ASIC_LEVELS, _GRADIENT, _ROWS, _COLUMNS = 1.0, 0.8, 0.4, 0.4
_BORDERS = (8.0, 3.0)  # of the first and second pixel beside the border of an ASIC, which are wider
_ODD_PIXELS, _ODD_VALUE = 0.002, 6.0  # the share of pixels far from the others, and how far
_BIAS_RESPONSE = 0.05  # of a pixel, for each percent by which another bias changes the gain


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditions of a measurement, in percent of the gain.

    Attributes
    ----------
    noise
        The standard deviation of each pixel's measurement.
    drift
        That of the gain of each ASIC since the sensor was made.
    rows, columns
        That of the readout of each row and each column of an ASIC.
    dead
        The percentage of pixels that died since, and are 0.
    bias
        By how much another bias voltage changes the gain, not quite the same for every pixel.
    """

    noise: float = 0.5
    drift: float = 0.0
    rows: float = 0.0
    columns: float = 0.0
    dead: float = 0.0
    bias: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Sensor:
    """One simulated sensor.

    Attributes
    ----------
    gain
        Its true gain in ADU/keV (row, column).
    identity
        The seed of its sensors, and its number.
    """

    gain: NDArray[np.float32]
    identity: tuple[int, int]

    def measure(self, conditions: Conditions | None = None, seed: int = 0) -> NDArray[np.float32]:
        """Return its gain as measured under these conditions (row, column); the same seed, the same map."""
        conditions = conditions or Conditions()
        rng = np.random.default_rng([*self.identity, 1, seed])
        change = np.zeros(self.gain.shape, np.float32)
        change += conditions.noise * rng.standard_normal(self.gain.shape, np.float32)
        change += conditions.drift * _make_asic_levels(rng)
        change += _make_lines(rng, conditions.rows, conditions.columns)
        if conditions.bias:
            response = _BIAS_RESPONSE * np.random.default_rng([*self.identity, 2]).standard_normal(
                self.gain.shape, np.float32
            )
            change += conditions.bias * (1 + response + 0.2 * _mark_borders())
        measured = self.gain * (1 + change / 100)
        measured[rng.random(self.gain.shape, np.float32) < conditions.dead / 100] = 0.0
        return measured.astype("<f4")


class Sensors:
    """Sensors of one production, as large as a panel of Jungfrau is when they are made."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        rng = np.random.default_rng([seed])
        tile = rng.standard_normal(JUNGFRAU.asic_shape, np.float32)
        shape = JUNGFRAU.panel_shape
        self._shared = _make_structure(rng) + _mark_borders()
        self._shared += _SHARED_PIXELS * rng.standard_normal(shape, np.float32)
        self._shared += _SHARED_PIXELS * np.tile(tile, _count_asics())

    def make(self, number: int) -> Sensor:
        """Return the sensor of that number, from 0 on: always the same one."""
        rng = np.random.default_rng([self._seed, number])
        own = 0.5 * _make_structure(rng) + _PIXELS * rng.standard_normal(JUNGFRAU.panel_shape, np.float32)
        own += _ODD_VALUE * (rng.random(own.shape, np.float32) < _ODD_PIXELS)
        gain = _GAIN * (1 + (self._shared + own) / 100)
        return Sensor(gain.astype(np.float32), (self._seed, number))


def write_sensor_folder(
    folder: Path, sensor: Sensor, seed: int = 0, conditions: Conditions | None = None
) -> Path:
    """Write a folder with gain and offset of every gain range, that of gain range 0 as measured, and return it.

    The other maps are noise, and others for another sensor or seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([*sensor.identity, 3, seed])
    for kind in ("gain", "offset"):
        for gain_range in range(JUNGFRAU.gain_ranges):
            array = make_noisy_array(kind, gain_range, rng)
            if (kind, gain_range) == ("gain", 0):
                array = sensor.measure(conditions, seed)
            np.save(folder / JUNGFRAU.file_name(kind, gain_range), array)
    return folder


def _make_structure(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return (row, column): a slow gradient, a level for each ASIC, and rows and columns within them."""
    y, x = (np.linspace(-1, 1, pixels, dtype=np.float32) for pixels in JUNGFRAU.panel_shape)
    tilts = rng.standard_normal(3, np.float32)
    gradient = tilts[0] * y[:, np.newaxis] + tilts[1] * x + tilts[2] * np.outer(y, x)
    structure = (
        _GRADIENT * gradient + _ASIC_LEVELS * _make_asic_levels(rng) + _make_lines(rng, _ROWS, _COLUMNS)
    )
    return np.asarray(structure, np.float32)


def _make_asic_levels(rng: np.random.Generator) -> NDArray[np.float32]:
    return np.kron(rng.standard_normal(_count_asics(), np.float32), np.ones(JUNGFRAU.asic_shape, np.float32))


def _make_lines(rng: np.random.Generator, of_rows: float, of_columns: float) -> NDArray[np.float32]:
    """Return (row, column): one number for each row and one for each column of an ASIC, of these deviations."""
    rows, columns = JUNGFRAU.panel_shape
    down, across = _count_asics()
    row_lines = rng.standard_normal((rows, across), np.float32)
    column_lines = rng.standard_normal((down, columns), np.float32)
    height, width = JUNGFRAU.asic_shape
    lines: NDArray[np.float32] = of_rows * np.repeat(row_lines, width, axis=1)
    lines += of_columns * np.repeat(column_lines, height, axis=0)
    return lines


def _mark_borders() -> NDArray[np.float32]:
    """Return (row, column): by how much the pixels beside the borders of ASICs differ."""
    distances = [
        np.minimum(np.arange(pixels) % asic, asic - 1 - np.arange(pixels) % asic)
        for pixels, asic in zip(JUNGFRAU.panel_shape, JUNGFRAU.asic_shape, strict=True)
    ]
    marks = np.zeros(JUNGFRAU.panel_shape, np.float32)
    for distance, value in enumerate(_BORDERS):
        marks[distances[0] == distance, :] += np.float32(value)
        marks[:, distances[1] == distance] += np.float32(value)
    return marks


def _count_asics() -> tuple[int, int]:
    (rows, columns), (height, width) = JUNGFRAU.panel_shape, JUNGFRAU.asic_shape
    return rows // height, columns // width
