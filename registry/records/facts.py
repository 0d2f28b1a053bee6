"""What is recorded: files, panels, aliases, versions, runs, configurations, revisions, tags."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from registry.identifiers import format_run_range
from registry.instants import Instant

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


class ConvertedStage(Struct, frozen=True, forbid_unknown_fields=True):
    """A gain stage of a converted file, the gain range that it became, and the largest rounding errors.

    ``absolute_error`` is in the unit of the kind, ``relative_error`` relative to the value.
    """

    stage: str
    gain_range: Count
    absolute_error: float
    relative_error: float


class Conversion(Struct, frozen=True, forbid_unknown_fields=True):
    """The file from which constants were converted when they were registered, and how.

    Attributes
    ----------
    file, sha256, size, dtype
        Of the original, which is not kept: its name, checksum, size in bytes, and the type of its values.
    stages, left_out
        The stages that were used, and the names of the others.
    """

    file: str
    sha256: Sha256
    size: Size
    dtype: str
    stages: tuple[ConvertedStage, ...]
    left_out: tuple[str, ...]


class CheckedFile(Struct, frozen=True):
    """A file that passed the door, not stored yet."""

    path: Path
    sha256: str
    size: int
    dtype: str
    shape: tuple[int, ...]
    statistics: Statistics
    blake3: str | None = None


class CheckedConstants(Struct, frozen=True):
    """The files of one kind of one panel, in the order of the gain ranges, all passed the door."""

    detector_type: str
    kind: str
    sha256: str
    files: tuple[CheckedFile, ...]
    warnings: tuple[str, ...] = ()


class StoredFile(Struct, frozen=True):
    """One stored file of some constants; ``blake3`` is None where it was recorded before schema 0005."""

    gain_range: int
    sha256: str
    size: int
    statistics: Statistics
    blake3: str | None = None


class RecordedFile(Struct, frozen=True):
    """What is recorded of a stored file; ``shape`` as it is kept, ``512,1024``."""

    sha256: str
    size: int
    dtype: str
    shape: str
    statistics: Statistics
    blake3: str | None


class Panel(Struct, frozen=True):
    """One panel, and the M-number that it bears."""

    panel: str
    alias: str | None
    detector_type: str
    recorded_in: int


class Alias(Struct, frozen=True):
    """The statement that a panel Id belongs to the module with that M-number."""

    alias: str
    panel: str
    recorded_in: int
    withdrawn_in: int | None


class Withdrawal(Struct, frozen=True):
    """Who withdrew a fact, when and why."""

    revision: int
    recorded_at: Instant
    author: str
    comment: str | None


class Version(Struct, frozen=True):
    """The statement that a panel has these constants of this kind from an instant on.

    Attributes
    ----------
    valid_from, valid_to
        The validity range, the end exclusive; ``valid_to`` None: still valid.
    constants
        SHA-256 of the manifest; None: a gap, nothing is valid.
    conversion
        Where the constants were converted from another file: from which, and how.
    withdrawal
        Who withdrew it, when and why; only listings of all versions say so.
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

    @property
    def is_gap(self) -> bool:
        """Whether this states that nothing is valid."""
        return self.constants is None

    def __repr__(self) -> str:
        bearer = f" ({self.alias})" if self.alias else ""
        end = "" if self.valid_to is None else f" until {self.valid_to}"
        said = [f"{self.kind} of {self.panel}{bearer} from {self.valid_from}{end}"]
        said.append(self.constants[:8] if self.constants else "gap")
        if self.withdrawn_in:
            said.append(f"withdrawn in {self.withdrawn_in}")
        return f"<Version {self.version}: {', '.join(said)}>"

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
    """One run of an experiment; ``begin`` and ``end`` are None where they are not known."""

    experiment: str
    run: int
    begin: Instant | None
    end: Instant | None
    recorded_in: int
    withdrawn_in: int | None


class Configuration(Struct, frozen=True):
    """Which panels, in segment order, answer for a source over a range of runs.

    Attributes
    ----------
    last_run
        None: open.
    panels
        Empty where the configuration object carries no Ids; ``object_name`` names it then.
    """

    experiment: str
    source: str
    first_run: int
    last_run: int | None
    panels: tuple[str, ...]
    object_name: str | None
    recorded_in: int
    withdrawn_in: int | None

    @property
    def runs(self) -> str:
        """The range of runs for a person: ``1-631``, ``16`` or ``17-end``."""
        return format_run_range(self.first_run, self.last_run)


class Detector(Struct, frozen=True):
    """What answers for one run and source: the panels in order, and when the run began."""

    experiment: str
    run: int
    source: str
    detector_id: str | None
    panels: tuple[str, ...]
    begin: Instant | None
    object_name: str | None


class Revision(Struct, frozen=True):
    """One committed change of the registry; ``changes`` says in one line each what it changed."""

    revision: int
    recorded_at: Instant
    author: str
    database_role: str | None
    host: str
    command: str
    comment: str | None
    software: str
    changes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        from registry.records.display import clip

        why = f": {clip(self.comment)}" if self.comment else ""
        counted = f"{len(self.changes)} change{'' if len(self.changes) == 1 else 's'}"
        return f"<Revision {self.revision} of {self.recorded_at} by {clip(self.author)}{why}; {counted}>"


class Tag(Struct, frozen=True):
    """A name for a revision."""

    tag: str
    revision: int
    recorded_in: int
