"""Collect what pictures of arrays show: resolve the request, read and verify the arrays, and draw them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from registry import detectors
from registry.api.backend import Backend, ReadTransaction
from registry.detectors import DetectorType, Kind
from registry.errors import RequestError
from registry.exporters.assembly import build_assemblies, name_missing_in
from registry.identifiers import format_count
from registry.lookup import versions
from registry.lookup.resolution import REQUEST, ArrayRequest, resolve, resolve_version
from registry.lookup.revisions import AsOf
from registry.parallel import Progress, map_in_threads
from registry.plots.files import PictureFile
from registry.provenance.document import InputPanel, Resolution
from registry.records import Picture, PixelCounts
from registry.store import ContentStore

if TYPE_CHECKING:
    # It imports matplotlib, which is not needed for a request that is refused.
    from registry.plots.constants import PanelMaps, Subject


@dataclass(frozen=True, slots=True)
class _ResolvedConstants:
    """The resolution of the arrays to draw, and the texts of the picture."""

    resolution: Resolution
    title: str
    subtitle: str
    warnings: tuple[str, ...] = ()
    withdrawn: bool = False


def draw_constants(
    backend: Backend,
    file: PictureFile,
    request: ArrayRequest | int,
    gain_ranges: Sequence[int] | None,
    as_of: AsOf,
    progress: Progress,
) -> Picture:
    """Draw a map of each panel, kind and gain range; see `Plots.constants`."""
    with backend.read_transaction(as_of) as view:
        resolved = (
            _resolve_version(view, request) if isinstance(request, int) else _resolve_detector(view, request)
        )
    resolution = resolved.resolution
    from registry.plots import constants

    detector = detectors.find_detector_type(resolution.detector_type)
    subject = constants.Subject(
        title=resolved.title,
        subtitle=resolved.subtitle,
        detector=detector,
        kinds=tuple(detector.find_kind_of_type(name) for name in resolution.types),
        gain_ranges=check_gain_ranges(detector, gain_ranges),
        panels=resolution.panels,
        withdrawn=resolved.withdrawn,
    )
    block_size, mark_spacing = constants.choose_block_size(detector, len(subject.panels))
    maps = _build_maps(resolution, backend.store, subject, (block_size, mark_spacing), progress)
    file.write(lambda: constants.draw(subject, maps, block_size))
    return Picture(
        path=str(file.path),
        revision=view.revision,
        pixels=tuple(
            PixelCounts(subject.panels[position].panel, kind, gain_range, map_.dead.count, map_.odd.count)
            for (kind, gain_range, position), map_ in maps.items()
        ),
        warnings=resolved.warnings,
    )


def _resolve_version(view: ReadTransaction, number: int) -> _ResolvedConstants:
    version = versions.find_version(view.connection, number, view.revision)
    resolution = resolve_version(view.connection, version, view.revision)
    title = f"Version {number}: {version.kind} of {label_panel(resolution.panels[0])}"
    subtitle = f"as of revision {view.revision}"
    if version.withdrawn_in is None:
        return _ResolvedConstants(resolution, title, subtitle)
    subtitle += f", withdrawn in revision {version.withdrawn_in}"
    return _ResolvedConstants(resolution, title, subtitle, withdrawn=True)


def _resolve_detector(view: ReadTransaction, request: ArrayRequest) -> _ResolvedConstants:
    answer = resolve(view.connection, request, view.revision)
    resolution = answer.resolution
    panels = resolution.panels
    name = label_panel(panels[0]) if len(panels) == 1 else format_count(len(panels), "panel")
    configuration = resolution.configuration
    detector = f"{request.target}, {configuration.source}" if configuration else f"detector of {name}"
    why = "as asked" if resolution.instant_is == REQUEST else resolution.instant_is
    subtitle = f"{name}, valid at {resolution.instant} ({why}), as of revision {view.revision}"
    return _ResolvedConstants(resolution, f"Constants of {detector}", subtitle, answer.warnings)


def label_panel(panel: InputPanel) -> str:
    """Return the panel Id with its M-number."""
    return f"{panel.panel} ({panel.alias})" if panel.alias else panel.panel


def check_gain_ranges(detector: DetectorType, wanted: Sequence[int] | None) -> tuple[int, ...]:
    """Return the wanted gain ranges in their order, by default all; refuse unknown ones."""
    known = range(detector.gain_ranges)
    for gain_range in wanted or ():
        if gain_range not in known:
            message = f"{detector.name} has no gain range {gain_range}; known: {', '.join(map(str, known))}"
            raise RequestError(message, known=list(known))
    return tuple(sorted(set(wanted))) if wanted else tuple(known)


def _build_maps(
    resolution: Resolution,
    store: ContentStore,
    subject: Subject,
    block_size: tuple[int, int],
    progress: Progress,
) -> PanelMaps:
    """Read every array and reduce it to its map at once: those of a large detector do not fit into memory."""
    from registry.plots.pixels import PanelMap, build_panel_map

    def reduce(part: tuple[Kind, int, int, NDArray[Any]]) -> tuple[tuple[str, int, int], PanelMap]:
        kind, gain_range, panel, array = part
        return (kind.name, gain_range, panel), build_panel_map(array, kind, *block_size)

    def read_parts() -> Iterator[tuple[Kind, int, int, NDArray[Any]]]:
        for assembly in assemblies:
            for part in assembly.read_parts(subject.gain_ranges):
                yield assembly.kind, part.gain_range, part.panel, part.array.copy()

    maps, assemblies = {}, build_assemblies(resolution, store)
    total = len(subject.kinds) * len(subject.gain_ranges) * len(subject.panels)
    with (
        name_missing_in(assemblies, subject.gain_ranges),
        progress("reading constants", total) as advance,
    ):
        for key, panel_map in map_in_threads(reduce, read_parts()):
            maps[key] = panel_map
            advance()
    return maps
