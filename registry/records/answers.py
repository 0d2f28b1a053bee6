"""Answers: outcomes of writes, validity, exports, identities, verifications, pictures, copies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from registry.identifiers import format_count
from registry.instants import Instant
from registry.records.deployments import ReadRuns
from registry.records.differences import AffectedExport, AffectedGroup, SameConstants
from registry.records.facts import SupersededRun, Version
from registry.records.sensors import RecordedMixUp, SensorMatch

if TYPE_CHECKING:
    import pandas as pd

_MAX_LINES = 6


class Outcome(Struct, frozen=True):
    """The effect of a write; ``revision`` and its ``seal`` are None where nothing changed, as in a dry run.

    Attributes
    ----------
    versions, withdrawn
        Recorded, and withdrawn, by this write.
    unchanged
        Recorded before, and not withdrawn.
    facts
        One line for everything else that was recorded or withdrawn.
    superseded_runs
        The runs that were recorded anew, with other or more times.
    affected_runs, affected_exports
        Recorded before, and concerned by this write.
    same_constants
        Live versions with the same constants as those that this write withdrew.
    """

    revision: int | None
    dry_run: bool = False
    versions: tuple[Version, ...] = ()
    withdrawn: tuple[Version, ...] = ()
    unchanged: tuple[Version, ...] = ()
    facts: Sequence[str] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    superseded_runs: tuple[SupersededRun, ...] = ()
    affected_runs: tuple[AffectedGroup, ...] = ()
    affected_exports: tuple[AffectedExport, ...] = ()
    same_constants: tuple[SameConstants, ...] = ()
    seal: str | None = None

    def __repr__(self) -> str:
        effect = "no change" if self.revision is None else f"revision {self.revision}"
        names = ("versions", "withdrawn", "unchanged", "facts", "notes", "warnings")
        counts = ", ".join(f"{len(getattr(self, name))} {name}" for name in names if getattr(self, name))
        return f"<Outcome: {'dry run' if self.dry_run else effect}{'; ' if counts else ''}{counts}>"


class Validity(Struct, frozen=True):
    """Validity ranges; ``without`` has a sentence on every panel of an M-number that has none.

    At an instant, ``notes`` tell how its text was read, where that is not obvious.
    """

    versions: tuple[Version, ...]
    without: tuple[str, ...] = ()
    instant: Instant | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.versions)

    def __iter__(self) -> Iterator[Version]:
        return iter(self.versions)

    def __getitem__(self, index: int) -> Version:
        return self.versions[index]

    def __repr__(self) -> str:
        lines = [f"  {version!r}" for version in self.versions[:_MAX_LINES]]
        if len(self.versions) > _MAX_LINES:
            lines.append(f"  ... and {len(self.versions) - _MAX_LINES} more")
        return "\n".join([f"<Validity: {self._summary()}", *lines]) + ">"

    def _summary(self) -> str:
        ranges, panels = len(self.versions), len({version.panel for version in self.versions})
        moment = "" if self.instant is None else f" at {self.instant}"
        return f"{format_count(ranges, 'range')} of {format_count(panels, 'panel')}{moment}"

    def _repr_html_(self) -> str:
        from registry.records.display import render_rows

        headings = ("N", "panel", "alias", "kind", "valid from", "until", "constants", "comment")
        return render_rows(self._summary(), headings, [_get_cells(version) for version in self.versions])

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame with one row per range, in their order here.

        Returns
        -------
        pandas.DataFrame
            The columns are the keys of the JSON, as of `RecordList.to_pandas`, and ``is_gap``. NaT in ``valid_from``
            is the beginning, in ``valid_to`` still valid.

        Raises
        ------
        UnavailableError
            pandas is not installed.
        """
        from registry.records.display import build_frame

        frame = build_frame(Version, self.versions)
        frame.insert(frame.columns.get_loc("constants"), "is_gap", frame["constants"].isna())
        return frame


def _get_cells(version: Version) -> tuple[object, ...]:
    names = (version.version, version.panel, version.alias, version.kind)
    constants = version.constants[:8] if version.constants else "gap"
    return *names, version.valid_from, version.valid_to or "still valid", constants, version.comment


class ExportedFile(Struct, frozen=True):
    """An array that was written, and its file; the shape is (gain range, panel, row, column)."""

    type: str
    path: str
    sha256: str
    size: int
    shape: tuple[int, int, int, int]
    dtype: str


class Export(Struct, frozen=True):
    """The files of an export; ``recorded`` tells whether the registry has a record of it.

    ``segments`` are the segment numbers of the panels, None if not known; ``absent_segments`` those for which no panel
    is there: the arrays of a format that is indexed by segment number have zeros in their place.
    """

    revision: int
    instant: str
    outputs: tuple[ExportedFile, ...]
    provenance: str
    recorded: bool
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    segments: tuple[int, ...] | None = None
    absent_segments: tuple[int, ...] = ()


class IdentifiedInput(Struct, frozen=True):
    """Constants that contain a file, and all versions with these constants, withdrawn ones too."""

    kind: str
    gain_range: int
    constants: str
    versions: tuple[Version, ...]


class IdentifiedExport(Struct, frozen=True):
    """A recorded export that wrote a file; ``type`` is that of the array, or ``provenance``."""

    export: int
    type: str
    path: str
    detector_id: str
    instant: Instant
    revision: int
    recorded_at: Instant
    author: str


