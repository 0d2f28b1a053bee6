"""Tokens: the text by which a service knows who may ask, in a file of its own; the same file for both sides."""

from __future__ import annotations

from pathlib import Path

from registry.errors import RequestError
from registry.files import read_bounded
from registry.identifiers import quote

_LENGTHS = range(16, 4097)


def read_token(file: Path) -> str:
    """Return the token that a file holds, without the blanks around it: letters, digits and signs of ASCII.

    Raises
    ------
    RequestError
        The file holds no token, a short one, or more than one.
    NotFoundError, UnavailableError
        The file is missing, or cannot be read.
    """
    token = read_bounded(file, 1 << 20, "a token", RequestError).strip()
    if len(token) not in _LENGTHS or any(byte < 0x21 or byte > 0x7E for byte in token):
        raise RequestError(
            f"{quote(str(file))} holds no token: {_LENGTHS[0]} to {_LENGTHS[-1]} letters, digits and signs of ASCII are"
            " expected",
            path=str(file),
        )
    return token.decode()
