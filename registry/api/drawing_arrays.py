"""Pictures of arrays: what is asked is resolved, read and verified, and handed to those who draw."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from registry import detectors
from registry.api.backend import At, Backend, View
from registry.api.comparing import comparable
from registry.arrays import pixel_difference
from registry.detectors import DetectorType, Kind, Zero
from registry.errors import RequestError
from registry.exporters.assembly import assemblies
from registry.lookup import versions
from registry.lookup.resolution import REQUEST, Question, resolution_of, resolve
from registry.lookup.revisions import AsOf
from registry.plots.files import PictureFile
from registry.progress import Progress
from registry.provenance.document import InputPanel, Resolution
from registry.records.pictures import CountedPixels, Picture
from registry.store import ContentStore
from registry.threads import in_threads

if TYPE_CHECKING:
    # matplotlib comes with them: it is imported when all that is asked is known.
    from registry.plots.constants import Maps, Subject


@dataclass(frozen=True, slots=True)
class ConstantsRequest:
    """What is asked, as it was given: ``target`` is a version's number, or a dataset or detector Id."""

    target: str | int
    source: str | None = None
    at: At | None = None
    types: Sequence[str] | None = None
    gain_ranges: Sequence[int] | None = None
    as_of: AsOf = None


@dataclass(frozen=True, slots=True)
class _Found:
    """What is to be drawn, in words and as a resolution."""

    resolution: Resolution
    revision: int
    title: str
    said: str
    withdrawn: bool = False
    warnings: tuple[str, ...] = ()


def draw_constants(
    backend: Backend, request: ConstantsRequest, file: PictureFile, progress: Progress
) -> Picture:
    """Draw a map of each panel, kind and gain range; see `Plots.constants`."""
    with backend.view(request.as_of) as view:
        found = (
            _version(view, request)
            if isinstance(request.target, int)
            else _detector(backend, view, request, request.target)
        )
    from registry.plots import constants

    detector = detectors.detector_type(found.resolution.detector_type)
    subject = constants.Subject(
        title=found.title,
        said=found.said,
        detector=detector,
        kinds=tuple(detector.kind_of_type(name) for name in found.resolution.types),
        gain_ranges=_gain_ranges(detector, request.gain_ranges),
        panels=found.resolution.panels,
        withdrawn=found.withdrawn,
    )
    block, place = constants.fineness(detector, len(subject.panels))
    maps = _maps(found.resolution, backend.store, subject, (block, place), progress)
    file.write(lambda: constants.draw(subject, maps, block))
    return Picture(
        path=str(file.path),
        revision=found.revision,
        pixels=tuple(
            CountedPixels(subject.panels[position].panel, kind, gain_range, each.dead.count, each.odd.count)
            for (kind, gain_range, position), each in maps.items()
        ),
        warnings=found.warnings,
    )


def _version(view: View, request: ConstantsRequest) -> _Found:
    if request.source is not None or request.at is not None or request.types:
        raise RequestError(
            "a version has its own panel, time and kind: no --source, --at or --type goes with it"
        )
    version = versions.find_version(view.connection, int(request.target), view.revision)
    resolution = resolution_of(view.connection, version, view.revision)
    withdrawn = f", withdrawn in revision {version.withdrawn_in}" if version.withdrawn_in else ""
    return _Found(
        resolution=resolution,
        revision=view.revision,
        title=f"Version {version.version}: {version.kind} of {_named(resolution.panels[0])}",
        said=f"as of revision {view.revision}{withdrawn}",
        withdrawn=version.withdrawn_in is not None,
    )


def _detector(backend: Backend, view: View, request: ConstantsRequest, target: str) -> _Found:
    question = Question(
        target,
        request.source,
        None if request.at is None else backend.instant(request.at),
        tuple(request.types) if request.types else None,
    )
    answer = resolve(view.connection, question, view.revision)
    resolution = answer.resolution
    panels = resolution.panels
    name = _named(panels[0]) if len(panels) == 1 else f"{len(panels)} panels"
    asked = (
        f"{target}, {resolution.configuration.source}" if resolution.configuration else f"detector of {name}"
    )
    why = "as asked" if resolution.instant_is == REQUEST else resolution.instant_is
    return _Found(
        resolution=resolution,
        revision=view.revision,
        title=f"Constants of {asked}",
        said=f"{name}, valid at {resolution.instant} ({why}), as of revision {view.revision}",
        warnings=answer.warnings,
    )


def _named(panel: InputPanel) -> str:
    return f"{panel.panel} ({panel.alias})" if panel.alias else panel.panel


def _gain_ranges(detector: DetectorType, wanted: Sequence[int] | None) -> tuple[int, ...]:
    known = range(detector.gain_ranges)
    for gain_range in wanted or ():
        if gain_range not in known:
            raise RequestError(
                f"{detector.name} has no gain range {gain_range}; known: {', '.join(map(str, known))}"
            )
    return tuple(sorted(set(wanted))) if wanted else tuple(known)


def _maps(
    resolution: Resolution,
    store: ContentStore,
    subject: Subject,
    fineness: tuple[int, int],
    progress: Progress,
) -> Maps:
    """Read every file, and keep of each what is drawn: whole arrays of a large detector would not fit."""
    from registry.plots.pixels import PanelMap, panel_map

    def drawn(part: tuple[Kind, int, int, NDArray[Any]]) -> tuple[tuple[str, int, int], PanelMap]:
        kind, gain_range, panel, array = part
        return (kind.name, gain_range, panel), panel_map(array, kind, *fineness)

    def parts() -> Iterator[tuple[Kind, int, int, NDArray[Any]]]:
        for assembly in assemblies(resolution, store):
            for part in assembly.parts():
                if part.gain_range in subject.gain_ranges:
                    yield assembly.kind, part.gain_range, part.panel, part.array.copy()

    maps = {}
    total = len(subject.kinds) * len(subject.gain_ranges) * len(subject.panels)
    with progress("reading constants", total) as advance:
        for key, found in in_threads(drawn, parts()):
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
    with backend.view(request.as_of) as view:
        pair = comparable(view, request.before, request.after)
        revision = view.revision
    (old,), (new,) = (assemblies(each, backend.store) for each in pair)
    kind, detector = old.kind, old.detector
    if kind.zero is Zero.GOOD:
        raise RequestError(
            f"{kind.name} is flags, whose changes have no size; calreg version diff counts them"
        )
    wanted = _gain_ranges(detector, request.gain_ranges)
    from registry.plots import differences
    from registry.plots.pixels import change_map

    fineness = differences.fineness(detector)
    changes = tuple(
        (
            pixel_difference(before.gain_range, before.array, after.array),
            change_map(before.array, after.array, kind, *fineness, relative=request.relative),
        )
        for before, after in zip(old.parts(), new.parts(), strict=True)
        if before.gain_range in wanted
    )
    subject = differences.Subject(
        title=f"{kind.name}: version {request.after} against version {request.before}",
        said=(_stated(pair[1]), f"against {_stated(pair[0])}", f"as of revision {revision}"),
        unit=f"% of version {request.before}" if request.relative else kind.unit,
        detector=detector,
        changes=changes,
    )
    file.write(lambda: differences.draw(subject))
    return Picture(str(file.path), revision)


def _stated(resolution: Resolution) -> str:
    panel = resolution.panels[0]
    constants = panel.constants[0]
    return f"version {constants.version}: {_named(panel)}, from {constants.valid_from or 'beginning'}"
