"""Recorded exports."""

from __future__ import annotations

from msgspec import Struct

from registry.identifiers import format_run_range
from registry.instants import Instant


class RecordedOutput(Struct, frozen=True):
    """An array that an export wrote: its calibration type, its file, and the checksum of that."""

    type: str
    path: str
    sha256: str


class RecordedExport(Struct, frozen=True):
    """An export that the registry has a record of.

    Attributes
    ----------
    revision
        As of which it was made.
    experiment, run, source
        None where a detector Id was exported.
    instant
        At which its constants were valid.
    provenance
        The path of its document.
    first_run, last_run
        The runs for which the files are deployed: ``first_run`` is None where they are not, or where that was not
        recorded; ``last_run`` is None in a range without an end.
    stale
        Why it would be made from other constants now, or refused; None where it would not.
    is_refused
        True where it would be refused now.
    """

    export: int
    revision: int
    recorded_at: Instant
    author: str
    host: str
    detector_id: str
    experiment: str | None
    run: int | None
    source: str | None
    instant: Instant
    outputs: tuple[RecordedOutput, ...]
    provenance: str
    first_run: int | None = None
    last_run: int | None = None
    stale: str | None = None
    is_refused: bool = False

    @property
    def target(self) -> str:
        """The dataset or the detector Id."""
        return self.detector_id if self.run is None else f"exp={self.experiment}:run={self.run}"

    @property
    def runs(self) -> str | None:
        """The runs for which the files are deployed, as a text; None where they are not."""
        return None if self.first_run is None else format_run_range(self.first_run, self.last_run)
