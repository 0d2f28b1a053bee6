"""The detector that a provenance document states: refused where its parts contradict each other."""

from __future__ import annotations

from msgspec import UNSET

from registry import detectors
from registry.errors import DocumentError, RequestError
from registry.identifiers import join_detector_id, quote
from registry.provenance import Document
from registry.provenance.document import Resolution


def refuse_contradictory_detector(document: Document) -> None:
    """Refuse a detector Id, positions, segment numbers or a source that do not agree with the panels."""
    resolution = document.resolution
    if resolution.detector_id != join_detector_id([panel.panel for panel in resolution.panels]):
        raise DocumentError("its detector Id is not that of its panels", part="detector_id")
    if [panel.position for panel in resolution.panels] != list(range(len(resolution.panels))):
        raise DocumentError("the positions of its panels are not 0, 1, 2 ...", part="position")
    _refuse_wrong_segments(resolution)
    parts = (resolution.configuration, document.deployment)
    for source in {part.source for part in parts if part is not None}:
        if detectors.find_source_type(source).name != resolution.detector_type:
            raise DocumentError(
                f"its source {quote(source)} is not one of {quote(resolution.detector_type)}", part="source"
            )


def _refuse_wrong_segments(resolution: Resolution) -> None:
    """Refuse segment numbers of some panels only, and those that no configuration can state."""
    stated = [panel.segment for panel in resolution.panels]
    numbers = [number for number in stated if isinstance(number, int)]
    if not numbers and len({number is UNSET for number in stated}) <= 1:
        return
    try:
        detector_type = detectors.find_detector_type(resolution.detector_type)
        detectors.refuse_wrong_segments(numbers, len(stated), detector_type)
    except RequestError as error:
        raise DocumentError(f"its segment numbers cannot be: {error}", part="segment") from None
