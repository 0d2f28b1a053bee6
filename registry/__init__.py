"""A registry of detector calibration constants, with the provenance of every export.

Start with `open_registry`. Records are described in `registry.records`, errors in `registry.errors`.
"""

from __future__ import annotations

# Not imported from typing: until the program has started, which this would delay, Ctrl-C shows a traceback.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from registry.api import Registry as Registry
    from registry.api import create_registry as create_registry
    from registry.api import open_registry as open_registry
    from registry.api.backups import restore_registry as restore_registry
    from registry.api.copies import copy_registry as copy_registry
    from registry.api.detector_constants import DetectorConstants as DetectorConstants
    from registry.api.detector_constants import LazyConstants as LazyConstants
    from registry.api.export_verification import verify_export as verify_export
    from registry.api.forks import fork_registry as fork_registry
    from registry.api.mirror_rounds import iterate_mirror as iterate_mirror
    from registry.api.mirrors import mirror_registry as mirror_registry
    from registry.api.replays import replay as replay
    from registry.api.status import read_status as read_status
    from registry.api.version_arrays import VersionArrays as VersionArrays
    from registry.exporters.lazy_arrays import LazyArray as LazyArray
    from registry.heads import Head as Head
    from registry.instants import Instant as Instant

# Imported when they are first used: a command that only prints its help needs no database.
_MODULES = {
    "DetectorConstants": "registry.api.detector_constants",
    "Head": "registry.heads",
    "Instant": "registry.instants",
    "LazyArray": "registry.exporters.lazy_arrays",
    "LazyConstants": "registry.api.detector_constants",
    "Registry": "registry.api",
    "VersionArrays": "registry.api.version_arrays",
    "copy_registry": "registry.api.copies",
    "create_registry": "registry.api",
    "fork_registry": "registry.api.forks",
    "iterate_mirror": "registry.api.mirror_rounds",
    "mirror_registry": "registry.api.mirrors",
    "open_registry": "registry.api",
    "read_status": "registry.api.status",
    "replay": "registry.api.replays",
    "restore_registry": "registry.api.backups",
    "verify_export": "registry.api.export_verification",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'registry' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
