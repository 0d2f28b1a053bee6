"""The detector types, one file each; a new type is a new file and a line in ``DETECTOR_TYPES``."""

from __future__ import annotations

from collections import Counter

from registry.detectors.epix10ka import EPIX10KA
from registry.detectors.jungfrau import JUNGFRAU
from registry.detectors.kinds import Kind, ZeroMeaning
from registry.detectors.types import DetectorType, MakerFormat, PanelId, PanelIdFormat
from registry.errors import IdentifierError, NotFoundError
from registry.identifiers import quote, split_detector_id

__all__ = [
    "DETECTOR_TYPES",
    "DetectorType",
    "Kind",
    "MakerFormat",
    "PanelId",
    "PanelIdFormat",
    "ZeroMeaning",
    "find_detector_type",
    "find_panel_type",
    "parse_detector_id",
    "parse_panel_id",
]

DETECTOR_TYPES: dict[str, DetectorType] = {known.name: known for known in (JUNGFRAU, EPIX10KA)}


def find_detector_type(name: str) -> DetectorType:
    """Return the detector type of that name; raise `NotFoundError` where this software has no such type."""
    try:
        return DETECTOR_TYPES[name]
    except KeyError:
        raise NotFoundError(
            f"detector type {quote(name)} is not known; known: {', '.join(DETECTOR_TYPES)}"
        ) from None


def find_panel_type(text: str) -> DetectorType:
    """Return the detector type that a panel Id, well formed or not, belongs to.

    Raises
    ------
    IdentifierError
        It is that of no type, or of several.
    """
    owners = [known for known in DETECTOR_TYPES.values() if known.panel_id_format.owns(text)]
    if len(owners) == 1:
        return owners[0]
    if owners:
        names = [owner.name for owner in owners]
        raise IdentifierError(
            f"{quote(text)} is a panel Id of several detector types: {', '.join(names)}", detector_types=names
        )
    expected = ", or ".join(
        f"{known.panel_id_format.description}, as in {known.panel_id_format.example} ({known.name})"
        for known in DETECTOR_TYPES.values()
    )
    raise IdentifierError(f"{quote(text)} is not a panel Id: {expected}, are expected")


def parse_panel_id(text: str) -> PanelId:
    """Read a canonical panel Id of any type; raise `IdentifierError` for other texts."""
    return find_panel_type(text).panel_id_format.parse(text)


def parse_detector_id(text: str) -> list[str]:
    """Return the panel Ids of a detector Id, in segment order; it may begin with the detector type, ``jungfrau_``.

    Raises
    ------
    IdentifierError
        A part is not a canonical panel Id, a panel occurs twice, the panels are of several types, or the type at
        its start is not known or not theirs.
    """
    parts = split_detector_id(text)
    prefix = text.split("_", maxsplit=1)[0]
    prefixed = prefix != parts[0]
    if prefixed and prefix not in DETECTOR_TYPES:
        raise IdentifierError(
            f"{quote(text)} begins with {quote(prefix)}, which is not a detector type;"
            f" known: {', '.join(DETECTOR_TYPES)}"
        )
    panels = [parse_panel_id(part).text for part in parts]
    for panel, count in Counter(panels).items():
        if count > 1:
            raise IdentifierError(f"panel {panel} occurs more than once in the detector Id", panel=panel)
    expected = prefix if prefixed else find_panel_type(panels[0]).name
    for panel in panels:
        detector_type = find_panel_type(panel).name
        if detector_type != expected:
            raise IdentifierError(
                f"panel {panel} is of {detector_type}, in a detector Id of {expected}:"
                " a detector has panels of one type",
                panel=panel,
                detector_types=[detector_type, expected],
            )
    return panels
