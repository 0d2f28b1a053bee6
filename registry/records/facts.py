"""Facts: files, panels, aliases, versions, runs, configurations, revisions, tags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from registry.heads import shorten_seal
from registry.identifiers import format_count, format_run_range
from registry.instants import BEGINNING, Instant

Sha256 = Annotated[str, Meta(pattern=r"\A[0-9a-f]{64}\Z")]
Count = Annotated[int, Meta(ge=0)]
Size = Annotated[int, Meta(ge=0, le=1 << 50)]  # bytes


class Statistics(Struct, frozen=True, forbid_unknown_fields=True):
    """Statistics of one file, in the unit of its kind; the first three are None where no value is finite."""

    minimum: float | None
    median: float | None
    maximum: float | None
    zeros: Count
    nonfinite: Count


class ConvertedStage(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A gain stage of a converted file, the gain range that it became, and the largest rounding errors.

    ``absolute_error`` is in the unit of the kind, ``relative_error`` relative to the value. Where every gain range has
    a file of its own, ``stage`` is its name and ``sha256`` its checksum.
    """

    stage: str
    gain_range: Count
    absolute_error: float
    relative_error: float
    sha256: Sha256 | None = None


class Conversion(Struct, frozen=True, forbid_unknown_fields=True):
    """The file from which constants were converted when they were registered, and how.

    Attributes
    ----------
    file, sha256, size, dtype
        Of the original, which is not kept: its name, checksum, size in bytes, and the type of its values. Of several
        files: what their names have in common, the checksum of what ``sha256sum`` prints for them, and their size.
    stages, left_out
        The stages that were used, and the names of the others.
    """

    file: str
    sha256: Sha256
    size: Size
    dtype: str
    stages: tuple[ConvertedStage, ...]
    left_out: tuple[str, ...]


class FilePattern(Struct, frozen=True):
    """The pattern of a map as it is recorded (`patterns`); no signs and samples where the map has none."""

    algorithm: int
    signs: bytes | None = None
    samples: bytes | None = None


class CheckedFile(Struct, frozen=True):
    """A file that was checked for its kind, not stored yet.

    Attributes
    ----------
    odd
        What was allowed that cannot be.
    pattern
        None where its kind and gain range say nothing of the sensor.
    """

    path: Path
    sha256: str
    size: int
    dtype: str
    shape: tuple[int, ...]
    statistics: Statistics
    blake3: str | None = None
    odd: str | None = None
    pattern: FilePattern | None = None


class CheckedConstants(Struct, frozen=True):
    """The checked files of one kind of one panel, in the order of the gain ranges."""

    detector_type: str
    kind: str
    sha256: str
    files: tuple[CheckedFile, ...]
    warnings: tuple[str, ...] = ()

    @property
    def is_odd(self) -> bool:
        """True if the values of a file cannot be, and were allowed."""
        return any(file.odd for file in self.files)


class StoredFile(Struct, frozen=True):
    """A stored file of constants; ``blake3`` is None if it was recorded before schema 0005."""

    gain_range: int
    sha256: str
    size: int
    statistics: Statistics
    blake3: str | None = None


class RecordedFile(Struct, frozen=True):
    """The record of a stored file, whatever uses it; ``shape`` is a text like ``512,1024``."""

    sha256: str
    size: int
    dtype: str
    shape: str
    statistics: Statistics
    blake3: str | None


class Panel(Struct, frozen=True):
    """A panel and its M-number: the one that it bears at the time asked, by default the one with the latest start."""

    panel: str
    alias: str | None
    detector_type: str
    recorded_in: int


class Alias(Struct, frozen=True):
    """The statement that a panel Id belongs to the module with this M-number from an instant on.

    Attributes
    ----------
    valid_from, valid_to
        The panel bears it until the start of its next one, exclusive; ``valid_to`` is None without a next one.
    same_module
        True if it was stated that the module is the same one although its serial number is another.
    """

    alias: str
    panel: str
    recorded_in: int
    withdrawn_in: int | None
    valid_from: Instant = BEGINNING
    valid_to: Instant | None = None
    same_module: bool = False


class Withdrawal(Struct, frozen=True):
    """The revision that withdrew a fact: its number, instant, author and comment."""

    revision: int
    recorded_at: Instant
    author: str
    comment: str | None


