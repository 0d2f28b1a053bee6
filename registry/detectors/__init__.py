"""The detector types, one file each; a new type is a new file and a line in ``DETECTOR_TYPES``."""

from __future__ import annotations

from collections import Counter

from registry.detectors.epix10ka import EPIX10KA
from registry.detectors.jungfrau import JUNGFRAU
from registry.detectors.panel_ids import PanelId, PanelIdFormat
from registry.detectors.types import DetectorType, Kind, MakerFormat, ZeroMeaning
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
    "parse_detector_id",
    "parse_panel_id",
    "type_of_panel",
]

DETECTOR_TYPES: dict[str, DetectorType] = {known.name: known for known in (JUNGFRAU, EPIX10KA)}


def find_detector_type(name: str) -> DetectorType:
    """Return the detector type of that name.

    Raises
    ------
    NotFoundError
        This software has no such type; those that it has are named.
    """
    try:
        return DETECTOR_TYPES[name]
    except KeyError:
        raise NotFoundError(
            f"detector type {quote(name)} is not known; known: {', '.join(DETECTOR_TYPES)}"
        ) from None


def type_of_panel(text: str) -> DetectorType:
    """Return the one detector type that spells its panel Ids like this one.

    Raises
    ------
    IdentifierError
        None does; what each expects is said.
    """
    for known in DETECTOR_TYPES.values():
        if known.panel_id_format.matches(text):
            return known
    expected = ", or ".join(
        f"{known.panel_id_format.description}, as in {known.panel_id_format.example} ({known.name})"
        for known in DETECTOR_TYPES.values()
    )
    raise IdentifierError(f"{quote(text)} is no panel Id: {expected}, are expected")


def parse_panel_id(text: str) -> PanelId:
    """Read the canonical panel Id of a panel of any type.

    Raises
    ------
    IdentifierError
        The text is no panel Id, or is not spelled canonically (then the canonical form is named).
    """
    return type_of_panel(text).panel_id_format.parse(text)


def parse_detector_id(text: str) -> list[str]:
    """Return the panel Ids of a detector Id, in segment order, with or without their type before them, ``jungfrau_``.

    Raises
    ------
    IdentifierError
        A part is no canonical panel Id, a panel stands in it twice, panels are of several types, or a type that
        is not known, or is not theirs, stands before them.
    """
    parts = split_detector_id(text)
    prefix = text.split("_", maxsplit=1)[0]
    prefixed = prefix != parts[0]
    if prefixed and prefix not in DETECTOR_TYPES:
        raise IdentifierError(
            f"{quote(text)} begins with {quote(prefix)}, which is no detector type; known: {', '.join(DETECTOR_TYPES)}"
        )
    panels = [parse_panel_id(part).text for part in parts]
    for panel, count in Counter(panels).items():
        if count > 1:
            raise IdentifierError(
                f"panel {panel} stands more than once in the detector Id; a detector has it once"
            )
    _refuse_other_types(panels, prefix if prefixed else type_of_panel(panels[0]).name)
    return panels


def _refuse_other_types(panels: list[str], wanted: str) -> None:
    for panel in panels:
        found = type_of_panel(panel).name
        if found != wanted:
            raise IdentifierError(
                f"panel {panel} is of {found}, in a detector Id of {wanted}: a detector has panels of one type"
            )
