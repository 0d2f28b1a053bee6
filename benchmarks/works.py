"""The calls of calreg that are measured, one function each, so that a separate process can make them, too."""

from __future__ import annotations

from pathlib import Path

from registry.api import Registry
from registry.api.detector_constants import DetectorConstants
from registry.records import Export, Outcome, Validity, Verification


def export(registry: Registry, target: str, folder: str, form: str = "npy") -> Export:
    """Write both arrays and their provenance."""
    return registry.export(target, Path(folder) / "out", format=form)


def constants(registry: Registry, target: str) -> DetectorConstants:
    """Return both arrays in memory, verified."""
    return registry.constants(target)


def register(registry: Registry, panel: str, folder: str, valid_from: str) -> Outcome:
    """Register a version of six files."""
    return registry.versions.add(panel, folder, valid_from=valid_from)


def import_tree(registry: Registry, tree: str) -> Outcome:
    """Import a directory of links."""
    return registry.import_tree(tree)


def validity(registry: Registry, target: str) -> Validity:
    """Return every validity range."""
    return registry.validity(target)


def read_log(registry: Registry) -> int:
    """Read the whole log, and return the number of its lines."""
    return sum(len(revision.changes) for revision in registry.iterate_log())


def read_versions(registry: Registry) -> int:
    """Read all versions, withdrawn ones too, and return their number."""
    return sum(1 for _ in registry.versions.iterate(withdrawn=True))


def verify(registry: Registry) -> Verification:
    """Compare every file and row with what was recorded."""
    return registry.verify()
