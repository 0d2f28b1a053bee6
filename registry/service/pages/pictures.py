"""The pictures that pages show: their URLs, as of the revision of the page."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote, urlencode

from msgspec import Struct

from registry import detectors
from registry.api.drawings import MAX_PANELS
from registry.detectors.kinds import Kind
from registry.instants import BEGINNING, Instant
from registry.records import DetectorState, Version


class PagePicture(Struct, frozen=True):
    """A picture: its title, and its URL below that of all pictures of the revision."""

    title: str
    path: str


class DetectorPictures(Struct, frozen=True):
    """The pictures of what a detector gets: when its panels' versions hold, and maps of each array."""

    timeline: PagePicture
    maps: tuple[PagePicture, ...]


def list_detector_pictures(
    detector: DetectorState, *, run: str | None = None, recorded_at: Instant | None = None
) -> DetectorPictures | None:
    """Return the pictures of a detector as a run gets it, or as it is now; None where there are none.

    `recorded_at` is the instant of the page's revision, for a detector as it is now.
    """
    panels, target = detector.panels, run or detector.detector_id
    if not panels or target is None or detector.instant is None or len(panels) > MAX_PANELS:
        return None
    source = {} if run is None or detector.source is None else {"source": detector.source}
    timeline = PagePicture("When which version holds", _build_path("validity", target, source))
    versions = [version for panel in panels for version in panel.versions]
    instant = {} if recorded_at is None else {"at": str(_find_lasting_instant(versions, recorded_at))}
    maps = []
    for kind in _list_common_kinds(detector):
        words = {**source, **instant, "type": kind.calibration_type}
        maps.append(PagePicture(f"Maps of {kind.calibration_type}", _build_path("constants", target, words)))
    return DetectorPictures(timeline, tuple(maps))


def name_trend(panel: str) -> PagePicture:
    """Return the picture of the medians of a panel's versions over time."""
    return PagePicture("The medians of its versions over time", _build_path("history", panel, {}))


def name_difference(version: Version, ranges: Sequence[Version]) -> PagePicture | None:
    """Return the picture of what changed with a version; None where the range before it has no constants.

    `ranges` are the versions of its panel and kind that hold for a time.
    """
    before = next((other for other in ranges if other.valid_to == version.valid_from), None)
    is_held = any(other.version == version.version for other in ranges)
    if not is_held or version.constants is None or before is None or before.constants is None:
        return None
    path = _build_path("diff", f"{before.version}/{version.version}", {})
    return PagePicture(f"What changed from version {before.version}", path)


def _list_common_kinds(detector: DetectorState) -> list[Kind]:
    """Return the kinds of which every panel has constants: an array is assembled from all panels, or not at all."""
    held = [{version.kind for version in panel.versions if not version.is_gap} for panel in detector.panels]
    detector_type = detectors.find_panel_type(detector.panels[0].panel)
    return [kind for kind in detector_type.kinds if all(kind.name in kinds for kinds in held)]


def _find_lasting_instant(versions: Sequence[Version], recorded_at: Instant) -> Instant:
    """Return an instant at which versions that hold now hold, too, and which is the same when time has gone on."""
    return max([recorded_at, *(v.valid_from for v in versions if v.valid_from != BEGINNING)])


def _build_path(picture: str, name: str, words: dict[str, str]) -> str:
    query = urlencode(words, safe=":")
    return f"/{picture}/{quote(name, safe='=:,+/')}.png{'?' if query else ''}{query}"
