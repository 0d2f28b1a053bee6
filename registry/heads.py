"""Heads: the newest revision of a history with its seal, as people quote them, and as a store keeps them.

``<store>/head.json`` names the newest revision that was committed by a database of this store, and the one that is
coming: a writer names it before the commit. A database whose history lacks the committed one is a stale copy or a fork.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Hashable
from contextlib import AbstractContextManager
from typing import Annotated, Literal, NamedTuple

import msgspec

from registry.errors import ConflictError, CorruptionError, RequestError, SchemaError
from registry.files import IrregularFileError
from registry.identifiers import quote
from registry.storage import ANY, Condition, LooseLinkError, Place, Storage, Unchanged, open_storage

Seal = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]

_KEY = "head.json"
_FORMAT = 1
_MAX_FILE_SIZE = 4096
_SHOWN_DIGITS = 16
_SEAL_DIGITS = 64
_HEAD = re.compile(r"([0-9]{1,10}):([0-9a-f]{16,64})", re.ASCII | re.IGNORECASE)
_PIN = re.compile(r"(0|[1-9][0-9]{0,9})-([0-9a-f]{16})", re.ASCII)
_NOT_WRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}


LARGEST_NUMBER = 2**31 - 1
"""Above every number of a revision, a version or an export that the database can hold."""


class Head(msgspec.Struct, frozen=True):
    """A revision and its seal: a whole history, because each seal is of the one before it, too.

    Revision 0 is the registry without facts. A quoted seal may be cut to 16 digits or more.
    """

    number: Annotated[int, msgspec.Meta(ge=0, le=LARGEST_NUMBER)]
    seal: Seal

    def __str__(self) -> str:
        return f"{self.number}:{self.seal}"

    @property
    def pin(self) -> str:
        """The text that names it in URLs and settings: ``4-4f4a7c033166d624``."""
        return f"{self.number}-{shorten_seal(self.seal)}"


def parse_head(text: str) -> Head:
    """Parse ``NUMBER:SEAL``; raise a `RequestError` for another text."""
    match = _HEAD.fullmatch(text)
    if match is None:
        raise RequestError(
            f"{quote(text)} is not a head: the number of a revision, a colon, and 16 to 64 digits of its seal",
            head=text,
        )
    return Head(int(match[1]), match[2].lower())


def parse_whole_head(text: str) -> Head:
    """Parse ``NUMBER:SEAL`` with all digits of the seal; raise a `RequestError` for another text."""
    head = parse_head(text)
    if len(head.seal) < _SEAL_DIGITS:
        raise RequestError(
            f"{quote(text)} is a head whose seal is cut: all {_SEAL_DIGITS} digits of it are needed",
            head=text,
        )
    return head


def parse_pin(text: str) -> Head:
    """Parse ``NUMBER-SEAL`` with 16 digits of the seal; raise a `RequestError` for another text."""
    match = _PIN.fullmatch(text)
    if match is None:
        raise RequestError(
            f"{quote(text)} is not a pin: the number of a revision, a hyphen, and 16 digits of its seal, as in"
            " 4-4f4a7c033166d624",
            pin=text,
        )
    return Head(int(match[1]), match[2])


def is_pin(text: str) -> bool:
    """Tell whether the text is a pin: no instant, tag or head is of its form."""
    return _PIN.fullmatch(text) is not None


def is_head(text: str) -> bool:
    """Tell whether the text is meant as ``NUMBER:SEAL``: no instant and no tag is digits and a colon."""
    number, colon, _ = text.partition(":")
    return bool(colon) and number.isascii() and number.isdecimal()


def shorten_seal(seal: str | None) -> str:
    """Return the beginning of a seal, as people are shown it and may quote it."""
    return "not sealed" if seal is None else seal[:_SHOWN_DIGITS]


class StoreHead(msgspec.Struct, frozen=True):
    """The newest revision that was committed beside a store, and the one that a writer has announced."""

    committed: Head
    coming: Head | None = None
    format: Literal[1] = 1


class _FormatHeader(msgspec.Struct, frozen=True):
    format: int


class KeptHead(NamedTuple):
    """The head as it was read, None where there was none, and the tag that it had then."""

    head: StoreHead | None
    tag: Hashable = None

    @property
    def condition(self) -> Condition:
        """The condition that nobody has changed it since."""
        return "absent" if self.tag is None else Unchanged(self.tag)


class HeadFile:
    """The document of a store that holds its head; it may be missing, in a store from before there were heads."""

    def __init__(self, place: Place | Storage) -> None:
        self._storage = open_storage(place)

    @property
    def place(self) -> str:
        """The location of the head, as it is shown."""
        return self._storage.locate(_KEY)

    def read(self) -> StoreHead | None:
        """Return the head of the store, None where there is none.

        Raises
        ------
        CorruptionError
            It is damaged, or something else is in its place.
        SchemaError
            It is of a newer format.
        UnavailableError
            It cannot be read.
        """
        return self.read_kept().head

    def read_kept(self) -> KeptHead:
        """Return the head of the store with its tag; raises as `read`."""
        with self._storage.translate_errors("read", _KEY):
            try:
                document = self._storage.read_document(_KEY, _MAX_FILE_SIZE)
            except LooseLinkError:
                raise self._damage_error("is a link that leads nowhere") from None
            except (IsADirectoryError, IrregularFileError):
                raise self._damage_error("is not a file") from None
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
                raise self._damage_error("is a link that leads in a circle") from None
        if document is None:
            return KeptHead(None)
        # Nothing, or zeros, are from a power cut: see `write`.
        head = self._decode(document.content) if document.content.strip(b"\0") else None
        return KeptHead(head, document.tag)

    def _decode(self, content: bytes) -> StoreHead:
        try:
            header = msgspec.json.decode(content, type=_FormatHeader)
            if header.format > _FORMAT:
                raise SchemaError(
                    f"the store's head {self.place!r} is of format {header.format}, of newer software;"
                    f" this software reads format {_FORMAT}",
                    path=self.place,
                    format=header.format,
                )
            return msgspec.json.decode(content, type=StoreHead)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise self._damage_error("is damaged: it names no head") from None

    def _damage_error(self, problem: str) -> CorruptionError:
        return CorruptionError(
            f"the store's head {self.place!r} {problem}; where the database is the live one, remove it:"
            " the next change makes it anew",
            path=self.place,
        )

    def lock(self) -> AbstractContextManager[None]:
        """Let no other process of this machine change the head meanwhile, where the store has locks."""
        return self._storage.lock()

    def write(self, head: StoreHead, *, former: KeptHead | None = None, synced: bool = True) -> bool:
        """Replace the head; return False where this user may not write the store.

        Where it is not `synced` a power cut can leave the file empty, which counts as missing.

        Parameters
        ----------
        former
            The head as it was read, if it is to be replaced only as long as nobody has changed it.

        Raises
        ------
        OvertakenError
            Somebody has changed it since it was read.
        UnavailableError
            It cannot be written for another reason.
        """
        content = msgspec.json.encode(head) + b"\n"
        condition = ANY if former is None else former.condition
        with self._storage.translate_errors("written", _KEY):
            try:
                # After a power cut the former head may be back: the database contains it, too.
                is_written = self._storage.write_document(
                    _KEY, content, condition, shared=True, durable=False, synced=synced
                )
            except OSError as error:
                if error.errno in _NOT_WRITABLE:
                    return False
                raise
        if not is_written:
            raise OvertakenError(f"another writer has changed the store's head {self.place!r} meanwhile")
        return True


class OvertakenError(ConflictError):
    """The head of a store is another one than the writer has read."""
