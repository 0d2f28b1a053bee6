"""Read the arrays that a picture shows, and reduce each to its map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from numpy.typing import NDArray

from registry.detectors import DetectorType, Kind
from registry.errors import RequestError
from registry.exporters.assembly import build_assemblies, name_missing_in
from registry.parallel import Progress, map_in_threads
from registry.provenance.document import Resolution
from registry.records import PixelCounts
from registry.store import ContentStore

if TYPE_CHECKING:
    # They import matplotlib, which is not needed for a request that is refused.
    from registry.plots.details import PanelDetail
    from registry.plots.pixels import PanelMap
    from registry.plots.subject import PanelMaps, Subject

SHORT_DIGEST = 12
"""The digits of a SHA-256 in a picture."""


class Part(NamedTuple):
    """An array (row, column) of a panel, by its position."""

    kind: Kind
    gain_range: int
    panel: int
    array: NDArray[Any]


Parts = Callable[[], AbstractContextManager[Iterator[Part]]]
"""Opens the arrays of a picture, to be read one after the other."""


def check_gain_ranges(
    detector: DetectorType, wanted: Sequence[int] | None, default: tuple[int, ...] | None = None
) -> tuple[int, ...]:
    """Return the gain ranges that are wanted, by default all; refuse one that the detector type has not."""
    known = range(detector.gain_ranges)
    for gain_range in wanted or ():
        if gain_range not in known:
            message = f"{detector.name} has no gain range {gain_range}; known: {', '.join(map(str, known))}"
            raise RequestError(message, known=list(known))
    return tuple(sorted(set(wanted))) if wanted else default or tuple(known)


@contextmanager
def read_parts(resolution: Resolution, store: ContentStore, subject: Subject) -> Iterator[Iterator[Part]]:
    """Read the arrays of a resolution, one after the other."""
    assemblies = build_assemblies(resolution, store)

    def read() -> Iterator[Part]:
        for assembly in assemblies:
            for part in assembly.read_parts(subject.gain_ranges):
                yield Part(assembly.kind, part.gain_range, part.panel, part.array.copy())

    with name_missing_in(assemblies, subject.gain_ranges):
        yield read()


def build_maps(
    subject: Subject,
    parts: Parts,
    block_size: int,
    mark_spacing: int,
    progress: Progress,
    *,
    has_details: bool = False,
) -> tuple[dict[tuple[str, int, int], PanelMap], dict[tuple[str, int], PanelDetail]]:
    """Return the maps of the arrays, and their details if they are wanted.

    Every array is reduced at once: those of a large detector do not fit into memory.
    """
    from registry.plots.details import build_detail
    from registry.plots.pixels import build_panel_map

    def reduce(part: Part) -> tuple[tuple[str, int, int], PanelMap, PanelDetail | None]:
        panel_map = build_panel_map(part.array, part.kind, block_size, mark_spacing)
        detail = build_detail(part.array, part.kind, subject.detector.asic_grid) if has_details else None
        return (part.kind.name, part.gain_range, part.panel), panel_map, detail

    maps, details = {}, {}
    total = len(subject.kinds) * len(subject.gain_ranges) * len(subject.panels)
    with parts() as arrays, progress("reading constants", total) as advance:
        for key, panel_map, detail in map_in_threads(reduce, arrays):
            maps[key] = panel_map
            if detail is not None:
                details[key[:2]] = detail
            advance()
    return maps, details


def count_pixels(subject: Subject, maps: PanelMaps) -> tuple[PixelCounts, ...]:
    """Return the counts of dead and odd pixels of every map."""
    return tuple(
        PixelCounts(subject.panels[position].panel, kind, gain_range, map_.dead.count, map_.odd.count)
        for (kind, gain_range, position), map_ in maps.items()
    )
