"""Publish outputs: write them in a staging folder, sync them, then give them their final names."""

from __future__ import annotations

import filecmp
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from registry.errors import ConflictError, Remedy
from registry.files import (
    STALE_AFTER_SECONDS,
    append_lines,
    refuse_url,
    sync_file,
    sync_folder,
    translate_os_errors,
)

_STAGING_PREFIX = ".calreg-"
_REPLACED_FOLDER = ".replaced"  # in a staging folder: the files that are being replaced
_REPLACED_DOCUMENT = "document"


def list_unfinished_documents(folder: Path, name: str) -> list[Path]:
    """Return the documents that exports which were killed, or are at work, have not published yet.

    `name` is theirs, or a pattern such as ``"*.json"``.
    """
    with translate_os_errors("read", folder):
        return sorted(folder.glob(f"{_STAGING_PREFIX}*/{name}"))


@contextmanager
def publish_outputs(
    folder: Path,
    names: Sequence[str],
    *,
    journals: Sequence[str] = (),
    force: bool,
    has_own_document: bool = False,
) -> Iterator[Path]:
    """Yield an empty staging folder to write the named files in; at the end, move them to `folder`.

    The last name is that of the provenance document: with `force` the old one is removed before anything is
    replaced, and the new one is moved last, so a document is never beside outputs of another export.
    A staged journal is appended to the file of its name.
    On any error `folder` stays as it was: new files are removed, replaced files restored. Files of an export that
    was killed are left as they are if the new ones have the same bytes; its staging folder is removed after a day.

    Parameters
    ----------
    names, journals
        Relative to `folder`, with ``/``; missing folders are created.
    has_own_document
        The document that is there is that of this very export, which wrote it before: where all files have the same
        bytes as the new ones they stay, and only lines that a journal lacks are added.

    Raises
    ------
    ConflictError
        A name is that of a folder, or, without `force`, of a document of another export or a file with other bytes.
    UnavailableError
        The folder cannot be written.
    """
    refuse_url(folder)
    with translate_os_errors("written", folder):
        interrupted = _find_interrupted_outputs(folder, names, has_own_document=has_own_document, force=force)
        missing = _find_missing_folders([folder, *((folder / name).parent for name in (*names, *journals))])
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=_STAGING_PREFIX, dir=folder) as path:
                staging = Path(path)
                _remove_stale_folders(staging, names)
                yield staging
                _refuse_different_content(staging, folder, interrupted)
                if names[-1] in interrupted:
                    _append_missing_lines(staging, folder, journals)
                    return
                outputs = [name for name in names if name not in interrupted]
                _move_outputs(staging, folder, outputs, journals, missing)
        except BaseException:
            _remove_empty_folders(missing)
            raise


def _find_interrupted_outputs(
    folder: Path, names: Sequence[str], *, has_own_document: bool, force: bool
) -> list[str]:
    """Return the names of the files that are there, as a killed export may have left them; none with `force`.

    All of them, or all but the document and others; never a document without one of the others.
    """
    if folder.exists() and not folder.is_dir():
        raise ConflictError(f"{folder} is a file, not a folder", path=str(folder))
    for path in (folder / name for name in names):
        if path.is_dir() and not path.is_symlink():
            raise ConflictError(f"{path} is a folder, not a file", path=str(path))
    existing = [] if force else [name for name in names if os.path.lexists(folder / name)]
    is_complete = has_own_document and len(existing) == len(names)
    if (names[-1] in existing and not is_complete) or any((folder / name).is_symlink() for name in existing):
        raise _output_exists_error(folder, existing)
    return existing


def _refuse_different_content(staging: Path, folder: Path, names: Sequence[str]) -> None:
    """Refuse existing files with other bytes than the new ones."""
    different = [name for name in names if not filecmp.cmp(staging / name, folder / name, shallow=False)]
    if different:
        raise _output_exists_error(folder, different)


def _append_missing_lines(staging: Path, folder: Path, journals: Sequence[str]) -> None:
    """Append to the journals the lines that an export lacks there which was killed before it appended them."""
    for name in journals:
        lines, journal = (staging / name).read_bytes(), folder / name
        if not journal.is_file() or lines not in journal.read_bytes():
            journal.parent.mkdir(parents=True, exist_ok=True)
            append_lines(journal, lines)


def _output_exists_error(folder: Path, names: Sequence[str]) -> ConflictError:
    return ConflictError(
        f"{folder} holds {', '.join(names)} already",
        remedy=Remedy.REPLACE_FILES,
        path=str(folder),
        files=list(names),
    )


def _remove_stale_folders(staging: Path, names: Sequence[str]) -> None:
    """Remove the staging folders of exports that were killed more than a day ago.

    An export at work has just written in its own; the clock is that of the file system, which other machines share.
    Files that an export was replacing are kept, unless they are among the names to be replaced now.
    """
    now = staging.stat().st_mtime
    folders = {str(parent) for name in names for parent in Path(name).parents}
    replaceable = {".", _REPLACED_DOCUMENT, *names, *folders}
    for other in staging.parent.glob(f"{_STAGING_PREFIX}*"):
        replaced = other / _REPLACED_FOLDER
        with suppress(OSError):  # another user's, or removed by another export meanwhile
            paths = [other, *other.rglob("*")]
            kept = {str(path.relative_to(replaced)) for path in paths if path.is_relative_to(replaced)}
            age = now - max(path.lstat().st_mtime for path in paths)
            if age > STALE_AFTER_SECONDS and kept <= replaceable:
                shutil.rmtree(other)


def _find_missing_folders(folders: Sequence[Path]) -> list[Path]:
    """Return these folders and their parents as far as they do not exist, the innermost first."""
    missing = {path for folder in folders for path in (folder, *folder.parents) if not path.exists()}
    return sorted(missing, key=lambda path: len(path.parts), reverse=True)


def _remove_empty_folders(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # never created, or another process put a file there meanwhile: it stays
            folder.rmdir()


def _move_outputs(
    staging: Path, folder: Path, names: Sequence[str], journals: Sequence[str], created: Sequence[Path]
) -> None:
    """Move the files, the document last, and sync all folders that changed; on an error, undo it."""
    for name in names:
        sync_file(staging / name)
    document, replaced = folder / names[-1], staging / _REPLACED_FOLDER
    with ExitStack() as undo:
        undo.callback(_prepare_undo(document, replaced / _REPLACED_DOCUMENT))
        if os.path.lexists(document):
            document.unlink()
            sync_folder(folder)
        changed = [folder]
        for name in names:
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            undo.callback(_prepare_undo(target, replaced / name))
            (staging / name).replace(target)
            changed.append(target.parent)
        for parent in dict.fromkeys([*changed, *(path.parent for path in created)]):
            sync_folder(parent)
        for name in journals:
            if lines := (staging / name).read_bytes():
                undo.callback(append_lines(folder / name, lines))
        undo.pop_all()


def _prepare_undo(target: Path, copy: Path) -> Callable[[], object]:
    """Return the function that restores the target to its present state; an existing file is linked or copied."""
    if not os.path.lexists(target):
        return lambda: target.unlink(missing_ok=True)
    copy.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(target, copy, follow_symlinks=False)
    except OSError:  # some file systems have no links, and not every user may link to another's file
        shutil.copy2(target, copy, follow_symlinks=False)
    return lambda: copy.replace(target)
