"""The results of planted faults, by kind."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class FaultTally:
    """The result of the faults of one kind.

    Attributes
    ----------
    planted
        Number of faults; only those that change anything.
    without_effect
        Number of bits and pages whose change changes no row, no index and no guard: they lie in unused space; and of
        edits that are not possible, because a check of the schema refuses them.
    detected
        Number of faults that were found, as what they are: the file with its version, the revision and table, the
        guard.
    reads, refused
        Number of reads after the faults, and how many of them were refused.
    unchanged
        Number of reads with the same result as before the fault.
    changed
        Number of reads with another result: those of rows that were edited so.
    """

    kind: str
    database: str
    planted: int = 0
    without_effect: int = 0
    detected: int = 0
    reads: int = 0
    refused: int = 0
    unchanged: int = 0
    changed: int = 0
    problems: list[str] = field(default_factory=list)

    def count_answer(self, answer: str | None, expected: str) -> None:
        """Count a read: None was refused."""
        self.reads += 1
        self.refused += answer is None
        self.unchanged += answer == expected
        self.changed += answer is not None and answer != expected