class Version(
    Struct, frozen=True, gc=False
):  # no cycles: an answer has hundreds, which the collector need not visit
    """The statement that a panel has these constants of this kind from an instant on.

    Attributes
    ----------
    valid_from, valid_to
        The validity range, its end exclusive; ``valid_to`` is None while it is still valid.
    constants
        SHA-256 of the manifest; None is a gap, in which nothing is valid.
    conversion
        The file from which the constants were converted, if they were.
    withdrawal
        Only set in lists of all versions.
    odd_allowed
        True if values that cannot be were allowed when it was registered.
    same_as
        The module, by its M-number or serial number, of which it was said that its files are meant.
    pattern_allowed
        True if it was said that a map is meant which looks like another sensor's.
    """

    version: int
    panel: str
    alias: str | None
    kind: str
    valid_from: Instant
    valid_to: Instant | None
    constants: str | None
    recorded_in: int
    withdrawn_in: int | None
    comment: str | None
    carried_from: int | None
    source_path: str | None
    nonfinite_allowed: bool
    conversion: Conversion | None = None
    withdrawal: Withdrawal | None = None
    odd_allowed: bool = False
    same_as: str | None = None
    pattern_allowed: bool = False

    @property
    def is_gap(self) -> bool:
        """True if this states that nothing is valid."""
        return self.constants is None

    def __repr__(self) -> str:
        alias = f" ({self.alias})" if self.alias else ""
        end = "" if self.valid_to is None else f" until {self.valid_to}"
        constants = self.constants[:8] if self.constants else "gap"
        withdrawn = f", withdrawn in {self.withdrawn_in}" if self.withdrawn_in else ""
        validity = f"{self.kind} of {self.panel}{alias} from {self.valid_from}{end}"
        return f"<Version {self.version}: {validity}, {constants}{withdrawn}>"

    def _repr_html_(self) -> str:
        from registry.records.display import render_facts

        return render_facts(
            f"version {self.version}",
            (
                ("panel", self.panel),
                ("alias", self.alias),
                ("kind", self.kind),
                ("valid from", self.valid_from),
                ("until", self.valid_to or "still valid"),
                ("constants", self.constants or "gap"),
                ("recorded in", f"revision {self.recorded_in}"),
                ("withdrawn in", self.withdrawn_in and f"revision {self.withdrawn_in}"),
                ("comment", self.comment),
            ),
        )


class Run(Struct, frozen=True):
    """A run of an experiment; ``begin`` and ``end`` are None if not known."""

    experiment: str
    run: int
    begin: Instant | None
    end: Instant | None
    recorded_in: int
    withdrawn_in: int | None


class SupersededRun(Struct, frozen=True):
    """A run that was recorded anew, with its times now and before."""

    experiment: str
    run: int
    begin: Instant | None
    end: Instant | None
    previous_begin: Instant | None
    previous_end: Instant | None


class Configuration(Struct, frozen=True):
    """The panels, in segment order, that are read out for a source over a range of runs.

    Attributes
    ----------
    last_run
        None if the range is open.
    panels
        Empty where the configuration object ``object_name`` has no panel Ids.
    segments
        The segment numbers of the panels; None if not known.
    """

    experiment: str
    source: str
    first_run: int
    last_run: int | None
    panels: tuple[str, ...]
    object_name: str | None
    recorded_in: int
    withdrawn_in: int | None
    segments: tuple[int, ...] | None = None

    @property
    def runs(self) -> str:
        """The range of runs as a text: ``1-631``, ``16`` or ``17-end``."""
        return format_run_range(self.first_run, self.last_run)


class Detector(Struct, frozen=True):
    """The panels read out for a source in a run, in segment order; ``begin`` is the start time of the run.

    ``segments`` are their segment numbers, None if not known; ``warnings`` name modules that are elsewhere too then.
    """

    experiment: str
    run: int
    source: str
    detector_id: str | None
    panels: tuple[str, ...]
    begin: Instant | None
    object_name: str | None
    segments: tuple[int, ...] | None = None
    warnings: tuple[str, ...] = ()


class DetectorName(Struct, frozen=True):
    """A short name of a detector, whose panels are in segment order."""

    name: str
    detector_id: str
    panels: tuple[str, ...]
    recorded_in: int
    withdrawn_in: int | None


class Revision(Struct, frozen=True):
    """A committed change of the registry.

    Attributes
    ----------
    changes
        A line for each fact that it changed, or the first of them where fewer were asked for.
    change_count
        The number of all its lines.
    seal
        The SHA-256 of its facts and of the seal before it; None where it was never sealed.
    """

    revision: int
    recorded_at: Instant
    author: str
    database_role: str | None
    host: str
    command: str
    comment: str | None
    software: str
    changes: tuple[str, ...] = ()
    change_count: int = 0
    seal: str | None = None

    def __repr__(self) -> str:
        from registry.records.display import clip

        why = f": {clip(self.comment)}" if self.comment else ""
        changes = format_count(self.change_count, "change")
        head = f"{self.revision}:{shorten_seal(self.seal)}" if self.seal else self.revision
        return f"<Revision {head} of {self.recorded_at} by {clip(self.author)}{why}; {changes}>"


class Tag(Struct, frozen=True):
    """A name for a revision; ``seal`` is that of the revision.

    ``recorded_in`` is None for the name of a snapshot, which was recorded after its revisions.
    """

    tag: str
    revision: int
    recorded_in: int | None
    seal: str | None = None
