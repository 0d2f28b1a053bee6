"""Deployments: the files of an experiment in a calibration directory, and the runs for which they are read."""

from __future__ import annotations

from msgspec import Struct

RunRanges = tuple[tuple[int, int], ...]
"""Ranges of recorded runs, the first and the last run of each."""


class ReadRuns(Struct, frozen=True):
    """Recorded runs for which the analysis framework reads one file, and whether that is the registry's answer.

    Attributes
    ----------
    path
        The file; None if it finds none.
    verdict
        ``right``: the file holds the constants of these runs, or it does not exist and a type is not valid.
        ``rounded``: it holds them rounded. ``wrong``: it holds other constants, or nothing is valid. ``missing``: it
        does not exist. ``unknown``: it cannot be told.
    reason
        What is known beside that: whose constants the file holds, or why nothing is valid.
    """

    experiment: str
    source: str
    type: str
    runs: RunRanges
    path: str | None
    verdict: str
    reason: str = ""


class DeploymentCheck(Struct, frozen=True):
    """For every recorded run of an experiment the file that is read, as of a revision."""

    experiment: str
    folder: str
    revision: int
    runs: tuple[ReadRuns, ...]
    warnings: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        """True if every run is served as the registry answers."""
        return all(row.verdict == "right" for row in self.runs)


class DeployedFile(Struct, frozen=True):
    """A file for a range of runs, ``last_run`` None: no end. ``action`` is ``new``, ``replaced`` or ``unchanged``."""

    source: str
    type: str
    path: str
    first_run: int
    last_run: int | None
    action: str


class LeftOutRuns(Struct, frozen=True):
    """Recorded runs for which no file is deployed, and why, as a clause."""

    source: str
    runs: RunRanges
    reason: str


class Deployment(Struct, frozen=True):
    """All files of an experiment in a calibration directory; ``provenance`` are the documents that were written."""

    experiment: str
    folder: str
    revision: int
    dry_run: bool
    files: tuple[DeployedFile, ...]
    left_out: tuple[LeftOutRuns, ...] = ()
    provenance: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
