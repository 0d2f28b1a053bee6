"""A detector of many panels with made-up constants, in a legacy directory and in a registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.baselines import Sources
from testing.panels import SOURCE, write_panel_folder
from testing.registries import RegistryFactory, RegistryLocation

START = "2018-01-01T00:00:00Z"
RUN_START = "2018-02-01T00:00:00Z"
_LINK_STAMP = "20180101000000"


def panel_id(number: int) -> str:
    """Return the Id of a made-up panel."""
    return f"171113-154920171025-{0x3D0000 + number:x}"


def module_name(number: int) -> str:
    """Return the M-number of a made-up module."""
    return f"M{number + 1:03d}"


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
        """Return the dataset of the detector that consists of the first panels."""
        return f"exp=bench{panels:03d}:run=1"


def make_detector(factory: RegistryFactory, sizes: tuple[int, ...], dialect: str = "sqlite") -> Detector:
    """Write the files, register them, and configure a detector of each size."""
    tree = factory.folder / "detector"
    if not tree.exists():
        _write_tree(tree, max(sizes))
    detector = Detector(tree, factory.make(dialect))
    with detector.location.open() as registry:
        registry.import_tree(tree)
        for size in sizes:
            experiment = detector.dataset(size).partition("=")[2].partition(":")[0]
            ids = "_".join(panel_id(number) for number in range(size))
            registry.detectors.configure(experiment, SOURCE, ids, first_run=1)
            registry.runs.add(detector.dataset(size), begin=RUN_START)
    return detector


def _write_tree(tree: Path, panels: int) -> None:
    for number in range(panels):
        write_panel_folder(tree / module_name(number), number, noisy=True)
        (tree / f"{panel_id(number)}-{_LINK_STAMP}").symlink_to(module_name(number))
