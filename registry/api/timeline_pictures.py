"""Collect what pictures over time show: the validity ranges of versions, and how their medians changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from registry import detectors
from registry.api.backend import Backend
from registry.api.comparison import read_panel_array
from registry.api.timeline_questions import find_history_facts, find_validity_facts
from registry.detectors import DetectorType
from registry.exporters.missing_inputs import Input, name_missing_inputs
from registry.identifiers import format_count
from registry.instants import Instant
from registry.lookup.revisions import AsOf
from registry.parallel import Progress, map_in_threads
from registry.plots.files import PictureFile
from registry.records import FileUse, Picture, StoredFile, Version
from registry.store import ContentStore

_MAX_BANDS = 5  # panels whose bands of spread can be told apart
_MAX_SPREAD_FILES = 1000  # reading them for the bands of spread takes a few seconds


def draw_validity(
    backend: Backend,
    file: PictureFile,
    target: str,
    source: str | None,
    kinds: Sequence[str] | None,
    at: Instant | None,
    as_of: AsOf,
) -> Picture:
    """Draw validity ranges and runs; see `Plots.validity`."""
    facts = backend.answer(find_validity_facts, target, source=source, kinds=kinds, as_of=as_of)
    runs = sum(len(strip.starts) for strip in facts.runs)
    file.check_extent(len(facts.panels), len(facts.versions) + runs)
    from registry.plots import validity

    detector = detectors.find_detector_type(facts.panels[0].detector_type)
    order = {kind.name: position for position, kind in enumerate(detector.kinds)}
    notes = []
    if facts.without_start:
        count = format_count(facts.without_start, "registered run")
        notes.append(f"{count} of these panels: start time not known, so not drawn.")
    subject = validity.Subject(
        title=f"Validity of {facts.subject}",
        subtitle=f"as of revision {facts.revision}",
        panels=facts.panels,
        versions=tuple(sorted(facts.versions, key=lambda version: order[version.kind])),
        runs=tuple(validity.RunStrip(strip.name, strip.starts) for strip in facts.runs),
        run=None if facts.run is None else (facts.run.name, facts.run.begin),
        segments=facts.segments,
        reference=_name_reference(at, facts.revision, facts.recorded_at),
        notes=tuple(notes),
    )
    file.write(lambda: validity.draw(subject))
    return Picture(str(file.path), facts.revision)


def _name_reference(
    at: Instant | None, revision: int, recorded_at: Instant | None
) -> tuple[str, Instant] | None:
    """Return the instant of the line through all rows: the requested one, else that of the revision, not today's."""
    if at is not None:
        return str(at).removesuffix("T00:00:00Z"), at
    if recorded_at is None:
        return None
    return f"revision {revision}, {str(recorded_at)[:10]}", recorded_at


def draw_trend(
    backend: Backend,
    file: PictureFile,
    name: str,
    source: str | None,
    kinds: Sequence[str] | None,
    as_of: AsOf,
    progress: Progress,
    *,
    in_units: bool,
    in_percent: bool,
) -> Picture:
    """Draw the median of every version over time; see `Plots.history`."""
    facts = backend.answer(find_history_facts, name, source=source, kinds=kinds, as_of=as_of)
    file.check_extent(len(facts.panels), len(facts.versions))
    detector = detectors.find_detector_type(facts.panels[0].detector_type)
    panels, ranges = facts.panels, facts.versions
    files = {entry.version: entry.files for entry in facts.files}
    from registry.plots import trend

    are_many = len(panels) > _MAX_BANDS
    spreads = {} if are_many else _compute_spreads(backend.store, ranges, files, detector, progress)
    no_bands = (
        ""
        if are_many or spreads or not files
        else f"No bands of spread: more than {_MAX_SPREAD_FILES} files."
    )
    subject = trend.Subject(
        title=f"History of {facts.subject}",
        subtitle=f"as of revision {facts.revision}",
        detector=detector,
        kinds=tuple(map(detector.find_kind, facts.kinds)),
        panels=panels,
        versions=ranges,
        medians={number: [file.statistics.median for file in parts] for number, parts in files.items()},
        spreads=spreads,
        notes=(no_bands,) if no_bands else (),
        in_units=in_units,
        in_percent=in_percent,
    )
    file.write(lambda: trend.draw(subject))
    return Picture(str(file.path), facts.revision)


_Spread = tuple[float, ...] | None


def _compute_spreads(
    store: ContentStore,
    ranges: Sequence[Version],
    files: Mapping[int, Sequence[StoredFile]],
    detector: DetectorType,
    progress: Progress,
) -> dict[int, list[_Spread]]:
    """Return by version and gain range the percentiles of its values; a file of several versions is read once."""
    from registry.plots.pixels import find_spread

    uses = {file.sha256: (file, version) for version in ranges for file in files.get(version.version, ())}
    if len(uses) > _MAX_SPREAD_FILES:
        return {}

    def compute(use: tuple[StoredFile, Version]) -> _Spread:
        file, version = use
        array = read_panel_array(store, detector, version.kind, version.panel, version.version, file)
        return find_spread(array, detector.find_kind(version.kind))

    def list_inputs() -> Iterator[Input]:
        for version in ranges:
            for file in files.get(version.version, ()):
                use = FileUse(version.kind, file.gain_range, version.panel, version.version)
                yield file.sha256, file.size, use

    spreads = {}
    with name_missing_inputs(store, list_inputs), progress("reading constants", len(uses)) as advance:
        for sha256, spread in zip(uses, map_in_threads(compute, uses.values()), strict=True):
            spreads[sha256] = spread
            advance()
    return {number: [spreads[file.sha256] for file in parts] for number, parts in files.items()}
