"""Differences: between two revisions, two versions or two arrays, and between a legacy directory and the registry."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from registry.instants import Instant

LinkChange = Literal["new", "retargeted", "changed", "removed", "withdrawn", "superseded", "added"]
"""What happened to a link, or to what the registry states in its place."""


class ChangedConstants(Struct, frozen=True):
    """What a panel has of a kind, before and after; None: nothing."""

    panel: str
    kind: str
    before: str | None
    after: str | None


class AffectedRun(Struct, frozen=True):
    """A registered run whose outcome differs between two revisions.

    ``change`` is ``changed``, ``now possible`` or ``no longer possible``; ``reason`` says why. ``constants`` is
    what differs, panel by panel: empty where only the order of the panels does, or where its begin or its
    detector was not known before, or is not now.
    """

    experiment: str
    run: int
    source: str
    change: str
    constants: tuple[ChangedConstants, ...]
    reason: str = ""


class PixelDifference(Struct, frozen=True):
    """How two arrays of one gain range differ.

    Attributes
    ----------
    count, fraction
        Of the pixels whose values differ; NaN equals NaN.
    maximum, rms
        Of the difference over all pixels that are finite in both, in the unit of the kind.
    nonfinite
        How many pixels are not, in either: they count as differing, and have no difference.
    """

    gain_range: int
    count: int
    fraction: float
    maximum: float
    rms: float
    nonfinite: int = 0


class VersionDifference(Struct, frozen=True):
    """How the constants of two versions of one kind differ, by gain range."""

    kind: str
    before: int
    after: int
    gain_ranges: tuple[PixelDifference, ...]


class PanelDifference(Struct, frozen=True):
    """How a detector's panel changed; a version is None where the panel had none or did not answer."""

    panel: str
    kind: str
    before: int | None
    after: int | None
    gain_ranges: tuple[PixelDifference, ...]


class DetectorDifference(Struct, frozen=True):
    """How a detector's constants differ between two revisions.

    ``refused_before`` and ``refused_after`` say why there was no answer, if there was none.
    """

    before: int
    after: int
    detector_before: str | None
    detector_after: str | None
    refused_before: str | None
    refused_after: str | None
    panels: tuple[PanelDifference, ...]


class LinkDifference(Struct, frozen=True):
    """A panel, kind and start of which directory and registry state other things.

    Attributes
    ----------
    change
        In the directory: ``new``, ``retargeted`` to another module, ``changed`` files, ``removed``. In the registry:
        ``withdrawn``, ``superseded``, ``added``.
    link
        The entry of the directory, None where there is none (any more).
    directory, registry
        SHA-256 of the constants there and here; None: nothing, or a gap.
    version
        What the registry states, or stated last; None: nothing.
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
    """What directory and registry choose for a panel and kind of a run.

    Attributes
    ----------
    link
        The entry that the directory picks; None: none.
    directory
        SHA-256 of the constants behind it; None: nothing that could be taken.
    version, registry
        What holds at the run's begin, and the SHA-256 of its constants; None: nothing, or a gap.
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
    """A directory held against the registry at a revision; nothing was recorded.

    ``compared_links`` and ``compared_runs`` tell how many there were to compare (runs counted once a detector),
    ``hazards`` what in the directory cannot be taken, and so was not compared.
    """

    tree: str
    revision: int
    compared_links: int
    compared_runs: int
    links: tuple[LinkDifference, ...]
    runs: tuple[RunDifference, ...]
    hazards: tuple[str, ...]
    notes: tuple[str, ...]
