"""What is answered: outcomes of writes, validity, exports, identities, verifications, differences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from registry.instants import Instant
from registry.records.facts import Version

if TYPE_CHECKING:
    import pandas as pd

_MAX_LINES = 6


class Outcome(Struct, frozen=True):
    """What a write did. ``revision`` is None where nothing changed, or nothing was to (a dry run).

    Attributes
    ----------
    versions
        Recorded now.
    withdrawn
        Withdrawn now.
    unchanged
        Stated already, and live.
    facts
        Everything else that was recorded or withdrawn, a line each.
    notes, warnings
        What a person should know; warnings deserve a look.
    """

    revision: int | None
    dry_run: bool = False
    versions: tuple[Version, ...] = ()
    withdrawn: tuple[Version, ...] = ()
    unchanged: tuple[Version, ...] = ()
    facts: Sequence[str] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __repr__(self) -> str:
        what = (
            "dry run"
            if self.dry_run
            else "no change"
            if self.revision is None
            else f"revision {self.revision}"
        )
        counted = ", ".join(
            f"{len(found)} {name}"
            for name, found in (
                ("versions", self.versions),
                ("withdrawn", self.withdrawn),
                ("unchanged", self.unchanged),
                ("facts", self.facts),
                ("notes", self.notes),
                ("warnings", self.warnings),
            )
            if found
        )
        return f"<Outcome: {what}; {counted}>" if counted else f"<Outcome: {what}>"


class Validity(Struct, frozen=True):
    """What is valid, range by range. ``without`` says of which panels under an M-number nothing is, and why."""

    versions: tuple[Version, ...]
    without: tuple[str, ...] = ()
    instant: Instant | None = None

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
        return f"{ranges} range{'' if ranges == 1 else 's'} of {panels} panel{'' if panels == 1 else 's'}{moment}"

    def _repr_html_(self) -> str:
        from registry.records.display import render_rows

        return render_rows(
            self._summary(),
            ("N", "panel", "alias", "kind", "valid from", "until", "constants", "comment"),
            [
                (
                    each.version,
                    each.panel,
                    each.alias,
                    each.kind,
                    each.valid_from,
                    each.valid_to or "still valid",
                    each.constants[:8] if each.constants else "gap",
                    each.comment,
                )
                for each in self.versions
            ],
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return a frame with a row for each range, in their order here.

        Returns
        -------
        pandas.DataFrame
            Columns: ``version``, ``panel``, ``alias``, ``kind``, ``valid_from``, ``valid_to``, ``is_gap``,
            ``constants``, ``recorded_in``, ``withdrawn_in``, ``carried_from``, ``nonfinite_allowed``,
            ``source_path``, ``comment``. Instants are ``datetime64[us, UTC]``: NaT is the beginning in
            ``valid_from``, and still valid in ``valid_to``.

        Raises
        ------
        UnavailableError
            pandas is not installed.
        """
        from registry.records.display import build_frame

        return build_frame(self.versions)


class ExportedFile(Struct, frozen=True):
    """One written array."""

    type: str
    path: str
    sha256: str
    size: int
    shape: tuple[int, int, int, int]
    dtype: str


class Export(Struct, frozen=True):
    """What an export wrote, of which instant; ``recorded`` tells whether the registry remembers it."""

    revision: int
    instant: str
    outputs: tuple[ExportedFile, ...]
    provenance: str
    recorded: bool
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class IdentifiedInput(Struct, frozen=True):
    """Constants in which a file stands, and the versions that state them, the withdrawn ones too."""

    kind: str
    gain_range: int
    constants: str
    versions: tuple[Version, ...]


class IdentifiedExport(Struct, frozen=True):
    """A recorded export that wrote a file: as the array ``type``, or as its ``provenance``."""

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
        The constants whose file has this payload; none: it is not registered.
    """

    type: str | None
    gain_range: int
    position: int
    inputs: tuple[IdentifiedInput, ...]


class Identity(Struct, frozen=True):
    """What the registry knows of a file.

    Attributes
    ----------
    inputs, exports, converted
        By its checksum; ``converted`` are the versions made from it.
    parts
        By the values in it, where its checksum says nothing.
    """

    path: str
    sha256: str
    inputs: tuple[IdentifiedInput, ...]
    exports: tuple[IdentifiedExport, ...]
    converted: tuple[Version, ...] = ()
    parts: tuple[IdentifiedPart, ...] = ()


class Problem(Struct, frozen=True):
    """Something that a verification found; ``sha256`` is what the bytes should be."""

    sha256: str | None
    path: str
    problem: str


class UnreferencedFile(Struct, frozen=True):
    """A file in the store to which nothing refers: most likely a crash or a refusal left it.

    Attributes
    ----------
    size
        In bytes.
    age
        Whole seconds since it was stored, or since a registration found it there.
    kept
        Why a collection leaves it; None: it may be removed.
    removed
        Whether it was.
    """

    path: str
    size: int
    age: int
    kept: str | None = None
    removed: bool = False


class Verification(Struct, frozen=True):
    """How many things a verification looked at, every problem that it found, and what it says besides."""

    checked: int
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    unreferenced: tuple[UnreferencedFile, ...] = ()


class RegistryCopy(Struct, frozen=True):
    """A registry, or a part of it, that is now in a second place.

    Attributes
    ----------
    registry, revision
        Its id, and the newest revision that arrived.
    database, store
        Where it is now: the database without its password, and the folder of the files.
    rows
        How many arrived, by table.
    files
        How many were copied now; ``files_there`` were in that store already.
    """

    registry: str
    revision: int
    database: str
    store: str
    rows: dict[str, int]
    files: int
    files_there: int
    notes: tuple[str, ...] = ()


class PixelCounts(Struct, frozen=True):
    """The dead and the odd pixels of one array, as they are marked and counted in the picture."""

    panel: str
    kind: str
    gain_range: int
    dead: int
    odd: int


class Picture(Struct, frozen=True):
    """A picture, and as of which revision it shows what; ``pixels`` where it is one of constants."""

    path: str
    revision: int
    pixels: tuple[PixelCounts, ...] = ()
    warnings: tuple[str, ...] = ()
