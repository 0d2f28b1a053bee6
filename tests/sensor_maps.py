"""Versions of simulated sensors, registered as calreg did before it compared maps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from registry import arrays
from registry.api import Registry, version_registration
from registry.detectors.jungfrau import JUNGFRAU
from registry.registration.stated_constants import Comparison
from testing.panels import make_panel_array
from testing.sensors import Conditions, Sensors

_numbers = count(1)
NOISY = Conditions(noise=2.0)


@cache
def measure(sensor: int, seed: int, noise: float = 0.5) -> NDArray[np.float32]:
    """Return a measurement of gain range 0 of a sensor."""
    return _sensors().make(sensor).measure(Conditions(noise=noise), seed)


@cache
def _sensors() -> Sensors:
    return Sensors(17)


def write_gains(folder: Path, values: NDArray[Any], number: int | None = None) -> Path:
    """Write a folder with gain alone, this map in gain range 0; the others of one number are the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    number = next(_numbers) if number is None else number
    np.save(folder / JUNGFRAU.file_name("gain", 0), values)
    for gain_range in (1, 2):
        np.save(folder / JUNGFRAU.file_name("gain", gain_range), make_panel_array("gain", gain_range, number))
    return folder


def add_map(
    registry: Registry,
    folder: Path,
    panel: str,
    values: NDArray[Any],
    start: str = "beginning",
    **options: Any,
) -> int:
    """Register a map of gain range 0 for a panel; return the number of its version."""
    source = write_gains(folder / f"maps-{next(_numbers)}", values)
    outcome = registry.versions.add(panel, source, valid_from=start, kinds=["gain"], **options)
    return outcome.versions[0].version


@contextmanager
def register_as_before(*, with_patterns: bool = True) -> Iterator[None]:
    """Compare nothing with what is recorded, and compute no patterns if so wished, as before calreg did."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(version_registration, "compare_sensors", lambda *_, **__: Comparison())
        if not with_patterns:
            patch.setattr(arrays, "_find_pattern", lambda *_: None)
        yield
