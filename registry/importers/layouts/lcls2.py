"""The repository of the newer data system: a text for each panel, kind and gain range.

``<detector type>/<panel Id>/<type>/<short name>-s<segment>-<YYYYMMDDHHMMSS>-<experiment>-r<run>-<type>-<mode>.data``
in ``calib2/constants`` (slac-lcls/lcls2, ``detector/RepoManager.py``, ``UtilsCalibRepo.py``). The stamp is the start of
the run in local time: ``tstamps_run_and_now`` of ``detector/UtilsCalib.py`` makes it by ``time.localtime``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from registry.detectors import DETECTOR_TYPES, DetectorType, Kind
from registry.detectors.epix10ka import EPIX10KA, GAIN_MODES
from registry.errors import RequestError
from registry.files import list_folder
from registry.identifiers import quote
from registry.importers.layouts.contents import Context, LayoutTree
from registry.importers.layouts.panel_repositories import (
    FileRule,
    PanelRepository,
    refuse_empty_tree,
    start_tree,
)

HAS_LOCAL_TIMES = True
NEEDS_EXPERIMENT = False

_EXAMPLE = "jungfrau_000003-s00-20260316100203-mfx101332224-r0066-pedestals-g0.data"
_NAME = re.compile(
    r"(?P<run>[^-]+-s[0-9]{2,3}-(?P<stamp>[0-9]+)-[a-z0-9]+-r[0-9]{4,6}-)(?P<type>[a-z_]+)-(?P<mode>[^.]+)\.data",
    re.ASCII,
)
_PLACES = ("", "constants", "calib2/constants")


def find_entries(root: Path, context: Context) -> LayoutTree:
    """Read the repository in a folder: ``calib2``, ``constants``, or that of a detector type."""
    content = start_tree(root)
    repository = PanelRepository(content, context, _RULE)
    list_folder(root, "a repository of constants")
    for folder, detector in _list_type_folders(root):
        repository.read_panels(folder, detector)
    return refuse_empty_tree(
        repository.build_entries(_list_absent), f"jungfrau/<panel Id>/pedestals/{_EXAMPLE} is expected"
    )


def _list_type_folders(root: Path) -> Iterator[tuple[Path, DetectorType]]:
    """Yield the folders of detector types, in the tree or the tree itself."""
    if root.resolve().name in DETECTOR_TYPES:
        yield root, DETECTOR_TYPES[root.resolve().name]
        return
    for place in _PLACES:
        for detector in DETECTOR_TYPES.values():
            if (folder := root / place / detector.name).is_dir():
                yield folder, detector


def _find_kind(detector: DetectorType, folder: str) -> Kind | None:
    # The darks of ePix10ka are in folders of short names, their files have the long ones.
    matches = (kind for kind in detector.kinds if folder in (kind.calibration_type, kind.name))
    return next(matches, None)


def _find_type(detector: DetectorType, folder: str) -> str:
    kind = _find_kind(detector, folder)
    return kind.calibration_type if kind else folder


def _find_gain_range(detector: DetectorType, mode: str) -> int:
    modes = GAIN_MODES if detector is EPIX10KA else [f"g{number}" for number in range(detector.gain_ranges)]
    if mode.replace("_", "-") not in modes:
        raise RequestError(f"{quote(mode)} is not a gain range of {detector.name}: {', '.join(modes)}")
    return list(modes).index(mode.replace("_", "-"))


def _list_absent(detector: DetectorType, kind: str) -> tuple[int, ...]:
    """Return the gain ranges of which the dark processing of a detector type makes only pedestals."""
    return (5, 6) if detector is EPIX10KA and kind != "pedestals" else ()


_RULE = FileRule(".data", _NAME, _EXAMPLE, _find_kind, _find_type, _find_gain_range)
