"""Copies that lack files, because the originals were damaged or could not be read.

All that is sound is copied all the same. ``incomplete.json`` beside the copied files names those that are
missing there, and why; it is removed when a later copy brings the last of them. The command that made the copy ends
with a refusal that names every one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

import msgspec

from registry.exporters.missing_inputs import build_error
from registry.identifiers import format_count
from registry.records import Followed, LeftOutFiles, MissingFile, RegistryCopy
from registry.store import ContentStore

FILE_NAME = "incomplete.json"
_MAX_BYTES = 1 << 26


class _Note(msgspec.Struct, frozen=True):
    format: Literal["calreg incomplete copy"]
    format_version: Literal[1]
    missing: tuple[MissingFile, ...]


@dataclass(frozen=True, slots=True)
class CopiedFiles:
    """The numbers of files that were copied and that were present before, and the files that could not be copied."""

    copied: int = 0
    already_present: int = 0
    missing: tuple[MissingFile, ...] = ()
    left_out: LeftOutFiles | None = None

    def __add__(self, other: CopiedFiles) -> CopiedFiles:
        """Return what two copies have done together."""
        return CopiedFiles(
            self.copied + other.copied,
            self.already_present + other.already_present,
            (*self.missing, *other.missing),
            other.left_out or self.left_out,
        )

    def refuse_unreadable(self, what: str) -> None:
        """Refuse files that the system did not permit to read: the command can be repeated when it does."""
        if any(not file.is_damaged for file in self.missing):
            self.refuse_missing(what)

    def refuse_missing(self, what: str) -> None:
        """Refuse to finish what lacks files; `what` names it, such as ``"the fork"``."""
        if self.missing:
            raise build_error(self.missing, f"{what} was not finished, because files cannot be read")


def read_missing_files(store: ContentStore) -> tuple[MissingFile, ...]:
    """Return the files that are missing in a store because a copy lacked them, and are not there by now.

    A note that cannot be read says nothing: what is missing is found without it when it is used or verified.
    """
    storage = store.storage
    with storage.translate_errors("read", FILE_NAME):
        try:
            document = storage.read_document(FILE_NAME, _MAX_BYTES)
            if document is None:
                return ()
            note = msgspec.json.decode(document.content, type=_Note)
        except (NotADirectoryError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ()
    return tuple(file for file in note.missing if not store.has_object(file.sha256))


def note_missing_files(store: ContentStore, missing: Iterable[MissingFile]) -> None:
    """Note in the store which files it lacks, those of former copies too; remove the note where it lacks none."""
    storage = store.storage
    files = {file.sha256: file for file in (*read_missing_files(store), *missing)}
    with storage.translate_errors("written", FILE_NAME):
        if not files:
            with suppress(FileNotFoundError):
                storage.remove(FILE_NAME)
            return
        note = _Note("calreg incomplete copy", 1, tuple(files[sha256] for sha256 in sorted(files)))
        storage.write_document(FILE_NAME, msgspec.json.format(msgspec.json.encode(note), indent=2) + b"\n")


def refuse_incomplete(copy: RegistryCopy, what: str, missing: Sequence[MissingFile]) -> None:
    """Refuse a finished copy that lacks files, with the facts of the copy; `what` names it."""
    if missing:
        raise build_error(
            missing,
            f"{what} is finished but incomplete; it lacks {format_count(len(missing), 'file')}",
            **msgspec.structs.asdict(copy),
        )


def refuse_missing_of_mirror(followed: Followed, missing: Sequence[MissingFile]) -> None:
    """Refuse files that a mirror could not get, once it has everything else, with the facts of that."""
    if missing:
        raise build_error(
            missing,
            f"the mirror has revision {followed.revision} and lacks {format_count(len(missing), 'file')}; the next time"
            " it tries again",
            **msgspec.structs.asdict(followed),
        )
