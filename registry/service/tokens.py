"""Tokens that requests bear; a service keeps only their digest."""

from __future__ import annotations

import hashlib
from pathlib import Path

from registry.errors import RequestError
from registry.files import open_regular, translate_os_errors

_MAX_SIZE = 4096
_MIN_LENGTH = 16


def read_token_digest(file: Path) -> str:
    """Return the SHA-256 of the token that a file holds, without the blanks around it.

    Raises
    ------
    RequestError
        The file holds no token, or a short one.
    UnavailableError
        It cannot be read.
    """
    with translate_os_errors("read", file), open_regular(file) as opened:
        token = opened.read(_MAX_SIZE).strip()
    if len(token) < _MIN_LENGTH or any(byte < 0x21 or byte > 0x7E for byte in token):
        raise RequestError(
            f"{str(file)!r} holds no token: {_MIN_LENGTH} or more letters, digits and signs of ASCII are expected",
            path=str(file),
        )
    return hashlib.sha256(token).hexdigest()
