"""A detector of many panels with made-up constants, in folders as the field has them, and registered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.baselines import Sources
from benchmarks.places import RegistryFactory, RegistryLocation

START = "2018-01-01T00:00:00Z"
RUN_START = "2018-02-01T00:00:00Z"
_LINK_STAMP = "20180101000000"
# What the field sees; the noise makes every value use all the digits that float32 has.
_TYPICAL_VALUES = {
    ("gain", 0): (41.5, 0.4),
    ("gain", 1): (-1.39, 0.014),
    ("gain", 2): (-0.11, 0.0011),
    ("offset", 0): (0.01, 0.02),
    ("offset", 1): (300.0, 6.0),
    ("offset", 2): (50.0, 2.0),
}
_SHAPE = (512, 1024)


def panel_id(number: int) -> str:
    """Return the Id of a made-up panel."""
    return f"171113-154920171025-{0x3D0000 + number:x}"


def module_name(number: int) -> str:
    """Return the M-number of a made-up module."""
    return f"M{number + 1:03d}"


def write_module(folder: Path, seed: int) -> None:
    """Write the six files of one module, other values for every seed."""
    chance = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for (kind, gain_range), (typical, noise) in _TYPICAL_VALUES.items():
        values = chance.standard_normal(_SHAPE, np.float32)
        np.save(folder / f"g{gain_range}_{kind}.npy", values * np.float32(noise) + np.float32(typical))


@dataclass(frozen=True, slots=True)
class Detector:
    """A tree of modules, and a registry that knows them as detectors of several sizes."""

    tree: Path
    location: RegistryLocation

    def sources(self, panels: int) -> Sources:
        """Return the folders of the first panels."""
        return [str(self.tree / module_name(number)) for number in range(panels)]

    @staticmethod
    def dataset(panels: int) -> str:
        """Return the dataset that the first panels took."""
        return f"exp=bench{panels:03d}:run=1"


def make_detector(ground: RegistryFactory, sizes: tuple[int, ...]) -> Detector:
    """Write the files, register them, and configure a detector of each size."""
    tree = ground.folder / "detector"
    for number in range(max(sizes)):
        write_module(tree / module_name(number), number)
        (tree / f"{panel_id(number)}-{_LINK_STAMP}").symlink_to(module_name(number))
    detector = Detector(tree, ground.make())
    with detector.location.open() as registry:
        registry.import_tree(tree)
        for size in sizes:
            experiment = detector.dataset(size).partition("=")[2].partition(":")[0]
            ids = "_".join(panel_id(number) for number in range(size))
            registry.detectors.configure(experiment, "XcsEndstation.0:Jungfrau.0", ids, first_run=1)
            registry.runs.add(detector.dataset(size), begin=RUN_START)
    return detector
