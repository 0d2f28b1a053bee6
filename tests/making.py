"""What tests are made of: panel Ids, and folders of real-sized arrays that are quick to make."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from registry import detectors

PANEL_A = "170505-149520170815-3d00b0"
PANEL_B = "170505-149520170815-3d00f7"
NEW_A = "171113-154920171025-3d00b0"  # PANEL_A after its firmware upgrade
PANEL_C = "171113-154920171025-3d00fb"

TYPICAL_VALUES = {
    "gain": (41.5, -1.39, -0.11),
    "offset": (0.01, 300.0, 50.0),
    "pedestals": (2446.0, 13584.0, 14100.0),
    "rms": (10.0, 10.0, 10.0),
}
_RAMP = np.linspace(0.99, 1.01, 512 * 1024, dtype=np.float32).reshape(512, 1024)


def make_panel_array(kind: str, gain_range: int, seed: int = 0) -> NDArray[Any]:
    """Return a legal array (row, column), another one for each seed."""
    if kind == "status":
        return make_status_array(gain_range, seed)
    array = _RAMP * np.float32(TYPICAL_VALUES[kind][gain_range])
    array[seed % 512, seed // 512] += np.float32(0.125)
    return array


def make_status_array(gain_range: int, seed: int = 0) -> NDArray[np.uint64]:
    """Return flags of a panel (row, column): one pixel has a flag, another one for each seed and gain range."""
    array = np.zeros((512, 1024), np.uint64)
    array[seed % 512, seed // 512] = 1 << gain_range
    return array


def write_panel_folder(folder: Path, seed: int = 0, kinds: Iterable[str] = ("gain", "offset")) -> Path:
    """Make a folder with the files of these kinds, another content for each seed."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        for gain_range in range(3):
            np.save(folder / f"g{gain_range}_{kind}.npy", make_panel_array(kind, gain_range, seed))
    return folder


def use_small_panels(patch: pytest.MonkeyPatch) -> None:
    """Let every panel have 4 x 6 pixels: texts of whole exports are read in no time."""
    for name, known in list(detectors.DETECTOR_TYPES.items()):
        patch.setitem(detectors.DETECTOR_TYPES, name, dataclasses.replace(known, panel_shape=(4, 6)))


def write_small_panel_folder(folder: Path, seed: int = 0, kinds: Iterable[str] = ("gain", "offset")) -> Path:
    """Make a folder with the files of such a panel."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds:
        for gain_range in range(3):
            array = make_panel_array(kind, gain_range, seed)[:4, :6] * np.float32(1 + seed / 1000)
            np.save(folder / f"g{gain_range}_{kind}.npy", array.astype(make_panel_array(kind, 0).dtype))
    return folder
