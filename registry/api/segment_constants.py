"""Arrays in memory that are indexed by segment number, as a job of the newer data system reads them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from registry import detectors
from registry.api.exports import ExportRequest, draft_document
from registry.api.questions import MEMORY
from registry.api.registry import Registry
from registry.authorship import build_signature
from registry.cache import find_cache
from registry.errors import ConflictError, RequestError
from registry.exporters.assembly import build_assemblies
from registry.exporters.shared_arrays import find_verification, read_shared_arrays
from registry.identifiers import format_count, quote
from registry.lookup.revisions import AsOf
from registry.provenance import Document
from registry.provenance.document import InputPanel, Resolution


@dataclass(frozen=True, slots=True)
class ReadOut:
    """A detector as a run reads it out, which its data tell: panel Ids in order, and their segment numbers."""

    panels: tuple[str, ...]
    segments: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SegmentConstants:
    """Arrays by calibration type, (gain range, segment, row, column), zeros for absent segments; and their document."""

    arrays: Mapping[str, NDArray[Any]]
    document: Document
    warnings: tuple[str, ...]


def share_segment_constants(
    registry: Registry,
    dataset: str,
    source: str,
    read_out: ReadOut,
    types: Sequence[str],
    *,
    slots: int | None = None,
    as_of: AsOf = None,
    verify: str = "always",
) -> SegmentConstants:
    """Return the constants of a run, which the processes of this machine share.

    Panels or segment numbers that are not those of the data are refused.

    Parameters
    ----------
    slots
        The number of segments of the arrays that these stand beside; by default that of the smallest whole detector.
    verify
        As for `Registry.constants`.
    """
    backend = registry._backend  # noqa: SLF001 - of this package
    verification = find_verification(verify)
    drafted = draft_document(
        backend, ExportRequest(dataset, source, None, tuple(types), as_of, MEMORY), None, build_signature()
    )
    document = drafted.document
    places = find_places(document.resolution, read_out, slots)
    assemblies = build_assemblies(document.resolution, backend.store, drafted.blake3s, places)
    arrays, problem = read_shared_arrays(assemblies, find_cache(), verification)
    notes = [] if problem is None else [f"the arrays are not shared with other processes: {problem}"]
    return SegmentConstants(arrays, document, (*document.warnings, *drafted.warnings, *notes))


def find_places(
    resolution: Resolution, read_out: ReadOut, slots: int | None
) -> tuple[InputPanel | None, ...]:
    """Return the panels of a resolution by segment number, None where one is absent."""
    _refuse_other_detector(resolution, read_out)
    last = max(read_out.segments)
    if slots is None:
        sizes = detectors.list_whole_sizes(detectors.find_detector_type(resolution.detector_type))
        slots = next((size for size in sizes if size > last), 0)
    if last >= slots:
        raise ConflictError(
            f"segment {last} is read out, and arrays of {format_count(slots, 'segment')} have no place for it",
            segment=last,
            segments=slots,
        )
    panels = dict(zip(read_out.segments, resolution.panels, strict=True))
    return tuple(panels.get(number) for number in range(slots))


def _refuse_other_detector(resolution: Resolution, read_out: ReadOut) -> None:
    """Refuse panels or segment numbers that are not those of the data."""
    configured = tuple(panel.panel for panel in resolution.panels)
    if configured != read_out.panels:
        others = [
            panel
            for panel in (*configured, *read_out.panels)
            if (panel in configured) != (panel in read_out.panels)
        ]
        named = f", {quote(others[0])} among them" if others else ", in another order"
        raise ConflictError(
            "the panels in the data are not those that the registry has for this run and source"
            f" ({len(read_out.panels)} and {len(configured)}{named}): record what was read out",
            panels=list(read_out.panels),
            configured=list(configured),
        )
    if len(read_out.segments) != len(read_out.panels) or list(read_out.segments) != sorted(
        set(read_out.segments)
    ):
        raise RequestError(
            f"{list(read_out.segments)} are not the segment numbers of {format_count(len(read_out.panels), 'panel')}",
            segments=list(read_out.segments),
        )
    if resolution.segments not in (None, read_out.segments):
        raise ConflictError(
            f"the segment numbers in the data are {detectors.format_segment_numbers(read_out.segments)},"
            f" and the registry has {detectors.format_segment_numbers(resolution.segments or ())}",
            segments=list(read_out.segments),
        )
