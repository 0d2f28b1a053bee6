"""The detector types that this software knows, found by name, panel Id and source."""

from __future__ import annotations

from registry.detectors.epix10ka import EPIX10KA
from registry.detectors.jungfrau import JUNGFRAU
from registry.detectors.newer_names import is_short_name
from registry.detectors.types import DetectorType
from registry.errors import IdentifierError, NotFoundError, RequestError
from registry.identifiers import get_device_name, is_newer_source, quote

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


def find_source_type(source: str) -> DetectorType:
    """Return the detector type that a source names; refuse a source of a type that is not known."""
    for known in DETECTOR_TYPES.values():
        if known.has_source(source) and not is_short_name(source, known.name):
            return known
    if any(is_short_name(source, known) for known in DETECTOR_TYPES):
        raise RequestError(
            f"{quote(source)} is a short name of the newer data system's database; a source is the name of the detector"
            " in the data, as jungfrau",
            source=source,
        )
    devices = [
        device.name
        for known in DETECTOR_TYPES.values()
        for device in (*known.devices, *(known.newer_devices if is_newer_source(source) else ()))
    ]
    raise RequestError(
        f"{quote(source)} is a source of {quote(get_device_name(source))}, a detector type that is not known;"
        f" known: {', '.join(devices)}",
        source=source,
        known=devices,
    )
