"""The detector types, one file each; a new type is a new file and a line in ``TYPES``."""

from __future__ import annotations

from registry.detectors.jungfrau import JUNGFRAU
from registry.detectors.types import DetectorType, Kind, MakersMaps, Zero
from registry.errors import IdentifierError, NotFoundError
from registry.identifiers import PanelId, shown, split_detector_id

__all__ = [
    "TYPES",
    "DetectorType",
    "Kind",
    "MakersMaps",
    "Zero",
    "detector_type",
    "parse_detector_id",
    "type_of_panel",
]

TYPES: dict[str, DetectorType] = {known.name: known for known in (JUNGFRAU,)}


def detector_type(name: str) -> DetectorType:
    """Return the detector type of that name.

    Raises
    ------
    NotFoundError
        This software has no such type; those that it has are named.
    """
    try:
        return TYPES[name]
    except KeyError:
        raise NotFoundError(f"detector type {shown(name)} is not known; known: {', '.join(TYPES)}") from None


def type_of_panel(panel: PanelId) -> DetectorType:  # noqa: ARG001 - one format of Ids so far, one type
    """Return the detector type whose panels have Ids like this one."""
    return JUNGFRAU


def parse_detector_id(text: str) -> list[str]:
    """Return the panel Ids of a detector Id, in segment order, with or without a ``jungfrau_`` before them.

    Raises
    ------
    IdentifierError
        A part is no canonical panel Id, a panel stands in it twice, or a type that is not known before them.
    """
    parts = split_detector_id(text)
    prefix = text.split("_", maxsplit=1)[0]
    if prefix != parts[0] and prefix not in TYPES:
        raise IdentifierError(
            f"{shown(text)} begins with {shown(prefix)}, which is no detector type; known: {', '.join(TYPES)}"
        )
    panels = [str(PanelId.parse(part)) for part in parts]
    for panel in panels:
        if panels.count(panel) > 1:
            raise IdentifierError(
                f"panel {panel} stands more than once in the detector Id; a detector has it once"
            )
    return panels
