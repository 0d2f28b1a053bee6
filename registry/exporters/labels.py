"""The labels of assembled arrays: names of axes, units and attributes, the same in memory and in files.

They follow the CF conventions: ``units`` are texts that UDUNITS reads, in which an ADU is a count; ``unit`` is the unit
as it is written everywhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from registry.detectors import find_detector_type
from registry.provenance import Document
from registry.provenance.document import Output

CONVENTIONS = "CF-1.9"  # the first with unsigned and long integers
AXES = ("gain_range", "panel", "row", "column")

# UDUNITS does not know the ADU, the step of an analog-to-digital converter; that is a count.
_CF_UNITS = {"ADU": "count", "ADU/keV": "count keV-1", "1": "1"}
_LONG_NAMES = {
    "gain": "gain",
    "offset": "offset",
    "pedestals": "pedestal: signal in the dark",
    "rms": "noise: standard deviation of the signal in the dark",
    "status": "status flags",
}
COORDINATE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "gain_range": "gain range",
        "panel": "panel Id",
        "row": "row of pixels in the panel",
        "column": "column of pixels in the panel",
        "alias": "M-number of the panel",
        "segment": "segment number of the panel in the data acquisition",
    }
)
"""By coordinate, its ``long_name``; ``alias`` is empty where a panel has no M-number."""


def describe_array(output: Output) -> dict[str, str]:
    """Return the attributes of an array."""
    units = _CF_UNITS.get(output.unit)
    return {
        "long_name": _LONG_NAMES.get(output.kind, output.kind),
        **({} if units is None else {"units": units}),
        "unit": output.unit,
        "kind": output.kind,
    }


def build_coordinates(document: Document) -> dict[str, tuple[str, list[Any]]]:
    """Return the coordinates: by name, their axis and values; ``segment`` only if the numbers are known."""
    resolution = document.resolution
    detector = find_detector_type(resolution.detector_type)
    rows, columns = detector.panel_shape
    coordinates: dict[str, tuple[str, list[Any]]] = {
        "gain_range": ("gain_range", list(range(detector.gain_ranges))),
        "panel": ("panel", [panel.panel for panel in resolution.panels]),
        "row": ("row", list(range(rows))),
        "column": ("column", list(range(columns))),
        "alias": ("panel", [panel.alias or "" for panel in resolution.panels]),
    }
    if resolution.segments is not None:
        coordinates["segment"] = ("panel", list(resolution.segments))
    return coordinates


def describe_document(document: Document) -> dict[str, str | int]:
    """Return the attributes of a whole set of arrays, without the document, of types that every file format takes."""
    resolution = document.resolution
    attributes: dict[str, str | int] = {
        "Conventions": CONVENTIONS,
        "detector_type": resolution.detector_type,
        "detector_id": resolution.detector_id,
        "instant": resolution.instant,
        "registry": document.registry.id,
        "revision": document.registry.revision,
    }
    if document.registry.head:
        attributes["seal"] = document.registry.head.seal
    if resolution.run:
        attributes |= {"experiment": resolution.run.experiment, "run": resolution.run.run}
    if resolution.configuration:
        attributes["source"] = resolution.configuration.source
    return attributes
