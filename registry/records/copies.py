"""Copies of a registry, and the files that one lacks."""

from __future__ import annotations

from msgspec import Struct


class FileUse(Struct, frozen=True):
    """The use of a stored file by a version."""

    kind: str
    gain_range: int
    panel: str
    version: int

    def __str__(self) -> str:
        """Return it as it stands in a sentence."""
        return f"{self.kind} of gain range {self.gain_range} of panel {self.panel}, version {self.version}"


class MissingFile(Struct, frozen=True):
    """A recorded file that a copy lacks, because the original could not be read.

    Attributes
    ----------
    problem
        What is wrong with the original, as a sentence that names all its uses.
    is_damaged
        Whether it is missing or damaged; not, where the system did not permit to read it.
    """

    sha256: str
    problem: str
    uses: tuple[FileUse, ...]
    is_damaged: bool


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
