"""The places of panels in a geometry: by segment number, or refused."""

from __future__ import annotations

from collections.abc import Sequence

from registry.detectors import DetectorType, find_default_segments, format_segment_numbers
from registry.errors import RequestError
from registry.geometry.files import Geometry
from registry.identifiers import format_count, quote


def place_panels(
    geometry: Geometry,
    detector: DetectorType,
    segments: Sequence[int] | None,
    panels: int,
    source: str | None = None,
) -> tuple[int, ...]:
    """Return the numbers of the segments of a geometry that have no panel.

    Parameters
    ----------
    segments
        The segment numbers of the detector's panels; None if they are not known.
    panels
        The number of the panels.
    source
        The source that reads them out, if it is known.

    Raises
    ------
    RequestError
        The geometry is that of another detector, or the segment numbers are not known.
    """
    known = format_segment_numbers(tuple(geometry.segments))
    places = f"the geometry {quote(geometry.name)} has places for {format_count(len(geometry.segments), 'segment')}"
    if segments is None:
        raise RequestError(
            f"{places}, {known}, and the segment numbers of the {format_count(panels, 'panel')} are not known",
            segments=list(geometry.segments),
        )
    missing = [number for number in segments if number not in geometry.segments]
    absent = tuple(number for number in geometry.segments if number not in segments)
    is_whole = tuple(segments) == find_default_segments(detector, panels, source)
    if missing or (absent and is_whole):
        raise RequestError(
            f"{places}, {known}, and the detector has {format_count(panels, 'panel')},"
            f" {format_segment_numbers(segments)}: it is that of another detector",
            segments=list(geometry.segments),
        )
    return absent
