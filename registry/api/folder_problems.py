"""The files in a calibration directory that stand against a deployment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from registry.errors import ConflictError, Remedy
from registry.identifiers import shorten


@dataclass(frozen=True, slots=True)
class FolderProblems:
    """The files in a folder that are not what the registry answers.

    Attributes
    ----------
    replaced
        Files that new ones replace.
    in_the_way
        Files that are read instead of new ones, and have ranges for which no file is right.
    kept
        Files for runs without constants.
    stopping
        Files on whose names the analysis framework stops.
    """

    replaced: list[str]
    in_the_way: list[str]
    kept: list[str]
    stopping: list[str]

    def refuse(self, folder: Path, *, force: bool) -> None:
        """Refuse a folder with files that are not what is to be deployed."""
        if self.in_the_way:
            raise ConflictError(
                f"the analysis framework would go on to read files in {str(folder)!r} that do not hold the constants of"
                f" these runs; remove them: {shorten(self.in_the_way)}",
                path=str(folder),
                files=self.in_the_way,
            )
        if self.replaced and not force:
            raise ConflictError(
                f"these files are there and do not hold the constants of their runs: {shorten(self.replaced)}",
                remedy=Remedy.REPLACE_FILES,
                path=str(folder),
                files=self.replaced,
            )

    def list_warnings(self) -> list[str]:
        """Return warnings on files that no new one replaces."""
        return [
            *(f"the analysis framework still reads {place}" for place in self.kept),
            *(
                f"the analysis framework stops on the name {name!r}: remove the file"
                for name in self.stopping
            ),
        ]
