"""A bucket of an object store that speaks the protocol of S3, with the files of a store below a prefix.

An object appears as a whole or not at all, and its bytes were compared before they were sent. There are no locks:
documents are replaced on the condition that they are the ones that were read, and a server that ignores such
conditions is refused when a store is made. Nothing that an error of the server or of the library says is repeated but
its status and its code: the rest may name a key or a token.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import AbstractContextManager, suppress
from datetime import timedelta
from functools import partial
from io import BufferedIOBase
from typing import TYPE_CHECKING, Any

from registry.errors import UnavailableError
from registry.extras import import_extra
from registry.files import TEMPORARY_PREFIX, Buffer, Digest
from registry.storage.bucket_errors import MissingBucketError, RefusedWriteError, translate_bucket_errors
from registry.storage.diskless import Diskless
from registry.storage.interface import ANY, Condition, Document, Entry, OpenObject, Source, Unchanged
from registry.storage.profiles import find_options
from registry.storage.sources import other_source_error

if TYPE_CHECKING:
    from registry.storage.places import BucketPlace

_PIECE_SIZE = 1 << 16  # about what one read of a socket has: more is joined by one more copy
_RETRIES = 4
_user: int | None = None  # the process that has begun to use the library
_RETRY_SECONDS, _CONNECT_SECONDS, _SILENCE_SECONDS, _REQUEST_SECONDS = 45, 5, 15, 120


class Bucket(Diskless):
    """A bucket with documents, and objects below ``objects``; see `Storage`."""

    requests = 16  # each one waits for an answer over the network

    def __init__(self, place: BucketPlace) -> None:
        super().__init__(str(place))
        self._place = place
        self._client: Any = None
        self._honours_conditions = False

    def __reduce__(self) -> tuple[type[Bucket], tuple[BucketPlace]]:
        """Let another process make its own connections."""
        return Bucket, (self._place,)

    # The whole.

    def prepare(self, *, with_objects: bool = True) -> None:  # noqa: ARG002 - a prefix needs not be made
        """Refuse a server that ignores conditions."""
        if not self._honours_conditions:
            self._probe()

    def refuse_unwritable(self) -> None:
        """Raise `UnavailableError` where nothing can be written, or the server ignores conditions."""
        with self.translate_errors("written"):
            self._probe()

    def _probe(self) -> None:
        """Write a document under conditions that hold, and under others that do not; remove it again."""
        key = f"{TEMPORARY_PREFIX}{os.urandom(8).hex()}"
        try:
            if not self.write_document(key, b"1", "absent") or self._put(key, b"2", "absent"):
                raise self._unsafe_server_error("If-None-Match")
            first = self.find_tag(key)
            is_written = self.write_document(key, b"3", Unchanged(first))
            if not is_written or self._put(key, b"4", Unchanged(first)):
                raise self._unsafe_server_error("If-Match")
        finally:
            with suppress(OSError):
                self.remove(key)
        self._honours_conditions = True

    def _unsafe_server_error(self, header: str) -> UnavailableError:
        return UnavailableError(
            f"the server of the store {self.place!r} ignores {header}: of two writers one would overwrite what the"
            " other has written; nothing was made",
            path=self.place,
        )

    def list_names(self) -> list[str]:
        """Return the names at the top, of objects and of what begins the keys of others."""
        listed = self._call("list_with_delimiter")
        paths = [*(entry["path"] for entry in listed["objects"]), *listed["common_prefixes"]]
        return [path for path in paths if path]  # some servers list the prefix itself

    # Documents.

    def read_document(self, key: str, max_size: int) -> Document | None:
        """Return a document; see `Storage`."""
        opened = self._open(key)
        if opened is None:
            return None
        entry, file = opened
        return Document(file.read(max_size), entry["e_tag"])

    def find_tag(self, key: str) -> Hashable | None:
        """Return the ETag that a document has now."""
        meta = self._head(key)
        return None if meta is None else str(meta["e_tag"])

    def write_document(
        self,
        key: str,
        content: bytes,
        condition: Condition = ANY,
        *,
        shared: bool = False,  # noqa: ARG002 - a bucket has one owner,
        durable: bool = True,  # noqa: ARG002 - and no disk
        synced: bool = True,  # noqa: ARG002 - the shape of every storage
    ) -> bool:
        """Write a document where the condition holds; see `Storage`.

        Where the answer to a request was lost and it was sent again, the condition is not true any more because of
        the first one: what is there then has just this content.
        """
        if self._put(key, content, condition):
            return True
        document = self.read_document(key, len(content) + 1)
        if document is not None and document.content == content:
            return True
        tag = None if document is None else document.tag
        if tag == (condition.tag if isinstance(condition, Unchanged) else None):
            raise OSError(errno.EIO, "the server refuses a write whose condition is true", self.locate(key))
        return False

    def _put(self, key: str, content: Buffer, condition: Condition = ANY) -> bool:
        mode: Any = (
            {"any": "overwrite", "absent": "create"}.get(condition) if isinstance(condition, str) else None
        )
        if isinstance(condition, Unchanged):
            mode = {"e_tag": condition.tag}
        try:
            self._call("put", key, content, mode=mode, use_multipart=False)
        except RefusedWriteError:
            if condition == ANY:
                raise
            return False
        except MissingBucketError:
            raise
        except FileNotFoundError:  # a document that is gone has not the tag that it had
            if isinstance(condition, Unchanged):
                return False
            raise
        return True

    # Objects and all files.

    def open_object(self, key: str) -> OpenObject | None:
        """Ask for an object; its bytes come as they are read."""
        opened = self._open(key)
        return None if opened is None else OpenObject(opened[0]["size"], opened[1])

    def _open(self, key: str) -> tuple[dict[str, Any], BufferedIOBase] | None:
        try:
            result = self._call("get", key)
        except MissingBucketError:
            raise
        except FileNotFoundError:
            return None
        self._refuse_other_answer(key, result.meta)
        translate = partial(translate_bucket_errors, self._library, self.locate(key))
        return result.meta, _Body(result.stream(min_chunk_size=_PIECE_SIZE), translate)

    def get_source(self, key: str) -> Source:
        """Return an object as what can be stored elsewhere."""
        return _BucketSource(self, key)

    def put_object(
        self,
        key: str,
        source: Source,
        digest: Digest,
        expected: str,
        stem: str | None = None,  # noqa: ARG002 - the shape of every storage
    ) -> None:
        """Send an object once its bytes have been compared; the server checks their SHA-256, too."""
        with source.open() as file:
            content = file.read()
        digest.update(content)
        if digest.hexdigest() != expected:
            raise other_source_error(source.name)
        self._put(key, content)

    def has_entry(self, key: str) -> bool:
        """Tell whether there is an object."""
        return self._head(key) is not None

    def stat(self, key: str) -> Entry | None:
        """Return the size and date of an object; its bytes are not asked for."""
        meta = self._head(key)
        return None if meta is None else Entry(key, meta["size"], meta["last_modified"].timestamp())

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            meta: dict[str, Any] = self._call("head", key)
        except MissingBucketError:
            raise
        except FileNotFoundError:
            return None
        self._refuse_other_answer(key, meta)
        return meta

    def _refuse_other_answer(self, key: str, meta: dict[str, Any]) -> None:
        """Refuse what is not of a server of objects, as the page of a portal is: it must not count as a file."""
        if meta["e_tag"] is None:
            raise OSError(errno.EIO, "what answers is not a server of objects", self.locate(key))

    def list_keys(self) -> list[str]:
        """Return the keys of all objects below ``objects``, in their order."""
        with translate_bucket_errors(self._library, self.place):
            stream = self._library.list(self._connect(), "objects", chunk_size=1000)
            return sorted(entry["path"] for chunk in stream for entry in chunk)

    def remove(self, key: str) -> None:
        """Remove an object."""
        self._call("delete", key)

    # How a service sends an object.

    def sign_url(self, key: str, seconds: int) -> str | None:
        """Return a URL at which anyone can get an object for some time."""
        with translate_bucket_errors(self._library, self.locate(key)):
            signed = self._library.sign(self._connect(), "GET", key, timedelta(seconds=seconds))
        return str(signed)

    # Requests.

    def _call(self, name: str, *arguments: Any, **options: Any) -> Any:
        location = self.locate(str(arguments[0])) if arguments else self.place
        with translate_bucket_errors(self._library, location):
            return getattr(self._library, name)(self._connect(), *arguments, **options)

    def _refuse_fork(self) -> None:
        """Refuse a process that was forked from one in which the library has its threads: it would wait for ever."""
        global _user  # noqa: PLW0603 - the library has one set of threads for all of the process
        if _user is None:
            _user = os.getpid()
        elif _user != os.getpid():
            raise UnavailableError(
                f"the store {self.place!r} cannot be used here: this process is a fork of one that used a bucket, and"
                " has none of its threads; start processes by 'spawn', or fork them before the first use",
                path=self.place,
            )

    @property
    def _library(self) -> Any:
        return import_extra("obstore", "s3", "obstore, which a store in a bucket needs, is not installed")

    def _connect(self) -> Any:
        """Return the library's store, which is made when it is first needed."""
        self._refuse_fork()
        if self._client is None:
            store = import_extra(
                "obstore.store", "s3", "obstore, which a store in a bucket needs, is not installed"
            )
            options = find_options()
            client = store.S3Store(
                self._place.bucket,
                prefix=self._place.prefix or None,
                checksum_algorithm="sha256",
                disable_bulk_delete=True,  # of which not every server knows
                client_options={
                    "allow_http": options.pop("allow_http"),
                    "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
                    "read_timeout": timedelta(seconds=_SILENCE_SECONDS),
                    "timeout": timedelta(seconds=_REQUEST_SECONDS),
                },
                retry_config={
                    "max_retries": _RETRIES,
                    "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
                    "backoff": {"max_backoff": timedelta(seconds=5)},
                },
                **options,
            )
            self._client = client
        return self._client


