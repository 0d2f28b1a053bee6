"""The names of the cache's files: no other file is opened, replaced or removed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from registry.errors import RequestError
from registry.files import TEMPORARY_PREFIX
from registry.identifiers import quote

LOCK_PREFIX = ".lock-"
_DIGEST = re.compile("[0-9a-f]{64}")


class EntryKind(StrEnum):
    """The sorts of entries: what their digest is computed from."""

    OBJECT = "object"  # a stored file; its SHA-256
    ARRAY = "array"  # an array of several stored files; the SHA-256 of the list of these
    ANSWER = "answer"  # what a service answered; the SHA-256 of what was asked of whom
    PIN = "pin"  # what a service said of a revision; the SHA-256 of the same

    @property
    def is_answer(self) -> bool:
        """True for what a service said, of which there are many small ones."""
        return self in {EntryKind.ANSWER, EntryKind.PIN}


@dataclass(frozen=True, slots=True)
class EntryName:
    """The name of an entry, by its content: its sort, and a digest of 64 hexadecimal digits."""

    kind: EntryKind
    digest: str

    def __post_init__(self) -> None:
        if not isinstance(self.digest, str) or not _DIGEST.fullmatch(self.digest):
            shown = quote(self.digest) if isinstance(self.digest, str) else "a value that is not a text"
            raise RequestError(f"{shown} is not a digest of 64 hexadecimal digits")

    def __str__(self) -> str:
        return f"{self.kind}-{self.digest}"

    @property
    def lock(self) -> str:
        """The name of the file whose lock the process holds that makes the entry."""
        return f"{LOCK_PREFIX}{self}"

    def new_temporary(self) -> str:
        """Return the name of a file in which the entry is made."""
        return f"{TEMPORARY_PREFIX}{self}-{os.urandom(8).hex()}"

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """Return the name of an entry, None for any other name."""
        kind, _, digest = name.partition("-")
        if kind not in set(EntryKind) or not _DIGEST.fullmatch(digest):
            return None
        return cls(EntryKind(kind), digest)

    @classmethod
    def parse_temporary(cls, name: str) -> Self | None:
        """Return the name of the entry that is made in a file, None for a file of another name."""
        stem, _, suffix = name.removeprefix(TEMPORARY_PREFIX).rpartition("-")
        is_temporary = name.startswith(TEMPORARY_PREFIX) and re.fullmatch("[0-9a-f]{16}", suffix)
        return cls.parse(stem) if is_temporary else None
