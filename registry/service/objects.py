"""Stored files by their digest: sent from the folder by the server, whole or in ranges; the client verifies them."""

from __future__ import annotations

import base64
import re
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


def find_object(store: ContentStore, sha256: str) -> Path:
    """Return the path of a stored file; raise a `NotFoundError` where there is none, or that it was left out."""
    if not store.has_object(sha256):
        refuse_left_out(store.root, sha256)
        raise NotFoundError(f"object {sha256} is not in the store", sha256=sha256)
    return store.object_path(sha256)


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
