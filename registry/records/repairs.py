"""The repair of a store from a copy of its files."""

from __future__ import annotations

from msgspec import Struct

from registry.records.answers import Damage, Problem
from registry.records.copies import FileUse


class MendedFile(Struct, frozen=True):
    """A stored file whose right bytes were, or in a dry run would be, put in its place.

    Attributes
    ----------
    was
        What was wrong with it.
    """

    sha256: str
    path: str
    was: Damage
    uses: tuple[FileUse, ...]


class UnmendedFile(Struct, frozen=True):
    """A stored file that stays damaged.

    Attributes
    ----------
    problem
        What is wrong with it, and why it is not mended.
    copy_damage
        That of the file in the copy; None where that is sound, or was not looked at.
    """

    sha256: str
    path: str
    problem: str
    damage: Damage
    copy_damage: Damage | None
    uses: tuple[FileUse, ...]


class Repair(Struct, frozen=True):
    """The result of a repair: the files that were mended, and those that stay as they are.

    Attributes
    ----------
    checked
        The number of files and of sets of constants that were checked.
    copy
        The folder from which files were taken.
    problems
        What a verification finds beside damaged files, which no copy of a file mends: rows, seals, guards.
    head
        The newest revision with its seal, as ``NUMBER:SEAL``, where the whole history is as it was sealed.
    """

    checked: int
    dry_run: bool
    copy: str
    mended: tuple[MendedFile, ...] = ()
    unmended: tuple[UnmendedFile, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    head: str | None = None
