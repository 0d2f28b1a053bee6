"""What differs: between two versions, between two revisions for a detector, and for all runs since a revision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from msgspec.structs import replace as replace_struct
from numpy.typing import NDArray

from registry import detectors
from registry.api.backend import Backend, InstantLike, ReadTransaction
from registry.arrays import compare_pixels, parse_array
from registry.errors import NotFoundError, NotValidError, RequestError
from registry.lookup import outcomes, versions
from registry.lookup.resolution import ArrayRequest, resolve, resolve_version
from registry.lookup.revisions import AsOf, find_revision_number
from registry.provenance.document import InputConstants, Resolution
from registry.records import (
    AffectedRun,
    DetectorDifference,
    PanelDifference,
    PixelDifference,
    VersionDifference,
)
from registry.store import name_use_in_errors

_Refusal = NotFoundError | NotValidError


def diff_versions(backend: Backend, before: int, after: int, as_of: AsOf) -> VersionDifference:
    """Return how the pixels of two versions of one kind differ; see `Versions.diff`."""
    with backend.read_transaction(as_of) as view:
        one, other = resolve_comparable_versions(view, before, after)
    old, new = (each.panels[0].constants[0] for each in (one, other))
    panels = (one.panels[0].panel, other.panels[0].panel)
    gain_ranges = _compute_pixel_differences(backend, one.detector_type, panels, (old, new))
    return VersionDifference(old.kind, before, after, gain_ranges)


def resolve_comparable_versions(
    view: ReadTransaction, before: int, after: int
) -> tuple[Resolution, Resolution]:
    """Return the resolutions of two versions, which are of one kind of one detector type.

    Raises
    ------
    NotFoundError
        A version is not known.
    NotValidError
        One is a gap.
    RequestError
        They are of different kinds or types.
    """
    pair = [versions.find_version(view.connection, number, view.revision) for number in (before, after)]
    one, other = (resolve_version(view.connection, version, view.revision) for version in pair)
    if pair[0].kind != pair[1].kind:
        what = f"version {before} is {pair[0].kind}, version {after} is {pair[1].kind}"
    elif one.detector_type != other.detector_type:
        what = f"version {before} is of {one.detector_type}, version {after} of {other.detector_type}"
    else:
        return one, other
    raise RequestError(f"{what}: they do not compare")


def _compute_pixel_differences(
    backend: Backend,
    detector_type: str,
    panels: tuple[str, str],
    constants: tuple[InputConstants, InputConstants],
) -> tuple[PixelDifference, ...]:
    """Return by gain range how constants of one kind differ, of one panel or of two."""
    detector = detectors.find_detector_type(detector_type)
    dtype = detector.find_kind(constants[0].kind).dtype

    def array(panel: str, each: InputConstants, gain_range: int) -> NDArray[Any]:
        file = each.files[gain_range]
        with name_use_in_errors(each.kind, gain_range, panel, each.version):
            content = backend.store.read(file.sha256, file.size)
        return parse_array(content, backend.store.object_path(file.sha256), detector.panel_shape, dtype)

    return tuple(
        compare_pixels(
            gain_range, *(array(*side, gain_range) for side in zip(panels, constants, strict=True))
        )
        for gain_range in range(detector.gain_ranges)
    )


def diff_detector(
    backend: Backend,
    target: str,
    *,
    source: str | None,
    at: InstantLike | None,
    before: AsOf,
    after: AsOf,
) -> DetectorDifference:
    """Return which panels and kinds change between two revisions; see `Registry.diff`."""
    request = ArrayRequest(target, source, backend.parse_optional_instant(at))
    with backend.read_transaction() as view:
        numbers = [find_revision_number(view.connection, each, backend.timezone) for each in (before, after)]
        answers = [_try_resolve(view, request, number) for number in numbers]
        known = next((resolution for resolution, _ in answers if resolution), None)
        others = _resolve_optional_kinds(view, request, numbers, known) if known else []
    (old, before_error), (new, after_error) = answers
    if before_error is not None and after_error is not None:
        raise _both_refused_error(target, numbers, (before_error, after_error))
    return DetectorDifference(
        before=numbers[0],
        after=numbers[1],
        detector_before=old.detector_id if old else None,
        detector_after=new.detector_id if new else None,
        refused_before=None if before_error is None else str(before_error),
        refused_after=None if after_error is None else str(after_error),
        panels=tuple(
            difference
            for one, other in ([(old, new)] if old and new else []) + others
            for difference in _find_panel_differences(backend, one, other)
        ),
    )


def _resolve_optional_kinds(
    view: ReadTransaction, request: ArrayRequest, numbers: Sequence[int], known: Resolution
) -> list[tuple[Resolution, Resolution]]:
    """Return the two answers for every kind that is not required and is whole as of one revision at least."""
    detector = detectors.find_detector_type(known.detector_type)
    pairs = []
    for kind in detector.kinds:
        if not kind.required:
            asked = replace(request, types=(kind.calibration_type,))
            found = [_try_resolve(view, asked, number)[0] for number in numbers]
            if any(found):
                nothing = replace_struct(known, panels=())
                pairs.append((found[0] or nothing, found[1] or nothing))
    return pairs


def _try_resolve(
    view: ReadTransaction, request: ArrayRequest, revision: int
) -> tuple[Resolution | None, _Refusal | None]:
    try:
        return resolve(view.connection, request, revision).resolution, None
    except (NotFoundError, NotValidError) as error:
        return None, error


def _both_refused_error(target: str, numbers: Sequence[int], errors: Sequence[_Refusal]) -> _Refusal:
    """Return the refusal for what has no answer as of either revision; what is not known goes first."""
    kind = NotFoundError if any(isinstance(error, NotFoundError) for error in errors) else NotValidError
    reasons = dict.fromkeys(map(str, errors))
    return kind(
        f"{target} is refused as of both revisions: {'; '.join(reasons)}",
        before=numbers[0],
        after=numbers[1],
    )


def _find_panel_differences(backend: Backend, old: Resolution, new: Resolution) -> list[PanelDifference]:
    before, after = _index_by_panel(old), _index_by_panel(new)
    return [
        _build_panel_difference(backend, new.detector_type, *key, before.get(key), after.get(key))
        for key in dict.fromkeys([*before, *after])
        if key not in before or key not in after or before[key].constants != after[key].constants
    ]


def _index_by_panel(resolution: Resolution) -> dict[tuple[str, str], InputConstants]:
    return {
        (panel.panel, constants.kind): constants
        for panel in resolution.panels
        for constants in panel.constants
    }


def _build_panel_difference(
    backend: Backend,
    detector_type: str,
    panel: str,
    kind: str,
    before: InputConstants | None,
    after: InputConstants | None,
) -> PanelDifference:
    pixels: tuple[PixelDifference, ...] = ()
    if before is not None and after is not None:
        pixels = _compute_pixel_differences(backend, detector_type, (panel, panel), (before, after))
    return PanelDifference(
        panel, kind, before.version if before else None, after.version if after else None, pixels
    )


def find_affected_runs(backend: Backend, since: AsOf, as_of: AsOf) -> list[AffectedRun]:
    """Return the registered runs whose outcome changed since a revision; see `Registry.affected`."""
    with backend.read_transaction(as_of) as view:
        first = find_revision_number(view.connection, since, backend.timezone)
        if first > view.revision:
            raise RequestError(
                f"revision {first} is after revision {view.revision}, as of which is asked",
                since=first,
                as_of=view.revision,
            )
        return outcomes.list_affected_runs(view.connection, first, view.revision)
