"""Outputs come into their folder all at once: written beside, synced, then given their final names."""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from registry.errors import ConflictError
from registry.files import STALE_AFTER_SECONDS, append_lines, sync_file, sync_folder, translate_os_errors

_STAGING_PREFIX = ".calreg-"
_REPLACED_FOLDER = ".replaced"  # inside a hidden folder: what is being replaced
_REPLACED_DOCUMENT = "document"  # and the document among it


@contextmanager
def publish_outputs(
    folder: Path, names: Sequence[str], *, journals: Sequence[str] = (), force: bool
) -> Iterator[Path]:
    """Hand out an empty folder to write the named files into; at the end, place them in `folder`.

    The last name is the provenance document's: with `force` the old one is removed before anything is
    replaced, and the new one is placed last, so a document never stands beside outputs of another export.
    What is written as one of the `journals` is added to the file that is there.
    On any error nothing new is left in `folder`, nor `folder` itself where it was not there, and what was
    replaced is put back. What an export placed that was killed before its document is taken for its own by
    one that writes the same bytes; its hidden folder is removed when it is a day old.

    Parameters
    ----------
    names, journals
        Relative to `folder`, with ``/``; folders on the way are made.

    Raises
    ------
    ConflictError
        One of the names is taken, by the document or by other bytes, and `force` is not set; or is that of a
        folder.
    UnavailableError
        The folder cannot be written.
    """
    with translate_os_errors("written", folder):
        taken = _find_interrupted_outputs(folder, names, force=force)
        absent = _find_missing_folders([folder, *((folder / name).parent for name in (*names, *journals))])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=_STAGING_PREFIX, dir=folder) as made:
                hidden = Path(made)
                _remove_stale_folders(hidden, names)
                yield hidden
                _refuse_different_content(hidden, folder, taken)
                _move_outputs(hidden, folder, [name for name in names if name not in taken], journals, absent)
        except BaseException:
            _remove_empty_folders(absent)
            raise


def _find_interrupted_outputs(folder: Path, names: Sequence[str], *, force: bool) -> list[str]:
    """Return the names of files that an export placed which was killed before its document; with `force` none."""
    if folder.exists() and not folder.is_dir():
        raise ConflictError(f"{folder} is a file, not a folder", path=str(folder))
    for name in names:
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            raise ConflictError(f"{folder / name} is a folder, not a file", path=str(folder / name))
    taken = [] if force else [name for name in names if os.path.lexists(folder / name)]
    if names[-1] in taken or any((folder / name).is_symlink() for name in taken):
        raise _output_exists_error(folder, taken)
    return taken


def _refuse_different_content(hidden: Path, folder: Path, taken: Sequence[str]) -> None:
    """Refuse files that have other bytes than those that were written in their stead."""
    others = [name for name in taken if not filecmp.cmp(hidden / name, folder / name, shallow=False)]
    if others:
        raise _output_exists_error(folder, others)


def _output_exists_error(folder: Path, names: Sequence[str]) -> ConflictError:
    return ConflictError(
        f"{folder} holds {', '.join(names)} already; --force replaces them", path=str(folder)
    )


def _remove_stale_folders(hidden: Path, names: Sequence[str]) -> None:
    """Remove the hidden folders of exports that were killed more than a day ago.

    An export at work has just written into its own; the clock is that of the file system, which others share. What
    an export with ``--force`` set aside is kept, unless it is replaced once more.
    """
    now = hidden.stat().st_mtime
    for other in hidden.parent.glob(f"{_STAGING_PREFIX}*"):
        with suppress(OSError):  # somebody else's, or removed by another export at this moment
            inside = [other, *other.rglob("*")]
            aside = [
                str(path.relative_to(other / _REPLACED_FOLDER))
                for path in inside
                if path.is_relative_to(other / _REPLACED_FOLDER)
            ]
            wanted = {
                ".",
                _REPLACED_DOCUMENT,
                *names,
                *(str(place) for name in names for place in Path(name).parents),
            }
            if now - max(
                path.lstat().st_mtime for path in inside
            ) > STALE_AFTER_SECONDS and wanted.issuperset(aside):
                shutil.rmtree(other)


def _find_missing_folders(folders: Sequence[Path]) -> list[Path]:
    """Return the folders that are to be made, the innermost first."""
    absent = set()
    for folder in folders:
        current = folder
        while not current.exists():
            absent.add(current)
            current = current.parent
    return sorted(absent, key=lambda path: len(path.parts), reverse=True)


def _remove_empty_folders(made: Sequence[Path]) -> None:
    for folder in made:
        with suppress(OSError):  # never made, or somebody else put a file there meanwhile: it stays
            folder.rmdir()


def _move_outputs(
    hidden: Path, folder: Path, names: Sequence[str], journals: Sequence[str], absent: Sequence[Path]
) -> None:
    for name in names:
        sync_file(hidden / name)
    document, aside = folder / names[-1], hidden / _REPLACED_FOLDER
    with ExitStack() as undo:
        undo.callback(_prepare_undo(document, aside / _REPLACED_DOCUMENT))
        document.unlink(missing_ok=True)
        sync_folder(folder)
        changed = [folder]
        for name in names:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            undo.callback(_prepare_undo(target, aside / name))
            (hidden / name).replace(target)
            changed.append(target.parent)
        for place in dict.fromkeys([*changed, *(made.parent for made in absent)]):
            sync_folder(place)
        for name in journals:
            undo.callback(append_lines(folder / name, (hidden / name).read_bytes()))
        undo.pop_all()


def _prepare_undo(target: Path, aside: Path) -> Callable[[], object]:
    """Return the call that makes the target what it is now; what is there is kept aside, and stays where it is."""
    if not os.path.lexists(target):
        return lambda: target.unlink(missing_ok=True)
    aside.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(target, aside, follow_symlinks=False)
    except OSError:  # not every file system has links, and not everybody may link to another's file
        shutil.copy2(target, aside, follow_symlinks=False)
    return lambda: aside.replace(target)
