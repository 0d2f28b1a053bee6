"""The effect of an import, and what it left out; the effect of a delivery, and what was matched to what."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from registry.instants import Instant
from registry.records.answers import Outcome

SkipCause = Literal["bad", "conflict", "mix-up", "withdrawn"]
"""The cause of leaving an entry out.

It cannot be imported; it contradicts what is recorded; its files are another module's; it was withdrawn.
"""


class SkippedEntry(Struct, frozen=True):
    """An entry of a directory that was left out, and one reason why; an entry with several reasons has several."""

    entry: str
    cause: SkipCause
    reason: str


class OpenStart(Struct, frozen=True):
    """A start of validity that was left out, and over which older constants stay valid.

    Attributes
    ----------
    entry, cause, reason
        The entry that was left out, and why.
    valid_from
        The start; None where the entry does not say it in a form that can be read. It is never the beginning.
    version, since, constants
        What stays valid: the number of the version, its start, and the SHA-256 of its constants. Without
        ``valid_from`` it is not known: ``version`` and ``constants`` are None.
    """

    entry: str
    cause: SkipCause
    reason: str
    panel: str
    kind: str
    valid_from: Instant | None
    version: int | None
    since: Instant | None
    constants: str | None

    @property
    def accepts_gap(self) -> bool:
        """True where the start is known, and nobody has decided about it before: an import may record a gap there."""
        return self.valid_from is not None and self.cause != "withdrawn"


class ImportOutcome(Outcome, frozen=True):
    """The effect of an import; ``skipped`` and ``open_starts`` tell what it left out, and what that leaves open."""

    skipped: tuple[SkippedEntry, ...] = ()
    open_starts: tuple[OpenStart, ...] = ()


class DeliveryMatch(Struct, frozen=True):
    """A folder or a file of a delivery, by its path there, and a panel whose constants it holds."""

    path: str
    panel: str
    alias: str | None
    kinds: tuple[str, ...]


class DeliveryOutcome(Outcome, frozen=True):
    """The effect of the registration of a delivery; ``matches`` tell what was taken for which panel."""

    matches: tuple[DeliveryMatch, ...] = ()
