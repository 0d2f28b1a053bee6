"""Trees of other systems, made for tests: repositories of darks, with the texts that their tools write."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.detectors import find_panel_type
from testing.panels import make_panel_array

STAMP = "20260316100203"
"""2026-03-16 10:02:03, a local time at the facility."""


def make_dark(kind: str, gain_range: int, seed: int = 0) -> NDArray[Any]:
    """Return an array as darks are written: rounded to three digits after the point."""
    array = make_panel_array(kind, gain_range, seed)
    return array if array.dtype.kind == "u" else np.round(array.astype(np.float64), 3).astype(np.float32)


def write_text(path: Path, array: NDArray[Any], digits: int = 3) -> Path:
    """Write the text of an array as the dark processing does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, array, fmt="%d" if array.dtype.kind == "u" else f"%.{digits}f")
    return path


def write_lcls2_darks(
    root: Path,
    panel: str,
    stamp: str = STAMP,
    kinds: Iterable[str] = ("pedestals", "rms", "status"),
    seed: int = 0,
    run: int = 66,
    segment: int = 0,
) -> list[Path]:
    """Write one dark of a Jungfrau panel as the newer system's repository has it; return its files."""
    detector = find_panel_type(panel)
    files = []
    for kind in kinds:
        ctype = detector.find_kind(kind).calibration_type
        for gain_range in range(detector.gain_ranges):
            name = f"jungfrau_000003-s{segment:02}-{stamp}-mfx101332224-r{run:04}-{ctype}-g{gain_range}.data"
            path = root / detector.name / panel / ctype / name
            files.append(write_text(path, make_dark(kind, gain_range, seed)))
    return files


NORMAL = {0: "Normal", 1: "ForcedGain1", 2: "ForcedGain2"}


def write_lcls1_darks(
    root: Path,
    panel: str,
    stamp: str = STAMP,
    kinds: Iterable[str] = ("pedestals", "rms", "status"),
    modes: Mapping[int, str] = NORMAL,
    seed: int = 0,
) -> list[Path]:
    """Write one dark of a Jungfrau panel as the older system's repository has it; return its files."""
    files = []
    for kind in kinds:
        for gain_range, mode in modes.items():
            name = f"jungfrau_0001_{stamp}_cxilu9218_r0238_{kind}_gm{gain_range}-{mode}.dat"
            array = make_dark({"dark_min": "status", "dark_max": "status"}.get(kind, kind), gain_range, seed)
            files.append(write_text(root / "panels" / panel / kind / name, array))
    return files
