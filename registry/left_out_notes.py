"""The note in a store of the files that partial snapshots beside it have left out on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from registry.errors import LeftOutError
from registry.files import atomic_write, open_regular, translate_os_errors
from registry.records import SnapshotPart

_FILE_NAME = "left-out.json"
_MAX_SIZE = 1 << 28


class _LeftOutNote(msgspec.Struct, frozen=True):
    """The files that partial snapshots beside the store have left out, and their requests."""

    format: Literal["calreg partial snapshot"]
    format_version: Literal[1]
    parts: tuple[SnapshotPart, ...]
    files: tuple[Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")], ...]


def write_left_out_note(
    store: Path, part: SnapshotPart | None, sha256s: Iterable[str], is_there: Callable[[str], bool]
) -> None:
    """Note files that were left out; forget those of former snapshots that are there by now."""
    path = store / _FILE_NAME
    with translate_os_errors("written", path):
        former = _read(path)
        parts = (*(former.parts if former else ()), *([part] if part else []))
        files = sorted({*(former.files if former else ()), *sha256s})
        absent = tuple(sha256 for sha256 in files if not is_there(sha256))
        note = _LeftOutNote("calreg partial snapshot", 1, tuple(dict.fromkeys(parts)), absent)
        if former is not None and not absent:
            path.unlink(missing_ok=True)
        elif absent and note != former:
            with atomic_write(path) as temporary:
                temporary.write_bytes(msgspec.json.encode(note) + b"\n")


def refuse_left_out(store: Path, sha256: str) -> None:
    """Raise `LeftOutError` for a file that is not in the store because it was left out."""
    note = _read(store / _FILE_NAME)
    if note is not None and sha256 in note.files:
        part = note.parts[0]
        raise left_out_error(
            sha256,
            repr(str(store)),
            "; ".join(dict.fromkeys(map(str, note.parts))),
            experiments=list(part.experiments),
            panels=list(part.names),
            whole=part.whole,
        )


def left_out_error(sha256: str, where: str, request: str, *, whole: str, **values: Any) -> LeftOutError:
    """Return the refusal of a file that a partial snapshot left out of the store `where`, with its request."""
    return LeftOutError(
        f"object {sha256} is not in the store {where}: it was left out of a partial snapshot, which has the files"
        f" of the panels of {request}; the whole is {whole}",
        sha256=sha256,
        request=request,
        whole=whole,
        **values,
    )


def _read(path: Path) -> _LeftOutNote | None:
    """Return the note in a file; None where there is none, or none that can be read: missing is missing then."""
    status = path.stat() if path.exists() else None
    return None if status is None else _decode(path, status.st_ino, status.st_mtime_ns)


@lru_cache(maxsize=4)
def _decode(path: Path, _inode: int, _modified: int) -> _LeftOutNote | None:
    try:
        with open_regular(path) as file:
            note = msgspec.json.decode(file.read(_MAX_SIZE), type=_LeftOutNote)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return note if note.parts else None
