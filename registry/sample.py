"""Sample data, for the demo and for anyone who wants to try the registry without data of their own.

Three made-up Jungfrau modules that look like real ones, in a directory of symbolic links like the one that
the registry replaces, and the table of datasets that goes with it.

The values are the same on every machine and with every numpy, so that documentation may show checksums. Hence
all random numbers are raw integers of PCG64, whose sequence numpy keeps, not its distributions, which may
change; and no function is applied to them that libraries round differently.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.detectors.jungfrau import JUNGFRAU

__all__ = ["LINKS", "MODULES", "panel_arrays", "remeasure_arrays", "write_dataset_table", "write_legacy_tree"]

MODULES = ("M044", "M068", "M088")

# By panel Id, with the local time from which the link is valid if there is one: the module that it leads to.
LINKS = {
    "170505-149520170815-3d00b0-20171025000000": "M068",
    "170505-149520170815-3d00f7-20171025000000": "M088",
    "171113-154920171025-3d00b0": "M068",
    "171113-154920171025-3d00f7": "M088",
    "171113-154920171025-3d00fb-20180306000000": "M044",
}

_DATASET_TABLE = "sample_datasets.txt"


@dataclass(frozen=True, slots=True)
class _ArrayLevel:
    """The typical value of an array and the size of its variation over a panel, in the array's unit."""

    typical: float
    spread: float


# Values as in the field. The spread of a gain is a percent of it and has its sign: a higher amplification lies
# further from zero. The offset of gain range 0 is the rest that the pedestal leaves, almost nothing.
_LEVELS = {
    "gain": (_ArrayLevel(41.5, 0.415), _ArrayLevel(-1.39, -0.0139), _ArrayLevel(-0.11, -0.0011)),
    "offset": (_ArrayLevel(0.01, 0.02), _ArrayLevel(300.0, 6.0), _ArrayLevel(50.0, 2.0)),
}

# The parts of the variation over a panel, in units of the spread of the array.
_ASIC_STEP = 0.6
_GRADIENT = 0.5
_COLUMN_NOISE = 0.15
_PIXEL_NOISE = 0.6
_WIDE_PIXEL = 3.0
_HOT_PIXEL = 25.0

# What another measurement adds to each pixel, in the same unit: half of what is the module's own.
_MEASUREMENT_NOISE = 0.3

_ASIC_SIDE = 256
_DEAD_PIXELS = 24
_HOT_PIXELS = 40


@dataclass(frozen=True, slots=True)
class _BadPixels:
    """The pixels of a module that do not work, as indices into its flat arrays."""

    dead: NDArray[np.uint64]
    hot: NDArray[np.uint64]


def panel_arrays(module: str) -> dict[str, NDArray[np.float32]]:
    """Return the constants of one made-up module: six arrays by their file names, ``g0_gain.npy`` and so on.

    Parameters
    ----------
    module
        Any name. The same name gives the same arrays, another name gives another pattern.

    Returns
    -------
    dict
        Arrays of shape (512, 1024) = (row, column), little-endian float32 in C order; gains in ADU/keV,
        offsets in ADU. A dead pixel is 0 in all six; every value is finite.
    """
    rng = _seed(module)
    # Chosen once: a broken pixel is broken in every gain range.
    bad = _BadPixels(dead=_choose_pixels(rng, _DEAD_PIXELS), hot=_choose_pixels(rng, _HOT_PIXELS))
    return {
        JUNGFRAU.file_name(kind, gain_range): _build_panel_array(rng, level, bad)
        for kind, levels in _LEVELS.items()
        for gain_range, level in enumerate(levels)
    }


def remeasure_arrays(module: str, measurement: str) -> dict[str, NDArray[np.float32]]:
    """Return the constants of a made-up module as another measurement of it gives them, with noise of its own.

    The sensor is the same, so its pattern fits (`registry.patterns`); dead pixels stay dead.

    Parameters
    ----------
    measurement
        Any name. The same name gives the same noise.

    Returns
    -------
    dict
        Arrays as of `panel_arrays`.
    """
    rng = _seed(f"{module} {measurement}")
    levels = [level for kind in _LEVELS.values() for level in kind]
    return {
        name: _add_measurement_noise(rng, array, level)
        for (name, array), level in zip(panel_arrays(module).items(), levels, strict=True)
    }


def write_legacy_tree(folder: Path) -> list[Path]:
    """Make `folder`, which must not exist, with the files of three modules and the links of panels to them.

    Returns
    -------
    list of Path
        Every path below `folder`: each module's folder with its six ``.npy`` files, then the links.
    """
    folder.mkdir(parents=True)
    paths = [path for module in MODULES for path in _write_module(folder / module)]
    for name, module in LINKS.items():
        link = folder / name
        link.symlink_to(module, target_is_directory=True)
        paths.append(link)
    return paths


