"""The stored files of a registry behind a service: kept by the cache of this machine, and verified whenever read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Self

from registry.cache import CacheFolder, EntryKind, EntryName, NewEntry
from registry.errors import (
    CacheError,
    CorruptionError,
    LeftOutError,
    NotFoundError,
    OfflineError,
    Remedy,
    RequestError,
    UnavailableError,
)
from registry.files import Buffer, blake3_of, sha256_of
from registry.left_out_notes import left_out_error
from registry.store import ContentStore
from registry.transport import Service


class RemoteStore(ContentStore):
    """The store behind a service; its files can be read, and nothing else."""

    def __init__(self, service: Service, cache: CacheFolder | None, registry_id: str) -> None:
        super().__init__(Path(service.url))
        self._service, self._cache, self._registry_id = service, cache, registry_id

    @property
    def place(self) -> str:
        """The URL of the service."""
        return self._service.url

    def make_absolute(self) -> Self:
        """Return this store: it is the same from everywhere."""
        return self

    def read_owner(self) -> str:
        """Return the Id of the registry of the service."""
        return self._registry_id

    def read_into(self, sha256: str, size: int, buffer: memoryview, blake3: str | None = None) -> bytes:
        """Fill `buffer` with the last bytes of an object, and return its header; see `ContentStore.read_into`."""
        header_size = size - buffer.nbytes

        def read(handle: int) -> bytes | None:
            """Return the header of a sound file, None for another one."""
            if os.fstat(handle).st_size != size:
                return None
            with os.fdopen(handle, "rb", closefd=False, buffering=0) as file:
                header = file.read(header_size)
                filled = 0
                while filled < buffer.nbytes and (count := file.readinto(buffer[filled:])):
                    filled += count
            return header if _is_sound(header, buffer, sha256, blake3) else None

        if self._service.is_offline:
            return self._read_kept(sha256, read)
        if self._cache is not None:
            try:
                name = EntryName(EntryKind.OBJECT, sha256)
                return self._cache.obtain(name, lambda entry: self._fetch(sha256, size, entry), read)
            except CacheError:  # the file can be had without it
                pass
        return self._read_uncached(sha256, size, buffer, blake3)

    def _read_kept(self, sha256: str, read: Callable[[int], bytes | None]) -> bytes:
        """Return what is read of an object in the cache; no service is asked for one that is not."""
        header = None if self._cache is None else self._cache.find(EntryName(EntryKind.OBJECT, sha256), read)
        if header is None:
            raise OfflineError(
                f"object {sha256} is not in the cache, or is damaged there, and CALREG_OFFLINE lets the service"
                f" {self._service.url} not be asked",
                remedy=Remedy.FETCH,
                sha256=sha256,
            )
        return header

    def bring(self, sha256: str, size: int) -> bool:
        """Bring an object into the cache, verified; return whether it was not there.

        Raises
        ------
        CacheError, DeniedError
            The cache cannot be used.
        CorruptionError
            The service has not got it, or has it damaged.
        """
        assert self._cache is not None  # noqa: S101 - the caller has looked
        brought = False

        def make(entry: NewEntry) -> None:
            nonlocal brought
            brought = True
            self._fetch(sha256, size, entry)

        def is_sound(handle: int) -> bool | None:
            with os.fdopen(handle, "rb", closefd=False, buffering=0) as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256 or None

        self._cache.obtain(EntryName(EntryKind.OBJECT, sha256), make, is_sound)
        return brought

    def find_problem(self, sha256: str, size: int) -> str | None:
        """Return the problem of an object, None where it is sound; raise that the service does not send it now."""
        error = self.find_error(sha256, size)
        if isinstance(error, UnavailableError):
            raise error
        return None if error is None else str(error)

    def _fetch(self, sha256: str, size: int, entry: NewEntry) -> None:
        """Write an object to the cache; what comes damaged is refused at once, not fetched again."""
        digest = hashlib.sha256()

        def take(piece: bytes) -> None:
            digest.update(piece)
            entry.write(piece)

        self._download(sha256, size, take)
        if digest.hexdigest() != sha256:
            raise self._damage_error(sha256)

    def _read_uncached(self, sha256: str, size: int, buffer: memoryview, blake3: str | None) -> bytes:
        header, filled = bytearray(), 0
        header_size = size - buffer.nbytes

        def take(piece: bytes) -> None:
            nonlocal filled
            first = piece[: header_size - len(header)]
            header.extend(first)
            rest = piece[len(first) :]
            buffer[filled : filled + len(rest)] = rest
            filled += len(rest)

        self._download(sha256, size, take)
        if not _is_sound(header, buffer, sha256, blake3):
            raise self._damage_error(sha256)
        return bytes(header)

    def _download(self, sha256: str, size: int, take: Callable[[bytes], object]) -> None:
        try:
            self._service.download(f"/v1/objects/sha256/{sha256}", size, take)
        except LeftOutError as error:
            raise self._name_store(error) from None
        except (
            RequestError
        ):  # a part was asked for behind the end of the file, which is shorter than was recorded
            raise self._damage_error(sha256) from None
        except NotFoundError:
            raise CorruptionError(
                f"object {sha256} is missing from the store of {self._service.url}",
                sha256=sha256,
                path=self.locate(sha256),
            ) from None

    def _name_store(self, error: LeftOutError) -> LeftOutError:
        """Return the refusal of a file that was left out, with the store of the service in the place of its folder."""
        values = error.values
        if not {"sha256", "request", "whole"} <= values.keys():  # of a public service
            return error
        return left_out_error(where=f"of {self._service.url}", **values)

    def _damage_error(self, sha256: str) -> CorruptionError:
        return CorruptionError(
            f"object {sha256} in the store of {self._service.url} is damaged: its bytes have another checksum",
            sha256=sha256,
            path=self.locate(sha256),
        )

    def read(self, sha256: str, size: int) -> bytes:
        """Return the bytes with that checksum."""
        content = bytearray(size)
        self.read_into(sha256, size, memoryview(content))
        return bytes(content)


def _is_sound(header: Buffer, rest: Buffer, sha256: str, blake3: str | None) -> bool:
    if blake3 is None:
        return sha256_of(header, rest) == sha256
    return blake3_of(header, rest) == blake3
