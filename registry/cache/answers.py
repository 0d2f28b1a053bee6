"""The format of an entry with what a service answered: what was asked of whom, when, and the answer.

::

    calreg answer 1 <BLAKE3 of the rest> <line end>
    <JSON on one line: what was asked of whom, and when> <line end>
    <the answer>

The name of the entry is a digest of what was asked of whom, which has the registry and the pin in it. So an answer to
another question, of another registry or of another history is never taken for this one, whatever name its file has.
"""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple

import msgspec

from registry.cache.names import EntryKind, EntryName
from registry.files import blake3_of

_TITLE = "calreg answer 1"
_HEAD_SIZE = len(_TITLE) + 1 + 64 + 1
_MAX_SIZE = 256 << 20
_PIECE_SIZE = 1 << 20


class KeptAnswer(NamedTuple):
    """An answer; ``question`` says what was asked of whom, ``asked_at`` is in microseconds since 1970 UTC."""

    question: tuple[str, ...]
    asked_at: int
    content: bytes


class _Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    question: tuple[str, ...]
    asked_at: int


def name_answer(kind: EntryKind, question: tuple[str, ...]) -> EntryName:
    """Return the name of the entry that has the answer to a question."""
    text = msgspec.json.encode((_TITLE, str(kind), *question))
    return EntryName(kind, hashlib.sha256(text).hexdigest())


def encode_answer(answer: KeptAnswer) -> bytes:
    """Return the bytes of an entry."""
    rest = msgspec.json.encode(_Header(answer.question, answer.asked_at)) + b"\n" + answer.content
    return f"{_TITLE} {blake3_of(rest)}\n".encode() + rest


def decode_answer(content: bytes, name: EntryName) -> KeptAnswer | None:
    """Return the answer in an entry with that name, None where it is damaged or of another question."""
    rest = content[_HEAD_SIZE:]
    if content[:_HEAD_SIZE] != f"{_TITLE} {blake3_of(rest)}\n".encode():
        return None
    line, _, body = rest.partition(b"\n")
    try:
        header = msgspec.json.decode(line, type=_Header)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if name_answer(name.kind, header.question) != name:
        return None
    return KeptAnswer(header.question, header.asked_at, body)


def read_answer(handle: int, name: EntryName) -> KeptAnswer | None:
    """Return the answer in an open entry, None where it is not what its name says."""
    if os.fstat(handle).st_size > _MAX_SIZE:
        return None
    os.lseek(handle, 0, os.SEEK_SET)
    return decode_answer(b"".join(iter(lambda: os.read(handle, _PIECE_SIZE), b"")), name)
