"""Outputs come into their folder all at once: written beside, synced, then given their final names."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from registry.durable import sync_file, sync_folder
from registry.errors import ConflictError, UnavailableError


@contextmanager
def placing(folder: Path, names: Sequence[str], *, force: bool) -> Iterator[Path]:
    """Hand out an empty folder to write the named files into; at the end, place them in `folder`.

    The last name is the provenance document's: with `force` the old one is removed before anything is
    replaced, and the new one is placed last, so a document never stands beside outputs of another export.
    On any error nothing new is left in `folder`, nor `folder` itself where it was not there.

    Raises
    ------
    ConflictError
        One of the names is taken and `force` is not set.
    UnavailableError
        The folder cannot be written.
    """
    try:
        _refuse_taken(folder, names, force=force)
        absent = _absent(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".calreg-", dir=folder) as hidden:
                yield Path(hidden)
                _place(Path(hidden), folder, names)
        except BaseException:
            _unmake(absent)
            raise
    except OSError as error:
        place = error.filename or folder
        raise UnavailableError(f"{place} cannot be written: {error.strerror}", path=str(place)) from None


def _refuse_taken(folder: Path, names: Sequence[str], *, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise ConflictError(f"{folder} is a file, not a folder", path=str(folder))
    taken = [name for name in names if os.path.lexists(folder / name)]
    if taken and not force:
        raise ConflictError(
            f"{folder} holds {', '.join(taken)} already; --force replaces them", path=str(folder)
        )


def _absent(folder: Path) -> list[Path]:
    """Return the folders that are to be made, the innermost first."""
    absent = []
    current = folder
    while not current.exists():
        absent.append(current)
        current = current.parent
    return absent


def _unmake(made: Sequence[Path]) -> None:
    for folder in made:
        with suppress(OSError):  # never made, or somebody else put a file there meanwhile: it stays
            folder.rmdir()


def _place(hidden: Path, folder: Path, names: Sequence[str]) -> None:
    for name in names:
        sync_file(hidden / name)
    (folder / names[-1]).unlink(missing_ok=True)
    sync_folder(folder)
    placed: list[Path] = []
    try:
        for name in names:
            (hidden / name).replace(folder / name)
            placed.append(folder / name)
        sync_folder(folder)
    except BaseException:
        for path in placed:
            path.unlink(missing_ok=True)
        raise
