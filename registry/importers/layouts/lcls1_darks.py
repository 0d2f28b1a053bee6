"""The repository of darks of the older data system: a text for each panel, kind and gain mode.

``panels/<panel Id>/<kind>/jungfrau_<number>_<YYYYMMDDHHMMSS>_<experiment>_r<run>_<kind>_gm<index>-<mode>.dat`` for
Jungfrau (lcls-psana/Detector, ``UtilsJungfrauCalib.py``), ``epix10ka_..._<kind>_<mode>.dat`` for ePix10ka
(``UtilsEpix10kaCalib.py``). The stamp is the start of the run in local time: ``tstamps_run_and_now`` of
``UtilsCalib.py`` makes it by ``time.localtime``.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from registry.detectors import DetectorType, Kind
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

_EXAMPLE = "jungfrau_0001_20201201085333_cxilu9218_r0238_pedestals_gm0-Normal.dat"
_NAME = re.compile(
    r"(?P<run>[a-z0-9]+_[0-9]+_(?P<stamp>[0-9]+)_[a-z0-9]+_r[0-9]{4,6}_)(?P<type>[a-z_]+)_"
    r"(?P<mode>gm[0-9]-[A-Za-z0-9]+|[A-Z]{2,3}(?:-[A-Z])?)\.dat",
    re.ASCII,
)
_KINDS = {"pedestals": "pedestals", "rms": "rms", "status": "status", "dark_min": "min", "dark_max": "max"}
"""The kinds by their folders. ``gain`` and ``offset`` hold what charge injection measured, which is not deployed."""

_GAIN_RANGES = {
    "Normal": 0,
    "HighGain0": 0,
    "FixedGain1": 1,
    "ForcedGain1": 1,
    "FixedGain2": 2,
    "ForcedGain2": 2,
}
_CONDITIONS: dict[str, tuple[str | None, ...]] = {
    "Normal": (None, "fixed"),
    "HighGain0": ("hg0",),
    "FixedGain1": ("fixed",),
    "ForcedGain1": (None, "hg0"),
    "FixedGain2": ("fixed",),
    "ForcedGain2": (None, "hg0"),
}
"""The conditions of operation that a gain mode belongs to, None for the usual one."""
_PLACES = ("", "panels", "jungfrau/panels", "epix10k/panels", "epix10ka/panels")


def find_entries(root: Path, context: Context) -> LayoutTree:
    """Read the repository in a folder: ``panels``, or that which holds it."""
    content = start_tree(root)
    repository = PanelRepository(content, context, _RULE)
    list_folder(root, "a repository of darks")
    for folder in _list_panel_folders(root):
        repository.read_panels(folder)
    return refuse_empty_tree(
        repository.build_entries(_list_absent), f"panels/<panel Id>/pedestals/{_EXAMPLE} is expected"
    )


def _list_panel_folders(root: Path) -> Iterator[Path]:
    """Yield the folders of panels, in the tree or the tree itself."""
    places = [root / place for place in _PLACES[1:] if (root / place).is_dir()]
    yield from places or [root]


def _find_kind(detector: DetectorType, folder: str) -> Kind | None:
    return next((kind for kind in detector.kinds if kind.name == _KINDS.get(folder)), None)


def _find_gain_range(detector: DetectorType, mode: str) -> int:
    if detector is EPIX10KA:
        if mode not in GAIN_MODES:
            raise RequestError(
                f"{quote(mode)} is not a gain mode of {detector.name}: {', '.join(GAIN_MODES)}"
            )
        return GAIN_MODES.index(mode)
    index, _, name = mode.partition("-")
    if name not in _GAIN_RANGES:
        raise RequestError(f"{quote(name)} is not a gain mode of {detector.name}: {', '.join(_GAIN_RANGES)}")
    if index != f"gm{_GAIN_RANGES[name]}":
        raise RequestError(f"{index} is not the index of {name}, which is gm{_GAIN_RANGES[name]}")
    return _GAIN_RANGES[name]


def _list_conditions(detector: DetectorType, modes: Sequence[str]) -> tuple[str | None, ...]:
    """Return the conditions of which darks with these modes can be; all of every mode where they contradict."""
    if detector is EPIX10KA:
        return (None,)
    names = [name for mode in modes if (name := mode.partition("-")[2]) in _CONDITIONS]
    of_modes = [_CONDITIONS[name] for name in names or _CONDITIONS]
    common = [condition for condition in of_modes[0] if all(condition in others for others in of_modes)]
    return tuple(common or dict.fromkeys(itertools.chain.from_iterable(of_modes)))


def _list_absent(detector: DetectorType, kind: str) -> tuple[int, ...]:
    """Return the gain ranges of which the dark processing of a detector type makes only pedestals."""
    return (5, 6) if detector is EPIX10KA and kind != "pedestals" else ()


_RULE = FileRule(
    ".dat", _NAME, _EXAMPLE, _find_kind, lambda _, folder: folder, _find_gain_range, _list_conditions
)
