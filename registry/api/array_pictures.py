"""Collect what pictures of constants show: resolve the request, read and verify the arrays, and draw them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from registry import detectors
from registry.api.array_questions import resolve_detector, resolve_version_constants
from registry.api.backend import Backend, InstantLike
from registry.api.panel_maps import (
    SHORT_DIGEST,
    Parts,
    build_maps,
    check_gain_ranges,
    count_pixels,
    read_parts,
)
from registry.api.picture_paths import is_version_number
from registry.errors import RequestError
from registry.identifiers import format_count, quote
from registry.lookup.resolution import REQUEST, ArrayRequest
from registry.lookup.revisions import AsOf
from registry.parallel import Progress
from registry.plots.files import PictureFile
from registry.provenance.document import InputPanel, Resolution
from registry.records import Picture

if TYPE_CHECKING:
    # It imports matplotlib, which is not needed for a request that is refused.
    from registry.plots.arrangement import Arrangement
    from registry.plots.subject import PanelMaps, Subject


@dataclass(frozen=True, slots=True)
class _ResolvedConstants:
    """The resolution of the arrays to draw, and the texts of the picture."""

    revision: int
    resolution: Resolution
    title: str
    subtitle: str
    warnings: tuple[str, ...] = ()
    withdrawn: bool = False


@dataclass(frozen=True, slots=True)
class Form:
    """The form in which constants are drawn.

    Attributes
    ----------
    gain_ranges
        None means gain range 0 of a whole detector on one map, and all of panels on maps of their own.
    geometry
        The geometry file by which a detector is assembled.
    each_panel
        Whether each panel of a detector has a map of its own.
    """

    gain_ranges: Sequence[int] | None = None
    geometry: Path | None = None
    each_panel: bool = False


def read_request(
    backend: Backend,
    target: str | int,
    source: str | None,
    at: InstantLike | None,
    types: Sequence[str] | None,
    as_of: AsOf,
) -> ArrayRequest | int:
    """Return the arrays of a detector that are asked for, or the number of a version."""
    if not isinstance(target, int) and not is_version_number(target):
        instant = backend.parse_optional_instant(at, as_of)
        return ArrayRequest(target, source, instant, tuple(types or ()))
    if source is not None or at is not None or types:
        raise RequestError(
            "a version has its own panel, time and kind: a source, an instant or types cannot be given with it",
            version=int(target),
        )
    return int(target)


def draw_constants(
    backend: Backend,
    file: PictureFile,
    request: ArrayRequest | int,
    form: Form,
    as_of: AsOf,
    progress: Progress,
) -> Picture:
    """Draw maps of the panels of a detector, or of a version; see `Plots.constants`."""
    if isinstance(request, int):
        resolved = _resolve_version(backend, request, as_of)
    else:
        resolved = _resolve_detector(backend, request, as_of)
    resolution = resolved.resolution
    file.check_extent(len(resolution.panels))
    from registry.plots import constants

    detector = detectors.find_detector_type(resolution.detector_type)
    is_whole = form.geometry is not None or (len(resolution.panels) > 1 and not form.each_panel)
    subject = constants.Subject(
        title=resolved.title,
        subtitle=resolved.subtitle,
        detector=detector,
        kinds=tuple(detector.find_kind_of_type(name) for name in resolution.types),
        gain_ranges=check_gain_ranges(detector, form.gain_ranges, (0,) if is_whole else None),
        panels=resolution.panels,
        withdrawn=resolved.withdrawn,
    )
    parts = partial(read_parts, resolution, backend.store, subject)
    if is_whole:
        maps = _draw_detector(file, subject, resolution, form.geometry, parts, progress)
    else:
        maps = draw_panels(file, subject, parts, progress)
    return Picture(
        path=str(file.path),
        revision=resolved.revision,
        pixels=count_pixels(subject, maps),
        warnings=resolved.warnings,
    )


def _draw_detector(
    file: PictureFile,
    subject: Subject,
    resolution: Resolution,
    geometry: Path | None,
    parts: Parts,
    progress: Progress,
) -> PanelMaps:
    from registry.plots import detector
    from registry.plots.arrangement import arrange_in_grid

    shape = subject.detector.panel_shape
    if geometry is None:
        arrangement = arrange_in_grid(len(subject.panels), shape)
    else:
        arrangement = _arrange_by_geometry(subject, resolution, geometry)
    scale = detector.choose_scale(arrangement, shape[1])
    maps, _ = build_maps(subject, parts, scale.block_size, scale.mark_spacing, progress)
    file.write(lambda: detector.draw(subject, maps, arrangement, scale.block_size))
    return maps


def _arrange_by_geometry(subject: Subject, resolution: Resolution, path: Path) -> Arrangement:
    """Return the panels where a geometry file has their segments."""
    from registry.geometry import place_panels, read_geometry
    from registry.plots.arrangement import Arrangement

    geometry = read_geometry(path, subject.detector)
    source = resolution.configuration.source if resolution.configuration else None
    segments = resolution.segments
    if segments is None and resolution.precedes_segments:
        segments = detectors.find_default_segments(subject.detector, len(subject.panels), source)
    absent = place_panels(geometry, subject.detector, segments, len(subject.panels), source)
    direction = "down" if geometry.points_down else "up"
    return Arrangement(
        panels=tuple(geometry.segments[number] for number in segments or ()),
        absent=tuple((number, geometry.segments[number]) for number in absent),
        axes=geometry.axes,
        points_down=geometry.points_down,
        note=(
            f"Places: {quote(geometry.name)}, of {geometry.program}, SHA-256 {geometry.sha256[:SHORT_DIGEST]};"
            f" {geometry.axes[0]} to the right and {geometry.axes[1]} {direction}, as {geometry.program} shows it."
            " Panels are projected along z, and no value is interpolated: a dot shows the square of pixels that lies"
            " there."
        ),
    )


def draw_panels(
    file: PictureFile,
    subject: Subject,
    parts: Parts,
    progress: Progress,
) -> PanelMaps:
    """Draw a map for each panel, kind and gain range; of one panel with details beside it."""
    from registry.plots import constants

    block_size, mark_spacing = constants.choose_block_size(subject.detector, len(subject.panels))
    maps, details = build_maps(
        subject, parts, block_size, mark_spacing, progress, has_details=len(subject.panels) == 1
    )
    file.write(lambda: constants.draw(subject, maps, block_size, details))
    return maps


def _resolve_version(backend: Backend, number: int, as_of: AsOf) -> _ResolvedConstants:
    facts = backend.answer(resolve_version_constants, number, as_of=as_of)
    version, resolution = facts.version, facts.resolution
    title = f"Version {number}: {version.kind} of {label_panel(resolution.panels[0])}"
    subtitle = f"as of revision {facts.revision}"
    if version.withdrawn_in is None:
        return _ResolvedConstants(facts.revision, resolution, title, subtitle)
    subtitle += f", withdrawn in revision {version.withdrawn_in}"
    return _ResolvedConstants(facts.revision, resolution, title, subtitle, withdrawn=True)


def _resolve_detector(backend: Backend, request: ArrayRequest, as_of: AsOf) -> _ResolvedConstants:
    facts = backend.answer(
        resolve_detector,
        request.target,
        source=request.source,
        at=request.at,
        types=request.types,
        as_of=as_of,
    )
    resolution = facts.resolution
    panels = resolution.panels
    name = label_panel(panels[0]) if len(panels) == 1 else format_count(len(panels), "panel")
    configuration = resolution.configuration
    detector = f"{request.target}, {configuration.source}" if configuration else f"detector of {name}"
    why = "as asked" if resolution.instant_is == REQUEST else resolution.instant_is
    subtitle = f"{name}, valid at {resolution.instant} ({why}), as of revision {facts.revision}"
    return _ResolvedConstants(
        facts.revision, resolution, f"Constants of {detector}", subtitle, facts.warnings
    )


def label_panel(panel: InputPanel) -> str:
    """Return a panel Id, with its M-number."""
    return f"{panel.panel} ({panel.alias})" if panel.alias else panel.panel
