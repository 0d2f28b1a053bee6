"""Slots: the places along the panel axis of an array that is indexed by segment number.

Such an array is that of a whole detector, of the fewest panels that hold the greatest segment number, as the newer
data system makes it (``jungfrau_segments_tot`` in slac-lcls/lcls2, ``detector/UtilsJungfrau.py``).
"""

from __future__ import annotations

from typing import Any

from registry import detectors
from registry.errors import Remedy, RequestError
from registry.identifiers import format_count
from registry.provenance.document import Document, InputPanel


def find_slots(draft: Document) -> tuple[InputPanel | None, ...]:
    """Return a document's panels by segment number, None where one is absent; refuse if the numbers are not known.

    In a document from before there were segment numbers, the panels stand in their order: so it is replayed.
    """
    resolution = draft.resolution
    if resolution.precedes_segments:
        return resolution.panels
    sizes = _list_whole_sizes(draft)
    if resolution.segments is None:
        raise _unknown_segments_error(draft, sizes)
    panels = dict(zip(resolution.segments, resolution.panels, strict=True))
    size = next((size for size in sizes if size > max(panels, default=0)), 0)
    return tuple(panels.get(number) for number in range(size))


def list_absent_segments(draft: Document) -> list[int]:
    """Return the segment numbers of the slots that no panel has."""
    return [number for number, panel in enumerate(find_slots(draft)) if panel is None]


def _list_whole_sizes(draft: Document) -> tuple[int, ...]:
    detector_type = detectors.find_detector_type(draft.resolution.detector_type)
    configuration = draft.resolution.configuration
    return detectors.list_whole_sizes(detector_type, configuration.source if configuration else None)


def _unknown_segments_error(draft: Document, sizes: tuple[int, ...]) -> RequestError:
    configuration, panels = draft.resolution.configuration, draft.resolution.panels
    values: dict[str, Any] = {"panels": [panel.panel for panel in panels]}
    if configuration is None:
        values["remedy"] = Remedy.CONFIGURE_SEGMENTS
    else:
        values |= {
            "remedy": Remedy.STATE_SEGMENTS,
            "experiment": configuration.experiment,
            "source": configuration.source,
            "first_run": configuration.first_run,
            "last_run": configuration.last_run,
        }
    return RequestError(
        f"the segment numbers of the {format_count(len(panels), 'panel')} are not known, and the format"
        f" {draft.request.format} is indexed by them: a whole {draft.resolution.detector_type} has"
        f" {', '.join(map(str, sizes))} panels",
        **values,
    )
