"""Copies of a registry, and the files that one lacks."""

from __future__ import annotations

from msgspec import Struct

from registry.identifiers import format_count, shorten


class FileUse(Struct, frozen=True):
    """The use of a stored file by a version."""

    kind: str
    gain_range: int
    panel: str
    version: int

    def __str__(self) -> str:
        """Return it as it stands in a sentence."""
        return f"{self.kind} of gain range {self.gain_range} of panel {self.panel}, version {self.version}"


class SnapshotPart(Struct, frozen=True):
    """The part of a registry whose files a partial snapshot has: all files of some panels.

    Attributes
    ----------
    experiments, names
        The request: experiments, and the names of panels.
    panels
        The Ids of all panels for which these stood; none of a mirror without files.
    whole
        The registry from which it was taken: a revision of a database.
    """

    experiments: tuple[str, ...]
    names: tuple[str, ...]
    panels: tuple[str, ...]
    whole: str

    def __str__(self) -> str:
        """Return the request as it stands in a sentence."""
        words = [f"experiment {name}" for name in self.experiments] + [f"panel {name}" for name in self.names]
        return shorten(words)


class LeftOutFiles(Struct, frozen=True):
    """The files that a partial snapshot has not: their number, and their size in bytes."""

    files: int
    file_bytes: int
    part: SnapshotPart

    def __str__(self) -> str:
        """Return it as it stands in a sentence."""
        count = format_count(self.files, "file")
        size = format_count(self.file_bytes, "byte")
        rest = f": all but those of the panels of {self.part}" if self.part.panels else ": all of them"
        return f"{count} ({size}){rest}"


class MissingFile(Struct, frozen=True):
    """A recorded file that a copy lacks, because the original could not be read.

    Attributes
    ----------
    problem
        What is wrong with the original, as a sentence that names all its uses.
    is_damaged
        Whether it is missing or damaged; not, where the system did not permit to read it.
    is_left_out
        Whether it was left out of a partial snapshot on purpose.
    """

    sha256: str
    problem: str
    uses: tuple[FileUse, ...]
    is_damaged: bool
    is_left_out: bool = False


class RegistryCopy(Struct, frozen=True):
    """A copy of a registry or of a part of it: a move, a backup, its restoration, or a snapshot.

    Attributes
    ----------
    registry, revision
        Its id, and the newest revision in the copy.
    seal
        Of that revision: it stands for everything up to it.
    database, store
        Of the copy: the URL without its password, and the folder.
    rows
        Their number by table.
    files, files_there
        The numbers of files copied now, and of those that were in the store already.
    left_out
        The files that a partial snapshot has not; None where all are copied.
    """

    registry: str
    revision: int
    database: str
    store: str
    rows: dict[str, int]
    files: int
    files_there: int
    notes: tuple[str, ...] = ()
    seal: str | None = None
    left_out: LeftOutFiles | None = None
