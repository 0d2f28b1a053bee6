"""Panel Ids, and folders of valid constants that are quick to write: other values for each seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.detectors import DETECTOR_TYPES
from registry.detectors.jungfrau import JUNGFRAU

PANEL_A = "170505-149520170815-3d00b0"
PANEL_B = "170505-149520170815-3d00f7"
NEW_A = "171113-154920171025-3d00b0"  # PANEL_A after its firmware upgrade
PANEL_C = "171113-154920171025-3d00fb"
PANELS = (PANEL_A, PANEL_B, NEW_A)
SOURCE = "XcsEndstation.0:Jungfrau.0"

SMALL_SHAPE = (4, 6)
SHORT_NAME = "jungfrau_000003"
TYPICAL_VALUES = {
    "gain": (41.5, -1.39, -0.11),
    "offset": (0.01, 300.0, 50.0),
    "pedestals": (2446.0, 13584.0, 14100.0),
    "rms": (10.0, 10.0, 10.0),
    "min": (2400.0, 13500.0, 14000.0),
    "max": (2500.0, 13600.0, 14200.0),
}
_NOISE = np.float32(0.01)  # of the typical value


def name_detector(form: str) -> dict[str, Any]:
    """Return the options of an export in a format that names the detector as the newer data system does."""
    return {"short_name": SHORT_NAME} if form == "lcls2" else {}


@contextmanager
def use_panel_shape(shape: tuple[int, int]) -> Iterator[None]:
    """Let panels of every type have this shape (row, column), in this process."""
    shapes = [(detector_type, detector_type.panel_shape) for detector_type in DETECTOR_TYPES.values()]
    for detector_type, _ in shapes:
        object.__setattr__(detector_type, "panel_shape", shape)
    try:
        yield
    finally:
        for detector_type, former in shapes:
            object.__setattr__(detector_type, "panel_shape", former)


def use_small_panels() -> AbstractContextManager[None]:
    """Let panels have 4 x 6 pixels, where the size of the arrays is not the point."""
    return use_panel_shape(SMALL_SHAPE)


def make_panel_array(kind: str, gain_range: int, seed: int = 0) -> NDArray[Any]:
    """Return a valid Jungfrau array (row, column): a ramp about the typical value, with one pixel set by the seed."""
    rows, columns = JUNGFRAU.panel_shape
    pixel = seed % rows, seed // rows % columns
    steps = 1 + seed // (rows * columns)
    kind = kind.partition("/")[0]
    if kind == "mask":
        mask = np.ones((rows, columns), np.uint8)
        mask[pixel] = 0
        return mask
    if kind in {"status", "status_extra"}:
        flags = np.zeros((rows, columns), np.uint64)
        flags[pixel] = steps << gain_range
        return flags
    array = _make_ramp()[:rows, :columns] * np.float32(TYPICAL_VALUES[kind][gain_range])
    array[pixel] += np.float32(0.125 * steps)
    return array.astype(JUNGFRAU.find_kind(kind).dtype)


@cache
def _make_ramp() -> NDArray[np.float32]:
    return np.linspace(0.99, 1.01, 512 * 1024, dtype=np.float32).reshape(512, 1024)


def make_noisy_array(kind: str, gain_range: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return an array (row, column) whose values use all the digits that float32 has, as measured ones do."""
    noise = rng.standard_normal(JUNGFRAU.panel_shape, np.float32)
    return (1 + noise * _NOISE) * np.float32(TYPICAL_VALUES[kind][gain_range])


def write_panel_folder(
    folder: Path, seed: int = 0, kinds: Iterable[str] = ("gain", "offset"), *, noisy: bool = False
) -> Path:
    """Write a folder with one file per kind and gain range, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for kind in kinds:
        for gain_range in range(JUNGFRAU.gain_ranges):
            array = (
                make_noisy_array(kind, gain_range, rng) if noisy else make_panel_array(kind, gain_range, seed)
            )
            np.save(folder / JUNGFRAU.file_name(kind, gain_range), array)
    return folder
