"""Stored files by their digest: sent from the folder by the server, whole or in ranges; the client verifies them."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from registry.errors import NotFoundError, RequestError
from registry.identifiers import format_count
from registry.left_out_notes import refuse_left_out

if TYPE_CHECKING:
    from registry.store import ContentStore

_RANGE = re.compile(rb"bytes=(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))")


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
        path = store.find_file(sha256)
        with suppress(FileNotFoundError):  # it was removed meanwhile
            if path is not None:
                return path, path.stat()
    refuse_left_out(store.storage, sha256)
    raise NotFoundError(f"object {sha256} is not in the store", sha256=sha256)


class UnsatisfiableRangeError(RequestError):
    """No byte of a file is in the range that is asked for."""


def parse_range(headers: Iterable[tuple[bytes, bytes]], size: int) -> tuple[int, int] | None:
    """Return the first and the last byte of the range that a request asks for, None where the whole file is sent.

    Only one range of bytes is honoured: the file is whole for every other header, as RFC 9110, 14.2, has it for a
    server that does not support what is asked.

    Raises
    ------
    UnsatisfiableRangeError
        The file ends before the range.
    """
    stated = [value for name, value in headers if name == b"range"]
    match = _RANGE.fullmatch(stated[0]) if len(stated) == 1 else None
    if match is None:
        return None
    first, last, length = (None if text is None else int(text) for text in match.groups())
    if length is not None:
        first, last = max(0, size - length), None
    if first is None or (last is not None and last < first):
        return None
    if first >= size or length == 0:
        raise UnsatisfiableRangeError(
            f"the file has {format_count(size, 'byte')}, and none in the range that is asked for"
        )
    return first, size - 1 if last is None else min(last, size - 1)


def build_headers(sha256: str) -> dict[str, str]:
    """Return the headers of a stored file: its digest is its ETag, RFC 9530 for the other."""
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    return {"etag": f'"{sha256}"', "repr-digest": f"sha-256=:{digest}:"}
