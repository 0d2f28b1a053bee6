"""Outputs come into their folder all at once: written beside, synced, then given their final names."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from registry.durable import add_lines, sync_file, sync_folder
from registry.errors import ConflictError, UnavailableError


@contextmanager
def placing(
    folder: Path, names: Sequence[str], *, journals: Sequence[str] = (), force: bool
) -> Iterator[Path]:
    """Hand out an empty folder to write the named files into; at the end, place them in `folder`.

    The last name is the provenance document's: with `force` the old one is removed before anything is
    replaced, and the new one is placed last, so a document never stands beside outputs of another export.
    What is written as one of the `journals` is added to the file that is there.
    On any error nothing new is left in `folder`, nor `folder` itself where it was not there.

    Parameters
    ----------
    names, journals
        Relative to `folder`, with ``/``; folders on the way are made.

    Raises
    ------
    ConflictError
        One of the names is taken and `force` is not set.
    UnavailableError
        The folder cannot be written.
    """
    try:
        _refuse_taken(folder, names, force=force)
        absent = _absent([folder, *((folder / name).parent for name in (*names, *journals))])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=".calreg-", dir=folder) as hidden:
                yield Path(hidden)
                _place(Path(hidden), folder, names, journals, absent)
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


def _absent(folders: Sequence[Path]) -> list[Path]:
    """Return the folders that are to be made, the innermost first."""
    absent = set()
    for folder in folders:
        current = folder
        while not current.exists():
            absent.add(current)
            current = current.parent
    return sorted(absent, key=lambda path: len(path.parts), reverse=True)


def _unmake(made: Sequence[Path]) -> None:
    for folder in made:
        with suppress(OSError):  # never made, or somebody else put a file there meanwhile: it stays
            folder.rmdir()


def _place(
    hidden: Path, folder: Path, names: Sequence[str], journals: Sequence[str], absent: Sequence[Path]
) -> None:
    for name in names:
        sync_file(hidden / name)
    (folder / names[-1]).unlink(missing_ok=True)
    sync_folder(folder)
    with ExitStack() as undo:
        changed = [folder]
        for name in names:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (hidden / name).replace(target)
            undo.callback(target.unlink, missing_ok=True)
            changed.append(target.parent)
        for place in dict.fromkeys([*changed, *(made.parent for made in absent)]):
            sync_folder(place)
        for name in journals:
            undo.callback(add_lines(folder / name, (hidden / name).read_bytes()))
        undo.pop_all()
