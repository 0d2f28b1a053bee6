"""Collect what pictures of the difference of two versions show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from registry.api.array_pictures import label_panel
from registry.api.array_questions import resolve_version_pair
from registry.api.backend import Backend
from registry.api.comparison import compare_arrays
from registry.api.panel_maps import check_gain_ranges
from registry.array_changes import subtract_uniform
from registry.detectors import ZeroMeaning
from registry.errors import Remedy, RequestError
from registry.exporters.assembly import build_assemblies, name_missing_in
from registry.lookup.revisions import AsOf
from registry.plots.files import PictureFile
from registry.provenance.document import Resolution
from registry.records import Picture, PixelDifference

if TYPE_CHECKING:
    # It imports matplotlib, which is not needed for a request that is refused.
    from registry.plots.pixels import PixelChange


def draw_difference(
    backend: Backend,
    file: PictureFile,
    before: int,
    after: int,
    as_of: AsOf,
    *,
    relative: bool,
    without_uniform: bool,
    gain_ranges: Sequence[int] | None,
) -> Picture:
    """Draw what changed from one version to another; see `Plots.diff`."""
    facts = backend.answer(resolve_version_pair, before, after, as_of=as_of)
    pair = facts.before, facts.after
    (old,), (new,) = (build_assemblies(resolution, backend.store) for resolution in pair)
    kind, detector = old.kind, old.detector
    if kind.zero is ZeroMeaning.GOOD:
        raise RequestError(
            f"{kind.name} consists of flags, whose changes have no size",
            remedy=Remedy.COUNT_CHANGES,
            before=before,
            after=after,
        )
    wanted = check_gain_ranges(detector, gain_ranges)
    from registry.plots import differences
    from registry.plots.pixels import build_pixel_change

    block_size = differences.choose_block_size(detector)

    def measure(
        gain_range: int, one: NDArray[Any], other: NDArray[Any]
    ) -> tuple[PixelDifference, PixelChange]:
        difference = compare_arrays(gain_range, one, other, detector, kind)
        if without_uniform and difference.change is not None:
            other = subtract_uniform(one, other, kind, difference.change)
        return difference, build_pixel_change(one, other, kind, *block_size, relative=relative)

    with name_missing_in((old, new), wanted):
        changes = tuple(
            measure(one.gain_range, one.array, other.array)
            for one, other in zip(old.read_parts(wanted), new.read_parts(wanted), strict=True)
        )
    before_text, after_text = map(_describe_version, pair)
    title = f"{kind.name}: version {after} against version {before}"
    subject = differences.Subject(
        title=f"{title}, without the uniform part of the change" if without_uniform else title,
        subtitles=(after_text, f"against {before_text}", f"as of revision {facts.revision}"),
        unit=f"% of version {before}" if relative else kind.unit,
        detector=detector,
        changes=changes,
        is_relative=relative,
        is_without_uniform=without_uniform,
    )
    file.write(lambda: differences.draw(subject))
    return Picture(str(file.path), facts.revision)


def _describe_version(resolution: Resolution) -> str:
    panel = resolution.panels[0]
    constants = panel.constants[0]
    return f"version {constants.version}: {label_panel(panel)}, from {constants.valid_from or 'beginning'}"