class _BucketSource:
    """An object of a bucket that is to be stored elsewhere."""

    def __init__(self, bucket: Bucket, key: str) -> None:
        self._bucket, self._key = bucket, key

    @property
    def name(self) -> str:
        """Its URL."""
        return self._bucket.locate(self._key)

    def open(self) -> BufferedIOBase:
        """Ask for it."""
        with self._bucket.translate_errors("read", self._key):
            opened = self._bucket.open_object(self._key)
        if opened is None:
            raise UnavailableError(f"{self.name!r} cannot be read: there is no such object", path=self.name)
        return opened.file


class _Body(io.BufferedIOBase):
    """The bytes of an answer, in pieces as they come."""

    def __init__(
        self, pieces: Iterator[Buffer], translate: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._pieces, self._translate = pieces, translate
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any, /) -> int:
        """Fill a buffer as far as there are bytes; return their number."""
        wanted = memoryview(buffer).cast("B")
        filled = 0
        for piece in self._take(len(wanted)):
            wanted[filled : filled + len(piece)] = piece
            filled += len(piece)
        return filled

    def read(self, size: int | None = -1, /) -> bytes:
        """Return so many bytes, or all that come."""
        return b"".join(self._take(sys.maxsize if size is None or size < 0 else size))

    def _take(self, size: int) -> Iterator[memoryview]:
        """Yield so many bytes, or all that come, in pieces that are not copied."""
        while size:
            if not self._rest:
                with self._translate():
                    piece = next(self._pieces, None)
                if piece is None:
                    return
                self._rest = memoryview(piece)
            piece, self._rest = self._rest[:size], self._rest[size:]
            size -= len(piece)
            yield piece
