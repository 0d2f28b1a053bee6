"""How a legacy directory and the registry differ."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from registry.instants import Instant

LinkChange = Literal["new", "retargeted", "changed", "removed", "withdrawn", "superseded", "added"]
"""What happened to a link, or to what the registry states in its place."""


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