class IdentifiedPart(Struct, frozen=True):
    """One panel's array of one gain range in an array that no recorded export wrote.

    Attributes
    ----------
    type
        The calibration type of the array, where the file says it.
    position
        Of the panel in the array.
    inputs
        The constants whose file has these values; empty where none is registered.
    """

    type: str | None
    gain_range: int
    position: int
    inputs: tuple[IdentifiedInput, ...]


class Identity(Struct, frozen=True):
    """Everything in the registry that a file is, or is part of.

    Attributes
    ----------
    inputs, exports, converted
        Found by its checksum; ``converted`` are the versions converted from it.
    parts
        Found by its values, where nothing has its checksum.
    looks_like
        The sensors that its gain maps look like, where nothing has its checksum or its values.
    upstream
        Where this is a mirror, the registry that it follows, which alone knows what exports have written.
    """

    path: str
    sha256: str
    inputs: tuple[IdentifiedInput, ...]
    exports: tuple[IdentifiedExport, ...]
    converted: tuple[Version, ...] = ()
    parts: tuple[IdentifiedPart, ...] = ()
    looks_like: tuple[SensorMatch, ...] = ()
    notes: tuple[str, ...] = ()
    upstream: str | None = None


Damage = Literal["missing", "damaged", "unreadable", "denied", "left out", "recorded wrongly"]
"""``unreadable``: the disk does not give its bytes. ``denied``: this user may not read it, so nothing is known.
``left out``: a partial snapshot has not got it, on purpose.
``recorded wrongly``: it has the bytes that its name promises, and the database says something else of them."""


class Problem(Struct, frozen=True):
    """A problem that a verification found.

    Attributes
    ----------
    sha256
        That of the right bytes, where it is about a file.
    revision
        The revision that is not as it was sealed, where it is about one; of a changed export the first one that was
        sealed after it.
    denied
        The file may not be read by this user: whether its bytes are right is not known.
    damage
        What is wrong with the file, where it is about one.
    """

    sha256: str | None
    path: str
    problem: str
    revision: int | None = None
    denied: bool = False
    damage: Damage | None = None


class AddedPatterns(Struct, frozen=True):
    """The patterns that were recorded of maps from before.

    Attributes
    ----------
    revision, seal
        The revision with them, and its seal; None where nothing was missing, or nothing could be read.
    patterns
        Their number.
    without_pattern
        The number of maps, beside them, that have none: flat ones, and those that were mostly filled in.
    problems
        Files that are missing or damaged.
    """

    revision: int | None = None
    patterns: int = 0
    without_pattern: int = 0
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seal: str | None = None


class UnreferencedFile(Struct, frozen=True):
    """A file in the store to which nothing refers, as a crash or a refusal may leave it.

    Attributes
    ----------
    size
        In bytes.
    age
        Whole seconds since it was stored, or since a registration found it there.
    kept
        The reason why a collection keeps it; None if it may be removed.
    """

    path: str
    size: int
    age: int
    kept: str | None = None
    removed: bool = False


class Verification(Struct, frozen=True):
    """The result of a verification.

    Attributes
    ----------
    checked
        The number of files and of sets of constants that were checked.
    serves_wrongly
        The runs for which a deployed file is read though the registry answers otherwise now.
    head
        The newest revision with its seal, as ``NUMBER:SEAL``, where the whole history is as it was sealed.
    without_patterns
        The number of characteristic maps of which no pattern is recorded yet.
    mix_ups, allowed_mix_ups
        Live maps that are of another sensor, and those of which it was stated that they are meant; None where patterns
        were not compared.
    """

    checked: int
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    unreferenced: tuple[UnreferencedFile, ...] = ()
    serves_wrongly: tuple[ReadRuns, ...] = ()
    head: str | None = None
    without_patterns: int = 0
    mix_ups: tuple[RecordedMixUp, ...] | None = None
    allowed_mix_ups: tuple[RecordedMixUp, ...] | None = None


class PixelCounts(Struct, frozen=True):
    """The numbers of dead and of odd pixels of one array, as marked in the picture."""

    panel: str
    kind: str
    gain_range: int
    dead: int
    odd: int


class Picture(Struct, frozen=True):
    """A picture as of a revision, which a notebook shows; ``pixels`` is empty where it does not show constants.

    ``path`` is None where no file was written, and ``revision`` of files that are not registered.
    """

    path: str | None
    revision: int | None
    pixels: tuple[PixelCounts, ...] = ()
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        where = "in memory" if self.path is None else repr(self.path)
        origin = "of files" if self.revision is None else f"as of revision {self.revision}"
        return f"<{type(self).__name__}: {where}, {origin}>"

    def _repr_png_(self) -> bytes | None:
        """Return the picture where its file is a PNG; the file as it is now."""
        from registry.records.display import PNG, read_picture

        return None if self.path is None else read_picture(self.path, PNG)

    def _repr_svg_(self) -> str | None:
        """Return the picture where its file is an SVG; the file as it is now."""
        from registry.records.display import SVG, read_picture

        content = None if self.path is None else read_picture(self.path, SVG)
        return None if content is None else content.decode(errors="replace")


class InlinePicture(Picture, frozen=True):
    """A picture that is in no file: ``content`` is the PNG."""

    content: bytes = b""

    def _repr_png_(self) -> bytes | None:
        return self.content
