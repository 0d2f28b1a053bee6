"""Folders of legal constants, quick to make: each seed another content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from registry.detectors.jungfrau import JUNGFRAU

PANELS = ("170505-149520170815-3d00b0", "170505-149520170815-3d00f7", "171113-154920171025-3d00b0")

_TYPICAL_VALUES = {"gain": (41.5, -1.39, -0.11), "offset": (0.01, 300.0, 50.0)}
SMALL_SHAPE = (4, 6)


def set_panel_shape(shape: tuple[int, int]) -> None:
    """Let panels have this shape (row, column) in this process: small ones leave little to do beside the database."""
    object.__setattr__(JUNGFRAU, "panel_shape", shape)


def write_panel_folder(folder: Path, seed: int, kinds: Sequence[str] = ("gain", "offset")) -> Path:
    """Make a folder with one file a kind and gain range, float32 of shape (row, column)."""
    folder.mkdir(parents=True)
    rows, columns = JUNGFRAU.panel_shape
    ramp = np.linspace(0.99, 1.01, rows * columns, dtype=np.float32).reshape(rows, columns)
    for kind in kinds:
        for gain_range, typical in enumerate(_TYPICAL_VALUES[kind]):
            array = ramp * np.float32(typical)
            array[seed % rows, seed // rows] += np.float32(0.125)
            np.save(folder / JUNGFRAU.file_name(kind, gain_range), array)
    return folder
