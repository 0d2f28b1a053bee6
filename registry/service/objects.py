"""Stored files by their digest: sent by the server or by the bucket, whole or in ranges; clients verify them."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from registry.errors import NotFoundError, RequestError
from registry.identifiers import format_count
from registry.left_out_notes import refuse_left_out

if TYPE_CHECKING:
    from registry.store import ContentStore

_PIECE_SIZE = 1 << 18
_URL_SECONDS = 300
_RANGE = re.compile(rb"bytes=(?:([0-9]{1,18})-([0-9]{1,18})?|-([0-9]{1,18}))")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A stored file as it is sent: from a path by the system, from a URL by another server, else in pieces."""

    size: int
    path: Path | None = None
    status: os.stat_result | None = None
    url: str | None = None


def find_object(store: ContentStore, sha256: str, *, redirects: bool = False) -> StoredObject:
    """Return how a stored file is sent; by a URL of its own, if that is wanted and the store has such URLs.

    Raises
    ------
    NotFoundError
        There is none.
    LeftOutError
        A partial snapshot has left it out.
    """
    entry = store.stat_object(sha256)
    if entry is not None:
        path = store.find_file(sha256)
        if path is None:
            url = store.sign_url(sha256, _URL_SECONDS) if redirects else None
            return StoredObject(entry.size, url=url)
        with suppress(FileNotFoundError):  # it was removed meanwhile
            status = path.stat()
            return StoredObject(status.st_size, path, status)
    refuse_left_out(store.storage, sha256)
    raise NotFoundError(f"object {sha256} is not in the store", sha256=sha256)


def build_streamed_response(
    store: ContentStore, sha256: str, size: int, part: tuple[int, int] | None, headers: dict[str, str]
) -> StreamingResponse:
    """Return the answer that passes a stored file, or a range of it, on from the store, in pieces."""
    first, last = part or (0, size - 1)
    own = {"content-length": str(last + 1 - first), "accept-ranges": "bytes"}
    if part is not None:
        own["content-range"] = f"bytes {first}-{last}/{size}"
    return StreamingResponse(
        _read_pieces(store, sha256, first, last + 1 - first),
        status_code=200 if part is None else 206,
        headers={**headers, **own},
        media_type="application/octet-stream",
    )


def _read_pieces(store: ContentStore, sha256: str, first: int, count: int) -> Iterator[bytes]:
    """Yield so many bytes of a stored file; fewer where it is shorter by now, which the client finds out."""
    with store.open_object(sha256) as file:
        while first > 0 and (skipped := file.read(min(first, _PIECE_SIZE))):
            first -= len(skipped)
        while count > 0 and (piece := file.read(min(count, _PIECE_SIZE))):
            count -= len(piece)
            yield piece


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
