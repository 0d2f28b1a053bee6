"""Differences: between two revisions, two versions or two arrays, and between a legacy directory and the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from registry.instants import Instant

if TYPE_CHECKING:
    import pandas as pd

LinkChange = Literal["new", "retargeted", "changed", "removed", "withdrawn", "superseded", "added"]
"""The change of a link, or of the version in the registry that corresponds to it."""


class ChangedConstants(Struct, frozen=True):
    """SHA-256 of a panel's constants of a kind, before and after; None where nothing is valid."""

    panel: str
    kind: str
    before: str | None
    after: str | None


class AffectedRun(Struct, frozen=True):
    """A registered run whose outcome differs between two revisions.

    Attributes
    ----------
    change
        ``changed``, ``now possible`` or ``no longer possible``: the worst that becomes of its arrays.
    kinds
        Of which the array is another one, or possible in one of the revisions only.
    constants
        The differences of its panels in these kinds. Empty where only their order or their segment numbers differ,
        and where the start time or the detector of the run is not known in one of the revisions.
    compared
        The kinds that were compared, concerned or not.
    """

    experiment: str
    run: int
    source: str
    change: str
    constants: tuple[ChangedConstants, ...]
    reason: str = ""
    kinds: tuple[str, ...] = ()
    compared: tuple[str, ...] = ()


class AffectedGroup(Struct, frozen=True):
    """The affected runs of a source of which the same is to be said: see `AffectedRun`.

    ``runs`` are ranges, the first and the last run of each; ``panels`` those whose constants differ, or all of a
    detector that is not known in one of the revisions.
    """

    experiment: str
    source: str
    runs: tuple[tuple[int, int], ...]
    change: str
    kinds: tuple[str, ...]
    panels: tuple[str, ...]
    reason: str