def write_dataset_table(path: Path) -> None:
    """Write the table of 15 datasets and the panels read out in them, as of 2018-04-19."""
    path.write_bytes(resources.files("registry").joinpath(_DATASET_TABLE).read_bytes())


def _write_module(folder: Path) -> list[Path]:
    folder.mkdir()
    arrays = panel_arrays(folder.name)
    for name, array in arrays.items():
        np.save(folder / name, array)
    return [folder, *(folder / name for name in arrays)]


def _seed(name: str) -> np.random.PCG64:
    return np.random.PCG64(int.from_bytes(name.encode(), "big"))


def _add_measurement_noise(
    rng: np.random.PCG64, array: NDArray[np.float32], level: _ArrayLevel
) -> NDArray[np.float32]:
    noise = _MEASUREMENT_NOISE * level.spread * _make_noise(rng, *array.shape)
    return np.where(array == 0, 0.0, array + noise).astype("<f4")


def _build_panel_array(rng: np.random.PCG64, level: _ArrayLevel, bad: _BadPixels) -> NDArray[np.float32]:
    pattern = (
        _ASIC_STEP * _make_asic_levels(rng)
        + _GRADIENT * _make_gradient(rng)
        + _COLUMN_NOISE * _make_column_noise(rng)
        + _PIXEL_NOISE * _make_noise(rng, *JUNGFRAU.panel_shape)
        + _WIDE_PIXEL * _mark_wide_pixels()
    )
    pattern.flat[bad.hot] += _HOT_PIXEL
    array = level.typical + level.spread * pattern
    array.flat[bad.dead] = 0.0
    return array.astype("<f4")


def _choose_pixels(rng: np.random.PCG64, count: int) -> NDArray[np.uint64]:
    return rng.random_raw(count) % np.uint64(math.prod(JUNGFRAU.panel_shape))


def _make_noise(rng: np.random.PCG64, *shape: int) -> NDArray[np.float64]:
    """Return noise of mean 0 and standard deviation 1: sums of four uniform numbers, nearly normal."""
    quarters = rng.random_raw(math.prod(shape)).view(np.uint16).reshape(-1, 4)
    total = quarters.sum(axis=1, dtype=np.int64)
    deviation = 2**16 / math.sqrt(3)
    noise: NDArray[np.float64] = (total - 2 * 65535) / deviation
    return noise.reshape(shape)


def _make_asic_levels(rng: np.random.PCG64) -> NDArray[np.float64]:
    """Return (row, column): a level for each ASIC, shuffled and one apart, so that every border is visible."""
    rows, columns = (pixels // _ASIC_SIDE for pixels in JUNGFRAU.panel_shape)
    ranks = np.argsort(rng.random_raw(rows * columns)).reshape(rows, columns)
    return _repeat_over_asics(ranks - (rows * columns - 1) / 2, (_ASIC_SIDE, _ASIC_SIDE))


def _make_column_noise(rng: np.random.PCG64) -> NDArray[np.float64]:
    """Return (row, column): one number for each column of each ASIC, whose pixels share a readout line."""
    rows, columns = JUNGFRAU.panel_shape
    return _repeat_over_asics(_make_noise(rng, rows // _ASIC_SIDE, columns), (_ASIC_SIDE, 1))


def _repeat_over_asics(values: NDArray[Any], repeats: tuple[int, int]) -> NDArray[np.float64]:
    return np.repeat(np.repeat(values, repeats[0], axis=0), repeats[1], axis=1)


def _make_gradient(rng: np.random.PCG64) -> NDArray[np.float64]:
    """Return (row, column): a slow tilt and bend over the whole panel."""
    row, column = (np.linspace(-1.0, 1.0, pixels) for pixels in JUNGFRAU.panel_shape)
    tilt_row, tilt_column, twist, bend = _make_noise(rng, 4)
    y, x = row[:, np.newaxis], column[np.newaxis, :]
    gradient: NDArray[np.float64] = tilt_row * y + tilt_column * x + twist * (x * y) + bend * (x * x)
    return gradient


def _mark_wide_pixels() -> NDArray[np.float64]:
    """Return (row, column): 1 where a pixel is wider as two ASICs meet there, 2 where four do, else 0."""
    rows, columns = (_mark_borders(pixels) for pixels in JUNGFRAU.panel_shape)
    return rows[:, np.newaxis] + columns[np.newaxis, :]


def _mark_borders(pixels: int) -> NDArray[np.float64]:
    beside = np.zeros(pixels)
    for border in range(_ASIC_SIDE, pixels, _ASIC_SIDE):
        beside[border - 1 : border + 1] = 1.0
    return beside
