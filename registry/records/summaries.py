"""Summaries: all that is known of one run, detector, panel or module, on one screen."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import asdict

from registry.instants import Instant
from registry.records.answers import Identity
from registry.records.exports import RecordedExport
from registry.records.facts import Alias, Configuration, Revision, StoredFile, Tag, Version


class PanelState(Struct, frozen=True):
    """A panel at an instant, with the versions that are valid then.

    Attributes
    ----------
    segment
        Its segment number; None if not known, or outside a detector.
    alias
        The M-number that it bears then.
    missing
        A sentence on each required kind that is not valid, with what is known instead.
    """

    segment: int | None
    panel: str
    alias: str | None
    versions: tuple[Version, ...]
    missing: tuple[str, ...]


class Correction(Struct, frozen=True):
    """The last change of what is valid for a panel and kind at an instant: from one version to another.

    ``after`` is None where nothing is valid any more; a gap is a version without constants.
    """

    revision: int
    recorded_at: Instant
    author: str
    comment: str | None
    panel: str
    alias: str | None
    kind: str
    before: int
    after: int | None


class DetectorState(Struct, frozen=True):
    """A detector at an instant, which is None where the start time of the run is not known.

    Attributes
    ----------
    source, configuration
        Of a run: under which source the panels are read out, and the configuration that says so.
    names
        The short names of the detector.
    corrections
        What was recorded otherwise before, by revision, the newest first.
    """

    source: str | None
    detector_id: str | None
    names: tuple[str, ...]
    instant: Instant | None
    configuration: Configuration | None
    panels: tuple[PanelState, ...]
    corrections: tuple[Correction, ...] = ()
    warnings: tuple[str, ...] = ()


class RunSummary(Struct, frozen=True):
    """A run, its detectors, and its newest recorded exports; ``recorded_in`` is None where it is not registered."""

    experiment: str
    run: int
    begin: Instant | None
    end: Instant | None
    recorded_in: int | None
    detectors: tuple[DetectorState, ...]
    exports: tuple[RecordedExport, ...]


class PanelSummary(Struct, frozen=True):
    """A panel now: its M-numbers, what is valid, and where it was read out last.

    Attributes
    ----------
    version_count
        How many versions are live, by kind.
    configurations
        The newest ones with the panel, at most a few.
    detector_names
        The short names of detectors with the panel.
    """

    panel: str
    detector_type: str
    recorded_in: int
    aliases: tuple[Alias, ...]
    state: PanelState
    version_count: dict[str, int]
    configurations: tuple[Configuration, ...]
    detector_names: tuple[str, ...]


class VersionContents(Struct, frozen=True):
    """A version and its files, in the order of the gain ranges; a gap has none."""

    version: Version
    files: tuple[StoredFile, ...]


class Subject(Struct, frozen=True):
    """The thing that a name stands for, and the field of its category; ``as_of`` is the revision that was asked.

    An M-number has ``panels``, as a panel Id has; a tag has its ``revision`` too.
    """

    category: str
    name: str
    as_of: int
    run: RunSummary | None = None
    detector: DetectorState | None = None
    panels: tuple[PanelSummary, ...] = ()
    version: VersionContents | None = None
    revision: Revision | None = None
    export: RecordedExport | None = None
    tag: Tag | None = None
    identity: Identity | None = None

    def list_fields(self) -> dict[str, object]:
        """Return the fields that it has."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}
