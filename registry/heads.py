"""Heads: the newest revision of a history with its seal, as people quote them, and as a store keeps them.

``<store>/head.json`` names the newest revision that was committed by a database of this store, and the one that is
coming: a writer names it before the commit. A database whose history lacks the committed one is a stale copy or a fork.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from registry.errors import CorruptionError, RequestError
from registry.files import atomic_write, open_regular, translate_os_errors
from registry.identifiers import quote

Seal = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]

_FILE_NAME = "head.json"
_MAX_FILE_SIZE = 4096
_HEAD = re.compile(r"([0-9]{1,10}):([0-9a-f]{16,64})", re.ASCII | re.IGNORECASE)
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}


class Head(msgspec.Struct, frozen=True):
    """A revision and its seal: a whole history, because each seal is of the one before it, too.

    Revision 0 is the registry without facts. A quoted seal may be cut to 16 digits or more.
    """

    number: Annotated[int, msgspec.Meta(ge=0)]
    seal: Seal

    def __str__(self) -> str:
        return f"{self.number}:{self.seal}"


def parse_head(text: str) -> Head:
    """Parse ``NUMBER:SEAL``; raise a `RequestError` for another text."""
    match = _HEAD.fullmatch(text)
    if match is None:
        raise RequestError(
            f"{quote(text)} is not a head: the number of a revision, a colon, and 16 to 64 digits of its seal",
            head=text,
        )
    return Head(int(match[1]), match[2].lower())


def is_head(text: str) -> bool:
    """Tell whether the text is meant as ``NUMBER:SEAL``: no instant and no tag is digits and a colon."""
    number, colon, _ = text.partition(":")
    return bool(colon) and number.isascii() and number.isdecimal()


class StoreHead(msgspec.Struct, frozen=True):
    """What a store knows of the histories that are written beside it."""

    committed: Head
    coming: Head | None = None
    format: Literal[1] = 1


class HeadFile:
    """The file of a store that holds its head; it may be missing, in a store from before there were heads."""

    def __init__(self, store: Path) -> None:
        self.path = store / _FILE_NAME

    def read(self) -> StoreHead | None:
        """Return the head of the store, None where there is none.

        Raises
        ------
        CorruptionError
            The file is damaged.
        UnavailableError
            It cannot be read.
        """
        with translate_os_errors("read", self.path):
            try:
                with open_regular(self.path) as file:
                    return msgspec.json.decode(file.read(_MAX_FILE_SIZE), type=StoreHead)
            except FileNotFoundError:
                return None
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                raise CorruptionError(
                    f"{str(self.path)!r} is damaged: it names no head; if the database is the live one, as verify"
                    " tells, remove the file, and the next write makes it anew",
                    path=str(self.path),
                ) from None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Let no other process of this machine change the head meanwhile, where the file system has locks."""
        import fcntl  # only where something is recorded

        folder = None
        try:
            with suppress(OSError):
                folder = os.open(self.path.parent, os.O_RDONLY)
                fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            if folder is not None:
                os.close(folder)

    def write(self, head: StoreHead) -> bool:
        """Replace the head; return False where this user may not write the store.

        Raises
        ------
        UnavailableError
            It cannot be written for another reason.
        """
        with translate_os_errors("written", self.path):
            try:
                with atomic_write(self.path) as hidden:
                    hidden.write_bytes(msgspec.json.encode(head) + b"\n")
                    hidden.chmod(0o644)
            except OSError as error:
                if error.errno in _NOT_WRITABLE:
                    return False
                raise
        return True
