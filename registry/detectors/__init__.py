"""The detector types, one file each; a new type is a new file and an entry in ``DETECTOR_TYPES``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from registry.detectors.kinds import (
    Condition,
    Kind,
    ZeroMeaning,
    find_base,
    name_kind,
    name_type,
    refuse_conditions,
)
from registry.detectors.known import DETECTOR_TYPES, find_detector_type, find_panel_type, find_source_type
from registry.detectors.segments import (
    complete_segments,
    find_default_segments,
    format_segment_numbers,
    list_whole_sizes,
    parse_segment_numbers,
    refuse_wrong_segments,
)
from registry.detectors.sources import find_source_problem, refuse_wrong_source
from registry.detectors.types import DetectorType, Device, MakerFormat, PanelId, PanelIdFormat
from registry.errors import IdentifierError
from registry.identifiers import quote, split_detector_id

__all__ = [
    "DETECTOR_TYPES",
    "Condition",
    "DetectorType",
    "Device",
    "Kind",
    "MakerFormat",
    "PanelId",
    "PanelIdFormat",
    "ZeroMeaning",
    "complete_segments",
    "describe_serial_numbers_held_twice",
    "find_base",
    "find_default_segments",
    "find_detector_type",
    "find_panel_type",
    "find_source_problem",
    "find_source_type",
    "format_segment_numbers",
    "list_whole_sizes",
    "name_kind",
    "name_type",
    "parse_detector_id",
    "parse_panel_id",
    "parse_segment_numbers",
    "refuse_conditions",
    "refuse_wrong_segments",
    "refuse_wrong_source",
]


def parse_panel_id(text: str) -> PanelId:
    """Read a canonical panel Id of any type; raise `IdentifierError` for other texts."""
    return find_panel_type(text).panel_id_format.parse(text)


def parse_detector_id(text: str) -> list[str]:
    """Return the panel Ids of a detector Id, in segment order; it may begin with the detector type, ``jungfrau_``.

    Raises
    ------
    IdentifierError
        A part is not a canonical panel Id, a panel or its serial number occurs twice, the panels are of several
        types, or the type at its start is not known or not theirs.
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
    twice = describe_serial_numbers_held_twice(panels)
    if twice:
        raise IdentifierError.combine("modules are held twice", twice, panels=panels)
    return panels


def describe_serial_numbers_held_twice(panels: Sequence[str]) -> list[str]:
    """Return a sentence for each pair of panel Ids of one type with the same serial number: they are one module."""
    first: dict[tuple[str, str], str] = {}
    pairs = []
    for panel in panels:
        serial_number = parse_panel_id(panel).serial_number
        other = first.setdefault((find_panel_type(panel).name, serial_number), panel)
        if other != panel:
            pairs.append((other, panel, serial_number))
    return [
        f"{other} and {panel} are one module, of the serial number {serial_number}: a detector holds it once"
        for other, panel, serial_number in pairs
    ]
