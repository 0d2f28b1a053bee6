"""Folders of made-up modules that were measured again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from registry import sample


def write_measurement(folder: Path, module: str, factor: float | NDArray[np.float64] = 1.0) -> None:
    """Make a folder with another measurement of a module of the sample, in which the gains are `factor` times as high.

    The folder's name is that of the measurement.
    """
    folder.mkdir()
    for name, array in sample.remeasure_arrays(module, folder.name).items():
        np.save(folder / name, (array * factor).astype("<f4") if name.endswith("_gain.npy") else array)