class AffectedRuns(Struct, frozen=True):
    """The runs whose outcome changed from a revision to another; only these kinds were compared.

    ``m_numbers`` has by panel Id the M-number that a panel of the groups bears last.
    """

    since: int
    revision: int
    kinds: tuple[str, ...]
    groups: tuple[AffectedGroup, ...]
    m_numbers: dict[str, str] = {}

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame with one row per group, as of `RecordList.to_pandas`; an `UnavailableError` without pandas."""
        from registry.records.display import build_frame

        return build_frame(AffectedGroup, self.groups)


class AffectedExport(Struct, frozen=True):
    """A recorded export that a change concerns; ``consequence`` tells how."""

    export: int
    consequence: str


class SameConstants(Struct, frozen=True):
    """The live versions of a panel with the same constants as a version that was withdrawn."""

    constants: str
    kind: str
    panel: str
    versions: tuple[int, ...]


class AsicChange(Struct, frozen=True):
    """The change of an ASIC, by its row and column among those of the panel: see `ArrayChange`.

    ``left`` is the median of what the uniform change of the whole panel leaves.
    """

    row: int
    column: int
    compared: int
    shift: float | None = None
    percent: float | None = None
    left: float | None = None
    left_percent: float | None = None
    beyond: int | None = None
    flagged: int | None = None
    cleared: int | None = None
    altered: int | None = None


class ArrayChange(Struct, frozen=True):
    """The change of one array to another, in medians; None where it is not defined.

    Attributes
    ----------
    model
        The uniform part of the change: ``scale``, a factor, for gain and rms; ``shift``, a summand, for offset and
        pedestals; ``flags`` have none.
    unit
        Of the values and their changes.
    compared
        The pixels with a value in both arrays: finite and, where zero means dead, not zero. All else but
        ``only_before`` and ``only_after``, the pixels that have one in one of them, is of these.
    median
        Of the values before.
    shift, percent
        The median of the changes, in the unit and in percent of ``median``; no percent of zero.
    scale
        The median of the ratios, after by before; only in the model ``scale``.
    spread, spread_percent
        The width of what is left after the uniform part: the standard deviation of a normal distribution with the same
        quartiles.
    beyond
        The pixels that the uniform part leaves further than 5 interquartile ranges from the others.
    flagged, cleared, altered
        Of flags: the pixels that have flags only after, only before, and others than before.
    asics
        Row by row.
    """

    model: Literal["scale", "shift", "flags"]
    unit: str
    compared: int
    only_before: int
    only_after: int
    median: float | None = None
    shift: float | None = None
    percent: float | None = None
    scale: float | None = None
    spread: float | None = None
    spread_percent: float | None = None
    beyond: int | None = None
    flagged: int | None = None
    cleared: int | None = None
    altered: int | None = None
    asics: tuple[AsicChange, ...] = ()


class PixelDifference(Struct, frozen=True):
    """The difference of two arrays of one gain range.

    Attributes
    ----------
    count, fraction
        Of the pixels whose values differ; NaN equals NaN.
    maximum, rms
        Of the difference over all pixels that are finite in both, in the unit of the kind.
    nonfinite
        The number of pixels that are not finite in either array.
    change
        In medians, for the panel and by ASIC.
    """

    gain_range: int
    count: int
    fraction: float
    maximum: float
    rms: float
    nonfinite: int = 0
    change: ArrayChange | None = None


class VersionDifference(Struct, frozen=True):
    """The differences of two versions of one kind, by gain range."""

    kind: str
    before: int
    after: int
    gain_ranges: tuple[PixelDifference, ...]


class PanelDifference(Struct, frozen=True):
    """The difference of a panel; a version is None where it had none or was not in the detector."""

    panel: str
    kind: str
    before: int | None
    after: int | None
    gain_ranges: tuple[PixelDifference, ...]


class DetectorDifference(Struct, frozen=True):
    """The difference of a detector's constants between two revisions.

    ``refused_before`` and ``refused_after`` say why a revision has no answer. The segment numbers are those of the
    panels, in their order; None if not known.
    """

    before: int
    after: int
    detector_before: str | None
    detector_after: str | None
    refused_before: str | None
    refused_after: str | None
    panels: tuple[PanelDifference, ...]
    segments_before: tuple[int, ...] | None = None
    segments_after: tuple[int, ...] | None = None


class LinkDifference(Struct, frozen=True):
    """A panel, kind and start of validity on which directory and registry differ.

    Attributes
    ----------
    change
        In the directory: ``new``, ``retargeted`` to another module, ``changed`` files, ``removed``. In the registry:
        ``withdrawn``, ``superseded``, ``added``.
    link
        The entry of the directory, None if there is none, or no longer.
    directory, registry
        SHA-256 of the constants in each; None if there are none, or a gap.
    version
        The number of the version in the registry, or of the last one that was withdrawn.
    """

    change: LinkChange
    link: str | None
    panel: str
    kind: str
    valid_from: Instant
    directory: str | None
    registry: str | None
    version: int | None
    reason: str


class ChoiceDifference(Struct, frozen=True):
    """The different choices of directory and registry for a panel and kind of a run.

    Attributes
    ----------
    link
        The entry that the directory picks.
    directory
        SHA-256 of its constants; None if there are none that can be imported.
    version, registry
        The version valid at the start time of the run, and the SHA-256 of its constants.
    """

    panel: str
    kind: str
    link: str | None
    directory: str | None
    version: int | None
    registry: str | None
    reason: str


class RunDifference(Struct, frozen=True):
    """A registered run for whose detector the directory picks other constants than the registry."""

    experiment: str
    run: int
    source: str
    begin: Instant | None
    choices: tuple[ChoiceDifference, ...]


class TreeComparison(Struct, frozen=True):
    """The comparison of a directory with the registry as of a revision, which records nothing.

    ``compared_links`` and ``compared_runs`` count what was compared (a run once per detector); ``hazards`` are the
    entries of the directory that cannot be imported and were not compared.
    """

    tree: str
    revision: int
    compared_links: int
    compared_runs: int
    links: tuple[LinkDifference, ...]
    runs: tuple[RunDifference, ...]
    hazards: tuple[str, ...]
    notes: tuple[str, ...]
