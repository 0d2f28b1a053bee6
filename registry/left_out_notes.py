"""The note in a store of the files that partial snapshots beside it have left out on purpose.

A mirror without files is a part with no panels: whatever is absent was left out.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec

from registry.errors import LeftOutError
from registry.records import SnapshotPart
from registry.storage import Storage

KEY = "left-out.json"
_MAX_SIZE = 1 << 28


class _LeftOutNote(msgspec.Struct, frozen=True):
    """The files that partial snapshots beside the store have left out, and their requests."""

    format: Literal["calreg partial snapshot"]
    format_version: Literal[1]
    parts: tuple[SnapshotPart, ...]
    files: tuple[Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")], ...]


def write_left_out_note(
    storage: Storage,
    part: SnapshotPart | None,
    sha256s: Iterable[str],
    is_there: Callable[[str], bool],
    *,
    is_complete: bool = False,
) -> None:
    """Note files that were left out; forget those of former snapshots that are there by now.

    Where the store `is_complete`, the mirror that left all out is forgotten, too.
    """
    with storage.translate_errors("written", KEY):
        former = _read(storage)
        parts = (
            *(one for one in (former.parts if former else ()) if one.panels or not is_complete),
            *([part] if part else []),
        )
        files = sorted({*(former.files if former else ()), *sha256s})
        absent = tuple(sha256 for sha256 in files if not is_there(sha256))
        note = _LeftOutNote("calreg partial snapshot", 1, tuple(dict.fromkeys(parts)), absent)
        is_needed = bool(absent) or any(map(_leaves_all_out, parts))
        if former is not None and not is_needed:
            with suppress(FileNotFoundError):
                storage.remove(KEY)
        elif is_needed and note != former:
            storage.write_document(KEY, msgspec.json.encode(note) + b"\n")


def refuse_left_out(storage: Storage, sha256: str) -> None:
    """Raise `LeftOutError` for a file that is not in the store because it was left out."""
    note = _read(storage)
    if note is not None and (sha256 in note.files or any(map(_leaves_all_out, note.parts))):
        part = note.parts[0]
        raise left_out_error(
            sha256,
            repr(storage.place),
            "; ".join(dict.fromkeys(map(str, note.parts))),
            experiments=list(part.experiments),
            panels=list(part.names),
            whole=part.whole,
        )


def left_out_error(sha256: str, where: str, request: str, *, whole: str, **values: Any) -> LeftOutError:
    """Return the refusal of a file that a partial snapshot left out of the store `where`, with its request."""
    copy = f"a partial snapshot, which has the files of the panels of {request}"
    return LeftOutError(
        f"object {sha256} is not in the store {where}: it was left out of"
        f" {copy if request else 'a mirror without files'}; the whole is {whole}",
        sha256=sha256,
        request=request,
        whole=whole,
        **values,
    )


def _leaves_all_out(part: SnapshotPart) -> bool:
    return not part.panels


def _read(storage: Storage) -> _LeftOutNote | None:
    """Return the note in a store; None where there is none, or none that can be read: missing is missing then."""
    tag = storage.find_tag(KEY)
    return None if tag is None else _decode(storage, tag)


@lru_cache(maxsize=4)
def _decode(storage: Storage, _tag: Hashable) -> _LeftOutNote | None:
    try:
        document = storage.read_document(KEY, _MAX_SIZE)
        note = None if document is None else msgspec.json.decode(document.content, type=_LeftOutNote)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return note if note is not None and note.parts else None
