"""What tells one file's bytes from all others': SHA-256, by which it is named, and BLAKE3, which is quicker.

Both are of 256 bits, written as 64 hexadecimal digits. BLAKE3 takes a quarter of the time of SHA-256 here, or less.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

Buffer = bytes | bytearray | memoryview


class Digest(Protocol):
    """A digest of what was put into it so far."""

    def update(self, piece: Buffer, /) -> object:
        """Add bytes."""

    def hexdigest(self) -> str:
        """Return it, in hexadecimal digits."""


def new_blake3() -> Digest:
    """Return the BLAKE3 of nothing yet."""
    from blake3 import blake3

    return blake3()


def sha256_of(*pieces: Buffer) -> str:
    """Return the SHA-256 of the pieces, one after the other."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def blake3_of(*pieces: Buffer) -> str:
    """Return the BLAKE3 of the pieces, one after the other."""
    digest = new_blake3()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
