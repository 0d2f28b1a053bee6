"""Tokens that requests bear; a service keeps only their digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

from registry.errors import RequestError
from registry.files import read_bounded

_MAX_SIZE = 1 << 20
_MIN_LENGTH = 16


def read_token_digest(file: Path) -> str:
    """Return the SHA-256 of the token that a file holds, without the blanks around it.

    Raises
    ------
    RequestError
        The file holds no token, or a short one.
    NotFoundError, UnavailableError
        There is no such file, or it cannot be read.
    """
    token = read_bounded(file, _MAX_SIZE, "a token", RequestError).strip()
    if len(token) < _MIN_LENGTH or any(byte < 0x21 or byte > 0x7E for byte in token):
        raise RequestError(
            f"{str(file)!r} holds no token: {_MIN_LENGTH} or more letters, digits and signs of ASCII are expected",
            path=str(file),
        )
    return hashlib.sha256(token).hexdigest()
