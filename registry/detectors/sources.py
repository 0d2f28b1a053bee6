"""Sources held against what they are said to read out: panels, or a configuration object without panel Ids.

A source names a device (``XcsEndstation.0:Jungfrau.0``), and a device is of one detector type. Panel Ids of other
detectors can look like those of a known type, so a source of a type that is not known is never taken.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from registry.detectors.known import find_panel_type, find_source_type
from registry.errors import RequestError
from registry.identifiers import format_count, quote


def find_source_problem(source: str, panels: Collection[str]) -> str | None:
    """Return a sentence on a source that cannot read out these panels; None where it can."""
    try:
        expected = find_source_type(source)
    except RequestError as error:
        return error.message
    for panel in panels:
        detector_type = find_panel_type(panel)
        if detector_type is not expected:
            return (
                f"panel {panel} is of {detector_type.name}, but {quote(source)} is a source of {expected.name}:"
                " a source and its panels are of one detector type"
            )
    most = expected.most_panels(source)
    if len(panels) > most:
        return f"{quote(source)} reads out {format_count(most, 'panel')} at most, not {len(panels)}"
    return None


def refuse_wrong_source(source: str, panels: Collection[str], object_name: str | None = None) -> None:
    """Refuse a source of an unknown detector type, or of another one than its panels or configuration object."""
    if problem := find_source_problem(source, panels):
        raise RequestError(problem, source=source)
    if object_name is None:
        return
    device = find_source_type(source).find_device(source)
    if device.configuration_object is None:
        raise RequestError(
            f"{quote(source)} is a source of the newer data system, which has no configuration objects",
            source=source,
            object_name=object_name,
        )
    if not re.fullmatch(rf"{re.escape(device.configuration_object)}(V[0-9]+)?", object_name, re.ASCII):
        raise RequestError(
            f"{quote(object_name)} is not a configuration object of {quote(source)}:"
            f" {device.configuration_object}V1, V2 ... are expected",
            source=source,
            object_name=object_name,
        )
