"""Pictures of arrays: what is asked is resolved, read and verified, and handed to those who draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from registry import detectors
from registry.api.backend import Backend, ReadTransaction
from registry.api.comparison import resolve_comparable_versions
from registry.arrays import compare_pixels
from registry.detectors import DetectorType, Kind, ZeroMeaning
from registry.errors import RequestError
from registry.exporters.assembly import build_assemblies
from registry.lookup import versions
from registry.lookup.resolution import REQUEST, ArrayRequest, resolve, resolve_version
from registry.lookup.revisions import AsOf
from registry.parallel import Progress, map_in_threads
from registry.plots.files import PictureFile
from registry.provenance.document import InputPanel, Resolution
from registry.records import Picture, PixelCounts
from registry.store import ContentStore

if TYPE_CHECKING:
    # matplotlib comes with them: it is imported when all that is asked is known.
    from registry.plots.constants import PanelMaps, Subject


@dataclass(frozen=True, slots=True)
class ConstantsRequest(ArrayRequest):
    """The arrays to draw as of a revision: of a dataset or a detector, or of the version with a number."""

    version: int | None = None
    gain_ranges: Sequence[int] | None = None
    as_of: AsOf = None


@dataclass(frozen=True, slots=True)
class _ResolvedConstants:
    """What is to be drawn, in words and as a resolution."""

    resolution: Resolution
    revision: int
    title: str
    subtitle: str
    withdrawn: bool = False
    warnings: tuple[str, ...] = ()


def draw_constants(
    backend: Backend, request: ConstantsRequest, file: PictureFile, progress: Progress
) -> Picture:
    """Draw a map of each panel, kind and gain range; see `Plots.constants`."""
    with backend.read_transaction(request.as_of) as view:
        found = (
            _resolve_detector(view, request)
            if request.version is None
            else _resolve_version(view, request, request.version)
        )
    from registry.plots import constants

    detector = detectors.find_detector_type(found.resolution.detector_type)
    subject = constants.Subject(
        title=found.title,
        subtitle=found.subtitle,
        detector=detector,
        kinds=tuple(detector.find_kind_of_type(name) for name in found.resolution.types),
        gain_ranges=_check_gain_ranges(detector, request.gain_ranges),
        panels=found.resolution.panels,
        withdrawn=found.withdrawn,
    )
    block, place = constants.block_size(detector, len(subject.panels))
    maps = _build_maps(found.resolution, backend.store, subject, (block, place), progress)
    file.write(lambda: constants.draw(subject, maps, block))
    return Picture(
        path=str(file.path),
        revision=found.revision,
        pixels=tuple(
            PixelCounts(subject.panels[position].panel, kind, gain_range, each.dead.count, each.odd.count)
            for (kind, gain_range, position), each in maps.items()
        ),
        warnings=found.warnings,
    )


def _resolve_version(view: ReadTransaction, request: ConstantsRequest, number: int) -> _ResolvedConstants:
    if request.source is not None or request.at is not None or request.types:
        raise RequestError(
            "a version has its own panel, time and kind: a source, an instant or types cannot be given with it"
        )
    version = versions.find_version(view.connection, number, view.revision)
    resolution = resolve_version(view.connection, version, view.revision)
    withdrawn = f", withdrawn in revision {version.withdrawn_in}" if version.withdrawn_in else ""
    return _ResolvedConstants(
        resolution=resolution,
        revision=view.revision,
        title=f"Version {version.version}: {version.kind} of {_label_panel(resolution.panels[0])}",
        subtitle=f"as of revision {view.revision}{withdrawn}",
        withdrawn=version.withdrawn_in is not None,
    )


def _resolve_detector(view: ReadTransaction, request: ConstantsRequest) -> _ResolvedConstants:
    answer = resolve(view.connection, request, view.revision)
    resolution = answer.resolution
    panels = resolution.panels
    name = _label_panel(panels[0]) if len(panels) == 1 else f"{len(panels)} panels"
    asked = (
        f"{request.target}, {resolution.configuration.source}"
        if resolution.configuration
        else f"detector of {name}"
    )
    why = "as asked" if resolution.instant_is == REQUEST else resolution.instant_is
    return _ResolvedConstants(
        resolution=resolution,
        revision=view.revision,
        title=f"Constants of {asked}",
        subtitle=f"{name}, valid at {resolution.instant} ({why}), as of revision {view.revision}",
        warnings=answer.warnings,
    )


def _label_panel(panel: InputPanel) -> str:
    return f"{panel.panel} ({panel.alias})" if panel.alias else panel.panel


def _check_gain_ranges(detector: DetectorType, wanted: Sequence[int] | None) -> tuple[int, ...]:
    known = range(detector.gain_ranges)
    for gain_range in wanted or ():
        if gain_range not in known:
            raise RequestError(
                f"{detector.name} has no gain range {gain_range}; known: {', '.join(map(str, known))}"
            )
    return tuple(sorted(set(wanted))) if wanted else tuple(known)


def _build_maps(
    resolution: Resolution,
    store: ContentStore,
    subject: Subject,
    block_size: tuple[int, int],
    progress: Progress,
) -> PanelMaps:
    """Read every file, and keep of each what is drawn: whole arrays of a large detector would not fit."""
    from registry.plots.pixels import PanelMap, build_panel_map

    def drawn(part: tuple[Kind, int, int, NDArray[Any]]) -> tuple[tuple[str, int, int], PanelMap]:
        kind, gain_range, panel, array = part
        return (kind.name, gain_range, panel), build_panel_map(array, kind, *block_size)

    def parts() -> Iterator[tuple[Kind, int, int, NDArray[Any]]]:
        for assembly in build_assemblies(resolution, store):
            for part in assembly.read_parts():
                if part.gain_range in subject.gain_ranges:
                    yield assembly.kind, part.gain_range, part.panel, part.array.copy()

    maps = {}
    total = len(subject.kinds) * len(subject.gain_ranges) * len(subject.panels)
    with progress("reading constants", total) as advance:
        for key, found in map_in_threads(drawn, parts()):
            maps[key] = found
            advance()
    return maps


@dataclass(frozen=True, slots=True)
class DifferenceRequest:
    """Two versions, and whether their difference is taken in percent."""

    before: int
    after: int
    relative: bool = False
    gain_ranges: Sequence[int] | None = None
    as_of: AsOf = None


def draw_difference(backend: Backend, request: DifferenceRequest, file: PictureFile) -> Picture:
    """Draw what changed from one version to another; see `Plots.diff`."""
    with backend.read_transaction(request.as_of) as view:
        pair = resolve_comparable_versions(view, request.before, request.after)
        revision = view.revision
    (old,), (new,) = (build_assemblies(each, backend.store) for each in pair)
    kind, detector = old.kind, old.detector
    if kind.zero is ZeroMeaning.GOOD:
        raise RequestError(
            f"{kind.name} is flags, whose changes have no size; calreg version diff counts them"
        )
    wanted = _check_gain_ranges(detector, request.gain_ranges)
    from registry.plots import differences
    from registry.plots.pixels import build_pixel_change

    fineness = differences.block_size(detector)
    changes = tuple(
        (
            compare_pixels(before.gain_range, before.array, after.array),
            build_pixel_change(before.array, after.array, kind, *fineness, relative=request.relative),
        )
        for before, after in zip(old.read_parts(), new.read_parts(), strict=True)
        if before.gain_range in wanted
    )
    subject = differences.Subject(
        title=f"{kind.name}: version {request.after} against version {request.before}",
        subtitles=(
            _describe_version(pair[1]),
            f"against {_describe_version(pair[0])}",
            f"as of revision {revision}",
        ),
        unit=f"% of version {request.before}" if request.relative else kind.unit,
        detector=detector,
        changes=changes,
    )
    file.write(lambda: differences.draw(subject))
    return Picture(str(file.path), revision)


def _describe_version(resolution: Resolution) -> str:
    panel = resolution.panels[0]
    constants = panel.constants[0]
    return f"version {constants.version}: {_label_panel(panel)}, from {constants.valid_from or 'beginning'}"
