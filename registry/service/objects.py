"""Stored files by their digest: sent from the folder by the server, whole or in ranges; the client verifies them."""

from __future__ import annotations

import base64
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import NotFoundError, RequestError
from registry.identifiers import quote
from registry.left_out_notes import refuse_left_out

if TYPE_CHECKING:
    from registry.store import ContentStore

KEEPING = "public, max-age=31536000, immutable"
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)


def parse_digest(text: str) -> str:
    """Return a SHA-256 in hexadecimal digits; raise a `RequestError` for another text, before any path is built."""
    if not _DIGEST.fullmatch(text):
        raise RequestError(f"{quote(text)} is not a SHA-256: 64 hexadecimal digits are expected", sha256=text)
    return text


def find_object(store: ContentStore, sha256: str) -> tuple[Path, os.stat_result]:
    """Return the path of a stored file, and its status.

    Raises
    ------
    NotFoundError
        There is none.
    LeftOutError
        A partial snapshot has left it out.
    """
    if store.has_object(sha256):
        path = store.object_path(sha256)
        with suppress(FileNotFoundError):  # it was removed meanwhile
            return path, path.stat()
    refuse_left_out(store.root, sha256)
    raise NotFoundError(f"object {sha256} is not in the store", sha256=sha256)


def build_headers(sha256: str) -> dict[str, str]:
    """Return the headers of a stored file: its digest is its ETag, RFC 9530 for the other."""
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    return {
        "cache-control": KEEPING,
        "etag": f'"{sha256}"',
        "repr-digest": f"sha-256=:{digest}:",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'",
    }
